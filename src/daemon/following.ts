/**
 * following keeps a node in step with its control server: it hears the maps, tells where the node is,
 * and takes leave. What a map changes is made true by `onBelief`, in the node's turn.
 */
import * as v from "valibot";
import { encodeHex } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../crypto/ed25519.ts";
import { type Envelope, sealEnvelope } from "../crypto/envelope.ts";
import { propose } from "../membership/propose.ts";
import { updateType } from "../membership/update.ts";
import { UpdateId } from "../model/ids.ts";
import type { Finding } from "../wire/local-api.ts";
import type { Advertiser } from "./advertiser.ts";
import type { Belief } from "./belief.ts";
import type { ControlClient, OpenControlClient } from "./control-client.ts";
import { ControlLink, type LinkState } from "./control-link.ts";
import { findingOf } from "./failure.ts";
import { findingOfMap } from "./map-refusal.ts";
import type { Enrollment, NodeKeys } from "./node-state.ts";
import type { Witness } from "./witness.ts";

export type FollowingParts = {
  readonly belief: Belief;
  readonly witness: Witness;
  readonly advertiser: Advertiser;
  readonly openClient: OpenControlClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly inTurn: <T>(act: () => Promise<T>) => Promise<T>;
  /** Makes the host follow what is believed now. */
  readonly onBelief: () => Promise<void>;
};

/** Sent at once, or signed again. */
const departureS = 300;
const leaveAttemptsMax = 5;
const leavePauseMs = 500;

/**
 * Leaves in the node's turn, and between attempts lets others have theirs: a map may have to be taken
 * first. Throws what the last attempt threw.
 */
export async function leaveInTurn(
  inTurn: FollowingParts["inTurn"],
  leave: () => Promise<void>,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await inTurn(leave);
    } catch (error) {
      const isOutdated = error instanceof Fault && error.code === "outdated";
      if (!isOutdated || attempt === leaveAttemptsMax) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, leavePauseMs));
  }
}

/** For as long as a node belongs to one network: another network is another following. */
export class Following {
  readonly #parts: FollowingParts;
  readonly #keys: NodeKeys;
  readonly #enrollment: Enrollment;
  readonly #client: ControlClient;
  #link: ControlLink | null = null;

  constructor(parts: FollowingParts, enrollment: Enrollment, keys: NodeKeys) {
    const { url, pin } = enrollment;
    this.#parts = parts;
    this.#enrollment = enrollment;
    this.#keys = keys;
    this.#client = parts.openClient({ url, pin, signer: keys.identity });
  }

  /** Null while nobody is followed. */
  get state(): LinkState | null {
    return this.#link?.state ?? null;
  }

  start(): void {
    if (this.#link !== null) return;
    const hooks = {
      held: () => this.#held(),
      onMap: (text: string) => this.#parts.inTurn(() => this.#takeMap(text)),
      onOpen: () => {
        this.#parts.advertiser.forget();
        return this.#advertise();
      },
    };
    this.#link = new ControlLink(this.#client, hooks, this.#parts.clock, this.#parts.log);
    this.#link.start();
  }

  /** Hears nothing from here on. Resolves when what was under way has ended. */
  stop(): Promise<void> {
    const link = this.#link;
    this.#link = null;
    return link?.stop() ?? Promise.resolve();
  }

  probe(): void {
    this.#link?.probe();
  }

  /** In nobody's turn: a control server that is slow to answer is not to hold up maps, or `down`. */
  async advertiseAgain(): Promise<void> {
    if (this.state?.state !== "connected") return;
    try {
      await this.#advertise();
    } catch (error) {
      // It is said again at the next look, or when the stream opens the next time.
      const { code, message } = findingOf(error);
      this.#parts.log.info("advertisement_refused", { code, message });
    }
  }

  /** Nobody is left behind in the log by accident: without the control server it takes a word more. */
  async leave(): Promise<void> {
    try {
      await this.#client.leave(this.#departure());
    } catch (error) {
      // Expelled already: there is nothing to leave any more.
      if (error instanceof Fault && error.code === "revoked") return;
      // The log has moved on: it is to be signed again once the map that says so has come.
      if (error instanceof Fault && error.code === "outdated") throw error;
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

  /** This node's own word for it, upon the log as it knows it; null where there is nothing to revoke. */
  #departure(): Envelope | null {
    const { belief, clock, random } = this.#parts;
    if (belief.view === null) return null;
    const { membership, self } = belief.view;
    const id = v.parse(UpdateId, encodeHex(random(16)));
    const createdAt = Math.max(clock.nowS(), membership.acceptedAt);
    const operation = { kind: "revoke_node", node: self } as const;
    const proposed = propose(membership, operation, { id, createdAt, lifetimeS: departureS });
    return proposed.ok ? sealEnvelope(updateType, proposed.value, [this.#keys.identity]) : null;
  }

  #held() {
    const { view } = this.#parts.belief;
    if (view === null) throw new Fault("store_corrupt", "there is no view to go on from");
    const { state, root } = view.membership;
    return {
      held: { epoch: state.epoch, generation: view.generation },
      head: { epoch: state.epoch, root },
    };
  }

  async #takeMap(text: string): Promise<Finding | null> {
    const { log, onBelief, belief, witness } = this.#parts;
    const before = belief.view;
    const received = this.#receive(text);
    if (received instanceof Fault) {
      await onBelief();
      return findingOf(received);
    }
    if (!received.ok) {
      log.warning("map_rejected", { code: received.error.code });
      if (before !== null) witness.refused(this.#enrollment, before, text, received.error);
      return findingOfMap(received.error);
    }
    for (const node of received.value.impostors) log.warning("impostor", { node });
    await onBelief();
    if (before !== null) witness.taken(before, received.value);
    const { generation, membership } = received.value.view;
    this.#link?.report({ kind: "applied", generation, epoch: membership.state.epoch });
    return null;
  }

  /** A fault is the disk's: the link is given up, and what is missing is asked for again later. */
  #receive(text: string): ReturnType<Belief["receive"]> | Fault {
    try {
      return this.#parts.belief.receive(text);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#parts.log.error("map_not_kept", { code: error.code, message: error.message });
      return error;
    }
  }

  async #advertise(): Promise<void> {
    const { belief, advertiser } = this.#parts;
    if (belief.view === null || this.#link === null) return;
    await advertiser.advertise(this.#keys, belief.view, this.#client);
  }
}
