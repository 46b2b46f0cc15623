/**
 * node is the daemon's life: it joins and leaves, takes maps, and has the host follow. One thing at a
 * time happens to it, in the order of arrival; what each of its parts does is theirs to know.
 */
import type { Clock } from "../base/clock.ts";
import { Fault, isFaultCode } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import type { Random } from "../crypto/ed25519.ts";
import type { Custody } from "../crypto/key-file.ts";
import type { TunnelConfig } from "../dataplane/host-state.ts";
import type { Endpoint } from "../model/ip.ts";
import type { NodeName } from "../model/names.ts";
import type { View } from "../trust/view.ts";
import type { Finding, JoinReport } from "../wire/local-api.ts";
import { Advertiser } from "./advertiser.ts";
import { Belief } from "./belief.ts";
import type { OpenControlClient } from "./control-client.ts";
import type { LinkState } from "./control-link.ts";
import { findingOf } from "./failure.ts";
import { Following, type FollowingParts, leaveInTurn } from "./following.ts";
import type { HostPort } from "./host-port.ts";
import { Joining } from "./joining.ts";
import { Whereabouts } from "./whereabouts.ts";
import { Witness } from "./witness.ts";
import { networkOf, readToken, requestOf, type Token } from "./token.ts";
import type { Enrollment, NodeKeys, NodeState } from "./node-state.ts";
import { type Goal, Reconciler } from "./reconciler.ts";

export type NodeParts = {
  readonly state: NodeState;
  readonly custody: Custody;
  readonly host: HostPort;
  readonly openClient: OpenControlClient;
  readonly config: TunnelConfig;
  readonly endpoints: readonly Endpoint[];
  readonly holdMs: number;
  readonly hostName: NodeName;
  readonly os: string;
  readonly software: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
};

export class Node {
  readonly parts: NodeParts;
  readonly belief: Belief;
  readonly witness: Witness;
  readonly reconciler: Reconciler;
  readonly #advertiser: Advertiser;
  readonly #joining: Joining;
  readonly #whereabouts: Whereabouts;
  #keys: NodeKeys | null = null;
  #enrollment: Enrollment | null = null;
  #following: Following | null = null;
  /** Why what is on disk cannot be used: then nothing is opened until somebody decides. */
  #damage: Finding | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isEnding = false;
  #isLookDue = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(parts: NodeParts) {
    this.parts = parts;
    this.witness = new Witness(parts);
    this.belief = new Belief(parts.state, parts.clock, parts.holdMs);
    this.#whereabouts = new Whereabouts(parts.host, parts.config);
    this.#advertiser = new Advertiser(parts.state, parts.clock, () => ({
      os: parts.os,
      software: parts.software,
      endpoints: [...new Set([...parts.endpoints, ...this.#whereabouts.endpoints()])],
    }));
    this.#joining = new Joining({
      ...parts,
      inTurn: (act) => this.#inTurn(act),
      onAdmitted: async (enrollment) => {
        this.#adopt(enrollment);
        await this.#reconcile();
        this.#followControl();
      },
    });
    this.reconciler = new Reconciler(parts.host, parts.clock, parts.log, parts.config);
  }

  get enrollment(): Enrollment | null {
    return this.#enrollment;
  }

  /** What this host asked to join, and why it was not let in when it asked last. */
  get request(): JoinReport | null {
    return this.#joining.report(this.parts.clock.nowS());
  }

  get verdict(): Finding | null {
    return this.#joining.verdict;
  }

  get link(): LinkState | null {
    return this.#following?.state ?? null;
  }

  get damage(): Finding | null {
    return this.#damage;
  }

  /** Takes up where the last run stopped. A state that cannot be believed leaves the node closed. */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      try {
        this.#keys = this.parts.state.readKeys(this.parts.custody);
        this.#enrollment = this.parts.state.readEnrollment();
        if (this.#enrollment === null) this.#joining.resume(this.#keys);
        else refuseOtherKey(this.belief.open(this.#enrollment), this.#keys);
        // What cannot be read is to be known from the start.
        void this.witness.conflicts;
      } catch (error) {
        this.#damage = findingOf(error);
        this.belief.forget();
        this.parts.log.error("restricted", { ...this.#damage, remedy: this.#damage.remedy ?? "" });
      }
      await this.#reconcile();
      this.#followControl();
    });
  }

  /** Joins by a token, or comes back up. Doing it twice changes nothing. */
  up(token: string | undefined, name: NodeName | undefined): Promise<void> {
    return this.#inTurn(async () => {
      const keys = this.#usableKeys();
      const parsed = token === undefined ? null : readToken(token);
      if (
        parsed !== null &&
        this.#enrollment !== null &&
        networkOf(parsed) !== this.#enrollment.network
      )
        throw new Fault("already_exists", "this host belongs to another network already", {
          remedy: "leave it first: rustynet logout",
        });
      if (this.#enrollment === null) await this.#join(keys, parsed, name ?? this.parts.hostName);
      this.#wantUp();
      await this.#reconcile();
      this.#followControl();
    });
  }

  /** At once, or as soon as those who decide on it have let this host in. */
  async #join(keys: NodeKeys, token: Token | null, name: NodeName): Promise<void> {
    const joined =
      token === null
        ? await this.#joining.goOn()
        : token.kind === "voucher"
          ? await this.#joining.redeem(keys, token.voucher, name)
          : await this.#joining.begin(keys, requestOf(token.join, name, this.parts.clock.nowS()));
    if (joined !== null) this.#adopt(joined);
  }

  #adopt(enrollment: Enrollment): void {
    this.#enrollment = enrollment;
    this.witness.joined(this.belief.open(enrollment).membership);
  }

  down(): Promise<void> {
    return this.#inTurn(async () => {
      this.#joining.pause();
      const enrollment = this.#enrollment;
      if (enrollment !== null) this.#enrollment = { ...enrollment, wanted: "down" };
      this.#stopFollowing();
      // Before it is written: a disk that is full is no reason to stay open.
      await this.#reconcile();
      if (this.#enrollment !== null) this.parts.state.writeEnrollment(this.#enrollment);
    });
  }

  /** Leaves the network, or with `local` only forgets it here. Keys and log are gone afterwards. */
  async logout(scope: "everywhere" | "local"): Promise<void> {
    if (scope === "everywhere")
      await leaveInTurn(
        (leave) => this.#inTurn(leave),
        async () => {
          if (this.#enrollment !== null) await this.#openFollowing().leave();
        },
      );
    return this.#inTurn(async () => {
      this.#stopFollowing();
      this.#following = null;
      this.#enrollment = null;
      this.#damage = null;
      this.#keys = null;
      this.#joining.forget();
      this.belief.forget();
      this.parts.state.forget();
      await this.#reconcile();
    });
  }

  /** Others changed addresses, routes, links or the filter, or this daemon did one of the first three. */
  onNetworkChange(): void {
    if (this.#isEnding || this.#isLookDue) return;
    // One look serves all the changes that come until it begins.
    this.#isLookDue = true;
    if (this.#whereabouts.hasMoved()) this.#following?.probe();
    void this.#inTurn(() => {
      this.#isLookDue = false;
      return this.#look();
    });
  }

  /** Ends the program's part. What the host was told stays in force: closed things stay closed. */
  async stop(): Promise<void> {
    // A change that was noticed before would otherwise begin anew, and keep the process from ending.
    this.#isEnding = true;
    this.#joining.stop();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#following?.stop();
    await this.#queue;
    // Whose turn it was may have set timers, which would keep the process from ending.
    this.#joining.stop();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** Runs when nothing else does. */
  inTurn<T>(act: () => Promise<T>): Promise<T> {
    return this.#inTurn(act);
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(act);
    this.#queue = result.catch(() => {});
    return result;
  }

  /** Looks at the whole host. */
  #reconcile(): Promise<void> {
    return this.#untilNext((goal) => this.reconciler.reconcile(goal));
  }

  /** Nothing but what is believed has changed, as far as anybody has said. */
  #follow(): Promise<void> {
    return this.#untilNext((goal) => this.reconciler.follow(goal));
  }

  async #untilNext(act: (goal: Goal) => Promise<number>): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const waitMs = await act(this.#goal());
    if (this.#isEnding) return;
    this.#timer = setTimeout(() => void this.#inTurn(() => this.#look()), waitMs);
  }

  /** The host may have changed by itself, and what this node says of itself runs out in time. */
  async #look(): Promise<void> {
    await this.#reconcile();
    void this.#following?.advertiseAgain();
  }

  #goal(): Goal {
    const { view } = this.belief;
    if (this.#enrollment?.wanted !== "up" || view === null) return { kind: "down" };
    return { kind: "up", view, leaseMs: this.belief.leaseMs() };
  }

  #wantUp(): void {
    if (this.#enrollment === null || this.#enrollment.wanted === "up") return;
    const enrollment: Enrollment = { ...this.#enrollment, wanted: "up" };
    this.parts.state.writeEnrollment(enrollment);
    this.#enrollment = enrollment;
  }

  /** What follows the control server of the network that this node belongs to. */
  #openFollowing(): Following {
    if (this.#enrollment === null) throw new Fault("usage", "this host belongs to no network");
    const { openClient, clock, random, log } = this.parts;
    const parts: FollowingParts = {
      belief: this.belief,
      witness: this.witness,
      advertiser: this.#advertiser,
      openClient,
      clock,
      random,
      log,
      inTurn: (act) => this.#inTurn(act),
      onBelief: () => this.#follow(),
    };
    this.#following ??= new Following(parts, this.#enrollment, this.#usableKeys());
    return this.#following;
  }

  /** Without waiting: it may be about to hand over a map, and this is somebody's turn. */
  #stopFollowing(): void {
    void this.#following?.stop();
  }

  #followControl(): void {
    if (this.#enrollment?.wanted === "up" && this.#damage === null) this.#openFollowing().start();
  }

  #usableKeys(): NodeKeys {
    if (this.#damage === null)
      return (this.#keys ??= this.parts.state.readKeys(this.parts.custody));
    const { code, message, remedy } = this.#damage;
    const known = isFaultCode(code) ? code : "key_custody";
    throw new Fault(known, message, remedy === undefined ? {} : { remedy });
  }
}

/** A key that was lost is made anew like a first one, and nobody would believe what it signs. */
function refuseOtherKey({ self, membership }: View, { identity }: NodeKeys): void {
  if (membership.state.nodes.get(self)?.key === identity.publicKey) return;
  throw new Fault("key_custody", "the identity key is not the one that this node joined with", {
    remedy: "restore identity.key from a backup, or join anew: rustynet logout --local",
  });
}
