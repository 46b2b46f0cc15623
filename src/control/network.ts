/**
 * network is what the control server knows and passes on, held in memory: the log with the state it
 * leads to, and the last advertisement of each node. The store is the truth; this follows it.
 */
import * as v from "valibot";
import { decodeBase64, decodeUtf8 } from "../base/bytes.ts";
import type { Envelope } from "../crypto/envelope.ts";
import { append, found, type Membership } from "../membership/membership.ts";
import type { Rejection } from "../membership/rejection.ts";
import { type Node, speaksOn } from "../membership/state.ts";
import { type LogEntry, subjectOf, Update } from "../membership/update.ts";
import type { NodeId, StateRoot } from "../model/ids.ts";
import type { SigningKey, TunnelKey } from "../model/keys.ts";
import type { Counter, UnixS } from "../model/time.ts";
import { type ControlStore, corrupt, type Transaction } from "../store/control-store.ts";
import {
  listAdvertisements,
  listEntries,
  readCounter,
  type StoredAdvertisement,
  type StoredEntry,
} from "../store/control-store-network.ts";
import { Advertisement, type Head } from "../wire/advertisement.ts";

/** One entry of the log, with its canonical text, which every map that carries it shares. */
export type LogItem = { readonly head: Head; readonly entry: LogEntry; readonly text: string };

/** What a node last said of itself. */
export type AdvertisedItem = Omit<StoredAdvertisement, "envelope"> & {
  readonly advertisement: Advertisement;
  readonly text: string;
};

export class Network {
  readonly genesis: Envelope;
  readonly genesisRoot: StateRoot;
  /** The membership at epoch 0. */
  readonly founded: Membership;
  #membership: Membership;
  #generation: Counter = 0;
  readonly #entries: LogItem[] = [];
  readonly #advertised = new Map<NodeId, AdvertisedItem>();
  readonly #nodeByTunnelKey = new Map<TunnelKey, NodeId>();
  /** The epoch at which each expelled node was expelled. */
  readonly #expelledAt = new Map<NodeId, Counter>();
  /** Nodes whose record is gone, by the key that spoke for them last. */
  readonly #removed = new Map<SigningKey, Node>();
  /** Every advertisement in the order of generations, with those that were replaced since. */
  #history: AdvertisedItem[] = [];
  #listeners: (() => void)[] = [];

  constructor(genesis: Envelope, membership: Membership) {
    this.genesis = genesis;
    this.genesisRoot = membership.root;
    this.founded = membership;
    this.#membership = membership;
  }

  get membership(): Membership {
    return this.#membership;
  }

  get state(): Membership["state"] {
    return this.#membership.state;
  }

  get head(): Head {
    return { epoch: this.state.epoch, root: this.#membership.root };
  }

  get generation(): Counter {
    return this.#generation;
  }

  get entries(): readonly LogItem[] {
    return this.#entries;
  }

  /** Undefined for an epoch that this log has not reached. */
  headAt(epoch: Counter): Head | undefined {
    if (epoch === 0) return { epoch: 0, root: this.genesisRoot };
    return this.#entries[epoch - 1]?.head;
  }

  /** How far a node is told the log: to its own end if it was expelled, for the rest is not its business. */
  lastEpochFor(node: NodeId): Counter {
    return this.#expelledAt.get(node) ?? this.state.epoch;
  }

  /** The last record of a node that was removed since, as a revoked one. */
  removedWithKey(key: SigningKey): Node | undefined {
    return this.#removed.get(key);
  }

  advertised(node: NodeId): AdvertisedItem | undefined {
    return this.#advertised.get(node);
  }

  nodeWithTunnelKey(key: TunnelKey): NodeId | undefined {
    return this.#nodeByTunnelKey.get(key);
  }

  /** What was advertised after this generation and is still the node's last word, oldest first. */
  *advertisedAfter(generation: Counter): Generator<AdvertisedItem> {
    for (let i = this.#firstAfter(generation); i < this.#history.length; i++) {
      const item = this.#history[i];
      if (item !== undefined && this.#advertised.get(item.node) === item) yield item;
    }
  }

  /** Calls `listener` after every change. */
  subscribe(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Takes over a change that is on disk. */
  adoptEntry(membership: Membership, entry: LogEntry, generation: Counter): void {
    const before = this.state;
    this.#membership = membership;
    this.#entries.push({ head: this.head, entry, text: textOfEntry(entry) });
    const { operation } = v.parse(Update, payloadOf(entry.envelope));
    const node = subjectOf(operation);
    if (node !== null) this.#follow(node, before);
    this.#grow(generation);
  }

  adoptAdvertisement(item: AdvertisedItem): void {
    this.#forget(item.node);
    this.#advertised.set(item.node, item);
    this.#nodeByTunnelKey.set(item.tunnelKey, item.node);
    this.#history.push(item);
    if (this.#history.length > 2 * this.#advertised.size + 64) this.#compact();
    this.#grow(item.generation);
  }

  /** Forgets what a node advertised, after it was deleted on disk. */
  dropAdvertisement(node: NodeId): void {
    this.#forget(node);
    this.#advertised.delete(node);
  }

  /** At the start only: what the counter on disk says. */
  resume(generation: Counter): void {
    this.#generation = generation;
  }

  /** What an entry about this node means for what is remembered of it. */
  #follow(id: NodeId, before: Membership["state"]): void {
    const [earlier, node] = [before.nodes.get(id), this.state.nodes.get(id)];
    if (node?.status === "active" || node?.status === "quarantined") this.#expelledAt.delete(id);
    else if (!this.#expelledAt.has(id)) this.#expelledAt.set(id, this.state.epoch);
    if (node !== undefined) this.#removed.delete(node.key);
    else if (earlier !== undefined)
      this.#removed.set(earlier.key, { ...earlier, status: "revoked" });
    if (!speaksOn(earlier, node)) this.dropAdvertisement(id);
  }

  #grow(generation: Counter): void {
    this.#generation = Math.max(this.#generation, generation);
    for (const listener of this.#listeners) listener();
  }

  #forget(node: NodeId): void {
    const before = this.#advertised.get(node);
    if (before !== undefined) this.#nodeByTunnelKey.delete(before.tunnelKey);
  }

  #compact(): void {
    this.#history = this.#history.filter((item) => this.#advertised.get(item.node) === item);
  }

  #firstAfter(generation: Counter): number {
    let low = 0;
    let high = this.#history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#history[middle]?.generation ?? 0) > generation) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/**
 * Verifies the stored log from its beginning and loads the rest. Throws `store_corrupt` when the log
 * does not lead where it says.
 */
export function loadNetwork(store: ControlStore, now: UnixS): Promise<Network> {
  return store.transact(async (transaction) => {
    try {
      return await load(transaction, now);
    } catch (error) {
      if (!(error instanceof v.ValiError)) throw error;
      throw corrupt("the control database", "a row is not what was written", error);
    }
  });
}

async function load(transaction: Transaction, now: UnixS): Promise<Network> {
  const [first, ...rest] = await listEntries(transaction);
  if (first?.epoch !== 0) throw corrupt("the membership log", "it has no beginning");
  const founded = found(first.envelope, first.root);
  if (!founded.ok) throw rejected(0, founded.error);
  const network = new Network(first.envelope, founded.value);
  for (const row of rest) appendStored(network, row, now);
  for (const row of await listAdvertisements(transaction)) network.adoptAdvertisement(itemOf(row));
  network.resume(await readCounter(transaction, "generation"));
  return network;
}

function appendStored(network: Network, row: StoredEntry, now: UnixS): void {
  const entry = { acceptedAt: row.acceptedAt, envelope: row.envelope };
  // Judged by the clock of its own day, so that a clock set back does not make history invalid.
  const next = append(network.membership, entry, Math.max(now, row.acceptedAt));
  if (!next.ok) throw rejected(row.epoch, next.error);
  if (next.value.root !== row.root) throw corrupt("the membership log", `epoch ${row.epoch}`);
  network.adoptEntry(next.value, entry, 0);
}

const rejected = (epoch: Counter, rejection: Rejection) =>
  corrupt("the membership log", `the entry of epoch ${epoch} is refused: ${rejection.code}`);

/** A stored advertisement was verified when it came in, and is by every node that it goes to. */
export function itemOf({ envelope, ...row }: StoredAdvertisement): AdvertisedItem {
  const advertisement = v.parse(Advertisement, payloadOf(envelope));
  return { ...row, advertisement, text: textOfEnvelope(envelope) };
}

/** What a statement that was verified says. */
function payloadOf({ payload }: Envelope): unknown {
  const bytes = decodeBase64(payload) ?? new Uint8Array();
  return JSON.parse(decodeUtf8(bytes) ?? "null");
}

/** The canonical text of an envelope: its keys in the order of RFC 8785, its strings plain ASCII. */
export function textOfEnvelope({ payload, payloadType, signatures }: Envelope): string {
  const ordered = signatures.map(({ keyid, sig }) => ({ keyid, sig }));
  return JSON.stringify({ payload, payloadType, signatures: ordered });
}

const textOfEntry = ({ acceptedAt, envelope }: LogEntry): string =>
  `{"acceptedAt":${acceptedAt},"envelope":${textOfEnvelope(envelope)}}`;
