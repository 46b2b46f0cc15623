/**
 * node is the daemon's life: it joins and leaves, takes maps, and has the host follow. One thing at a
 * time happens to it, in the order of arrival; what each of its parts does is theirs to know.
 */
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import type { Random } from "../crypto/ed25519.ts";
import type { Custody } from "../crypto/key-file.ts";
import type { TunnelConfig } from "../dataplane/host-state.ts";
import { type Endpoint, endpointOf } from "../model/ip.ts";
import type { NodeName } from "../model/names.ts";
import type { View } from "../trust/view.ts";
import type { Finding } from "../wire/local-api.ts";
import { Advertiser } from "./advertiser.ts";
import { Belief } from "./belief.ts";
import type { ControlClient, OpenControlClient } from "./control-client.ts";
import { ControlLink, type LinkState } from "./control-link.ts";
import type { HostPort } from "./host-port.ts";
import { enroll, readToken } from "./join.ts";
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
  readonly reconciler: Reconciler;
  readonly #advertiser: Advertiser;
  #keys: NodeKeys | null = null;
  #enrollment: Enrollment | null = null;
  #client: ControlClient | null = null;
  #link: ControlLink | null = null;
  /** Why what is on disk cannot be used: then nothing is opened until somebody decides. */
  #damage: Finding | null = null;
  /** Where the host could be reached when it was last looked at. */
  #addresses = "";
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isEnding = false;
  #isLookDue = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(parts: NodeParts) {
    this.parts = parts;
    this.belief = new Belief(parts.state, parts.clock, parts.holdMs);
    this.#advertiser = new Advertiser(parts.state, parts.clock, () => ({
      os: parts.os,
      software: parts.software,
      endpoints: [...new Set([...parts.endpoints, ...this.#localEndpoints()])],
    }));
    this.reconciler = new Reconciler(parts.host, parts.clock, parts.log, parts.config);
  }

  get enrollment(): Enrollment | null {
    return this.#enrollment;
  }

  get link(): LinkState | null {
    return this.#link?.state ?? null;
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
        if (this.#enrollment !== null)
          refuseOtherKey(this.belief.open(this.#enrollment), this.#keys);
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
        parsed.network !== this.#enrollment.network
      )
        throw new Fault("already_exists", "this host belongs to another network already", {
          remedy: "leave it first: rustynet logout",
        });
      if (this.#enrollment === null) {
        if (parsed === null)
          throw new Fault("usage", "this host belongs to no network yet", {
            remedy: "rustynet up TOKEN, with a token from: rustynet credential create",
          });
        this.#enrollment = await enroll(this.parts, keys, parsed, name ?? this.parts.hostName);
        this.belief.open(this.#enrollment);
      }
      this.#wantUp();
      await this.#reconcile();
      this.#followControl();
    });
  }

  down(): Promise<void> {
    return this.#inTurn(async () => {
      const enrollment = this.#enrollment;
      if (enrollment !== null) this.#enrollment = { ...enrollment, wanted: "down" };
      await this.#stopLink();
      // Before it is written: a disk that is full is no reason to stay open.
      await this.#reconcile();
      if (this.#enrollment !== null) this.parts.state.writeEnrollment(this.#enrollment);
    });
  }

  /** Leaves the network, or with `local` only forgets it here. Keys and log are gone afterwards. */
  logout(scope: "everywhere" | "local"): Promise<void> {
    return this.#inTurn(async () => {
      if (scope === "everywhere" && this.#enrollment !== null) await this.#leave();
      await this.#stopLink();
      this.#enrollment = null;
      this.#client = null;
      this.#damage = null;
      this.#keys = null;
      this.belief.forget();
      this.parts.state.forget();
      await this.#reconcile();
    });
  }

  /** Others changed addresses, routes or links, or this daemon did. */
  onNetworkChange(): void {
    if (this.#isEnding || this.#isLookDue) return;
    // One look serves all the changes that come until it begins.
    this.#isLookDue = true;
    this.#noteMove();
    void this.#inTurn(() => {
      this.#isLookDue = false;
      return this.#look();
    });
  }

  #noteMove(): void {
    try {
      const addresses = this.#localEndpoints().join();
      if (addresses !== this.#addresses) this.#link?.probe();
      this.#addresses = addresses;
    } catch (error) {
      // The host cannot be read just now, as the look that follows will say.
      if (!(error instanceof Fault)) throw error;
    }
  }

  /** Ends the program's part. What the host was told stays in force: closed things stay closed. */
  async stop(): Promise<void> {
    // A change that was noticed before would otherwise begin anew, and keep the process from ending.
    this.#isEnding = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#link?.stop();
    await this.#queue;
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

  async #reconcile(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    const waitMs = await this.reconciler.reconcile(this.#goal());
    if (this.#isEnding) return;
    this.#timer = setTimeout(() => void this.#inTurn(() => this.#look()), waitMs);
  }

  /** The host may have changed by itself, and what this node says of itself runs out in time. */
  async #look(): Promise<void> {
    await this.#reconcile();
    if (this.link?.state === "connected") void this.#advertiseAgain();
  }

  /** In nobody's turn: a control server that is slow to answer is not to hold up maps, or `down`. */
  async #advertiseAgain(): Promise<void> {
    try {
      await this.#advertise();
    } catch (error) {
      // It is said again at the next look, or when the stream opens the next time.
      if (!(error instanceof Fault)) throw error;
      this.parts.log.info("advertisement_refused", { code: error.code, message: error.message });
    }
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

  #followControl(): void {
    if (this.#enrollment?.wanted !== "up" || this.#damage !== null || this.#link !== null) return;
    const hooks = {
      held: () => this.#held(),
      onMap: (text: string) => this.#inTurn(() => this.#takeMap(text)),
      onOpen: () => {
        this.#advertiser.forget();
        return this.#advertise();
      },
    };
    this.#link = new ControlLink(this.#openClient(), hooks, this.parts.clock, this.parts.log);
    this.#link.start();
  }

  async #stopLink(): Promise<void> {
    const link = this.#link;
    this.#link = null;
    // The link may be waiting for its turn to hand over a map, and this is somebody's turn.
    void link?.stop();
  }

  #held() {
    const { view } = this.belief;
    if (view === null) throw new Fault("store_corrupt", "there is no view to go on from");
    const { state, root } = view.membership;
    return {
      held: { epoch: state.epoch, generation: view.generation },
      head: { epoch: state.epoch, root },
    };
  }

  async #takeMap(text: string): Promise<Finding | null> {
    const received = this.#receive(text);
    if (received instanceof Fault) {
      await this.#reconcile();
      return findingOf(received);
    }
    if (!received.ok) {
      this.parts.log.warning("map_rejected", { code: received.error.code });
      return {
        code: "map_rejected",
        message: `a map from the control server was not believed: ${JSON.stringify(received.error)}`,
        remedy: "the last verified state stays in force; look at the control server",
      };
    }
    for (const node of received.value.impostors) this.parts.log.warning("impostor", { node });
    await this.#reconcile();
    const { generation, membership } = received.value.view;
    this.#link?.report({ kind: "applied", generation, epoch: membership.state.epoch });
    return null;
  }

  /** A fault is the disk's: the link is given up, and what is missing is asked for again later. */
  #receive(text: string): ReturnType<Belief["receive"]> | Fault {
    try {
      return this.belief.receive(text);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.parts.log.error("map_not_kept", { code: error.code, message: error.message });
      return error;
    }
  }

  async #advertise(): Promise<void> {
    const { view } = this.belief;
    if (view === null || this.#link === null || this.#keys === null) return;
    await this.#advertiser.advertise(this.#keys, view, this.#openClient());
  }

  #localEndpoints(): readonly Endpoint[] {
    const { config, host } = this.parts;
    return host.localAddresses(config).map(({ address }) => endpointOf(address, config.listenPort));
  }

  /** Nobody is left behind in the log by accident: without the control server it takes a word more. */
  async #leave(): Promise<void> {
    try {
      await this.#openClient().leave();
    } catch (error) {
      // Expelled already: there is nothing to leave any more.
      if (error instanceof Fault && error.code === "revoked") return;
      const why = error instanceof Error ? error.message : String(error);
      throw new Fault(
        "unavailable",
        `the control server was not told, so nothing was done: ${why}`,
        {
          cause: error,
          remedy:
            "try again later, or forget the network on this host alone: rustynet logout --local",
        },
      );
    }
  }

  #openClient(): ControlClient {
    if (this.#enrollment === null) throw new Fault("usage", "this host belongs to no network");
    const { url, pin } = this.#enrollment;
    const { identity } = this.#usableKeys();
    this.#client ??= this.parts.openClient({ url, pin, identity });
    return this.#client;
  }

  #usableKeys(): NodeKeys {
    if (this.#damage === null)
      return (this.#keys ??= this.parts.state.readKeys(this.parts.custody));
    const { message, remedy } = this.#damage;
    throw new Fault("key_custody", message, remedy === undefined ? {} : { remedy });
  }
}

/** A key that was lost is made anew like a first one, and nobody would believe what it signs. */
function refuseOtherKey({ self, membership }: View, { identity }: NodeKeys): void {
  if (membership.state.nodes.get(self)?.key === identity.publicKey) return;
  throw new Fault("key_custody", "the identity key is not the one that this node joined with", {
    remedy: "restore identity.key from a backup, or join anew: rustynet logout --local",
  });
}

function findingOf(error: unknown): Finding {
  if (!(error instanceof Fault)) throw error;
  const { code, message, remedy } = error;
  return { code, message, ...(remedy === undefined ? {} : { remedy }) };
}
