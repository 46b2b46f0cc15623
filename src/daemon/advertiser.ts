/**
 * advertiser words what this node says of itself, numbers and signs it, and sees that the control
 * server has it. A statement is on disk before it is sent: no number is ever used for two texts.
 */
import * as v from "valibot";
import type { Clock } from "../base/clock.ts";
import { openEnvelope, sealEnvelope, type Envelope } from "../crypto/envelope.ts";
import type { Endpoint } from "../model/ip.ts";
import type { View } from "../trust/view.ts";
import { Advertisement, advertisementLifetimeS, advertisementType } from "../wire/advertisement.ts";
import type { ControlClient } from "./control-client.ts";
import type { NodeKeys, NodeState } from "./node-state.ts";

/** Said again after this long, so that it never runs out while the node is there. */
const renewS = advertisementLifetimeS / 4;
const endpointsMax = 16;

type Said = Pick<Advertisement, "os" | "software"> & {
  readonly endpoints: readonly Endpoint[];
};

export class Advertiser {
  readonly #state: NodeState;
  readonly #clock: Clock;
  readonly #say: () => Said;
  /** The payload that the control server took since the stream opened. */
  #confirmed: string | null = null;
  /** Counts the streams: what an earlier one's server took says nothing of this one's. */
  #streams = 0;

  /** `say` is asked each time, because a host's addresses come and go. */
  constructor(state: NodeState, clock: Clock, say: () => Said) {
    this.#state = state;
    this.#clock = clock;
    this.#say = say;
  }

  /** A new stream may lead to a server that has forgotten. */
  forget(): void {
    this.#confirmed = null;
    this.#streams++;
  }

  /** Sends what is to be said now, unless it was taken already. Throws what the client throws. */
  async advertise(keys: NodeKeys, view: View, client: ControlClient): Promise<void> {
    const envelope = word(this.#state, keys, view, this.#say(), this.#clock);
    if (envelope.payload === this.#confirmed) return;
    const stream = this.#streams;
    await client.advertise(envelope);
    if (stream === this.#streams) this.#confirmed = envelope.payload;
  }
}

/** What to advertise now: the last statement while it still holds, or a new one. */
function word(state: NodeState, keys: NodeKeys, view: View, said: Said, clock: Clock): Envelope {
  const last = readLast(state, keys);
  const issuedAt = clock.nowS();
  const { membership, self } = view;
  const next: Advertisement = {
    network: membership.state.network,
    node: self,
    sequence: (last?.advertisement.sequence ?? 0) + 1,
    issuedAt,
    expiresAt: issuedAt + advertisementLifetimeS,
    tunnelKey: keys.tunnel.publicKey,
    endpoints: said.endpoints.slice(0, endpointsMax),
    routes: [],
    exit: "none",
    head: { epoch: membership.state.epoch, root: membership.root },
    os: said.os,
    software: said.software,
  };
  if (last !== null && stillHolds(last.advertisement, next)) return last.envelope;
  const envelope = sealEnvelope(advertisementType, next, [keys.identity]);
  state.writeOwnAdvertisement(envelope);
  return envelope;
}

function stillHolds(last: Advertisement, next: Advertisement): boolean {
  const isSame = (["network", "node", "tunnelKey", "os", "software"] as const).every(
    (field) => last[field] === next[field],
  );
  const ageS = next.issuedAt - last.issuedAt;
  return isSame && ageS >= 0 && ageS < renewS && last.endpoints.join() === next.endpoints.join();
}

/** Null when there is none, or it is not by these keys: then numbering starts anew with a new node. */
function readLast(
  state: NodeState,
  { identity }: NodeKeys,
): { readonly envelope: Envelope; readonly advertisement: Advertisement } | null {
  const envelope = state.readOwnAdvertisement();
  if (envelope === null) return null;
  const opened = openEnvelope(envelope, advertisementType);
  if (!opened.ok || !opened.value.signers.has(identity.publicKey)) return null;
  const parsed = v.safeParse(Advertisement, opened.value.value);
  return parsed.success ? { envelope, advertisement: parsed.output } : null;
}
