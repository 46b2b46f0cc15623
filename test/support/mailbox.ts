/** mailbox: what an honest control server would tell a node, and the means to tell it something else. */
import type { CanonicalValue } from "../../src/crypto/canonical.ts";
import { type Envelope, sealEnvelope } from "../../src/crypto/envelope.ts";
import type { NodeId } from "../../src/model/ids.ts";
import { openView, receiveMap, type View } from "../../src/trust/view.ts";
import {
  type Advertisement,
  advertisementLifetimeS,
  advertisementType,
} from "../../src/wire/advertisement.ts";
import { type Held, type Map as MapPayload, mapType, type Presence } from "../../src/wire/map.ts";
import { idOf, type Ledger, network, nowS, signerOf, tunnelOf, unwrap } from "./world.ts";

export type Word = Partial<Record<keyof Advertisement, CanonicalValue>>;

export const sealMap = (map: CanonicalValue, by: readonly string[] = ["control"]): Envelope =>
  sealEnvelope(mapType, map, by.map(signerOf));

export const sealAdvertisement = (word: CanonicalValue, by: readonly string[]): Envelope =>
  sealEnvelope(advertisementType, word, by.map(signerOf));

export class Mailbox {
  readonly ledger: Ledger;
  generation = 0;
  readonly presence: Presence[] = [];
  readonly #said = new Map<NodeId, { readonly generation: number; readonly envelope: Envelope }>();
  readonly #sequences = new Map<NodeId, number>();

  constructor(ledger: Ledger) {
    this.ledger = ledger;
  }

  /** What the node of this label would say next. It is not taken in. */
  word(label: string, changes: Word = {}): Record<string, CanonicalValue> {
    const { state, root } = this.ledger.membership;
    return {
      network,
      node: idOf(label),
      sequence: (this.#sequences.get(idOf(label)) ?? 0) + 1,
      issuedAt: nowS - 10,
      expiresAt: nowS - 10 + advertisementLifetimeS,
      tunnelKey: tunnelOf(label).publicKey,
      endpoints: ["192.0.2.1:51820"],
      routes: [],
      exit: "none",
      head: { epoch: state.epoch, root },
      os: "Debian GNU/Linux 12",
      software: "rustynet 0.1.0",
      ...changes,
    };
  }

  /** The node says something, and control takes it in. */
  say(label: string, changes: Word = {}): Envelope {
    const envelope = sealAdvertisement(this.word(label, changes), [label]);
    const sequence = (this.#sequences.get(idOf(label)) ?? 0) + 1;
    this.#sequences.set(idOf(label), sequence);
    this.generation++;
    this.#said.set(idOf(label), { generation: this.generation, envelope });
    return envelope;
  }

  /** What was said after that generation by those who are members still, in the order of saying. */
  saidSince(generation: number): readonly { generation: number; envelope: Envelope }[] {
    const { nodes } = this.ledger.membership.state;
    return [...this.#said]
      .filter(
        ([node, said]) => said.generation > generation && nodes.get(node)?.status === "active",
      )
      .map(([, said]) => said)
      .sort((left, right) => left.generation - right.generation);
  }

  /** The one map that brings a node that holds this much up to date. */
  map(audience: string, held: Held = nothing, changes: Record<string, unknown> = {}): MapPayload {
    const { state, root } = this.ledger.membership;
    const advertisements = this.saidSince(held.generation).map(({ envelope }) => envelope);
    const honest: MapPayload = {
      network,
      audience: idOf(audience),
      generation: this.generation,
      signedAt: nowS,
      since: held,
      head: { epoch: state.epoch, root },
      entries: this.ledger.entries.slice(held.epoch),
      advertisements,
      presence: this.presence,
    };
    return { ...honest, ...changes };
  }

  /** The same in maps of at most so many items each: first the log, then what was said since. */
  chunks(audience: string, held: Held, itemsMax: number): readonly MapPayload[] {
    const chunks: MapPayload[] = [];
    let { epoch } = held;
    for (const entries of inGroups(this.ledger.entries.slice(held.epoch), itemsMax)) {
      const since = { epoch, generation: held.generation };
      epoch += entries.length;
      const head = { epoch, root: this.#rootAt(epoch) };
      const some = { generation: held.generation, since, head, entries, advertisements: [] };
      chunks.push({ ...this.map(audience), ...some });
    }
    let { generation } = held;
    for (const group of inGroups(this.saidSince(held.generation), itemsMax)) {
      const since = { epoch, generation };
      generation = group.at(-1)?.generation ?? generation;
      const advertisements = group.map(({ envelope }) => envelope);
      chunks.push({ ...this.map(audience), generation, since, entries: [], advertisements });
    }
    const since = { epoch, generation };
    return [...chunks, { ...this.map(audience), since, entries: [], advertisements: [] }];
  }

  #rootAt(epoch: number): MapPayload["head"]["root"] {
    const membership = this.ledger.history[epoch];
    if (membership === undefined) throw new Error(`no epoch ${epoch}`);
    return membership.root;
  }
}

export const nothing: Held = { epoch: 0, generation: 0 };

export const heldBy = ({ membership, generation }: View): Held => ({
  epoch: membership.state.epoch,
  generation,
});

/** A node that has seen the genesis and nothing since. */
export function newcomer(label: string, { history }: Ledger): View {
  const [first] = history;
  if (first === undefined) throw new Error("a ledger has a beginning");
  return openView(idOf(label), first);
}

/** The view after maps that must all be taken. */
export const taken = (view: View, ...maps: readonly MapPayload[]): View =>
  maps.reduce((before, map) => unwrap(receiveMap(before, sealMap(map), nowS)).view, view);

export function inGroups<T>(items: readonly T[], sizeMax: number): T[][] {
  const count = Math.ceil(items.length / sizeMax);
  return Array.from({ length: count }, (_, i) => items.slice(i * sizeMax, (i + 1) * sizeMax));
}

/** All that a view says, in plain values that can be compared. */
export const written = (view: View) => ({
  self: view.self,
  root: view.membership.root,
  epoch: view.membership.state.epoch,
  advertisements: [...view.advertisements.values()],
  holders: [...view.advertisements.values()].map(({ advertisement }) => [
    advertisement.tunnelKey,
    view.nodeByTunnelKey.get(advertisement.tunnelKey),
  ]),
  keys: view.nodeByTunnelKey.size,
  presence: [...view.presence.values()],
  generation: view.generation,
  signedAt: view.signedAt,
});
