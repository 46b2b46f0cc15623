/** document spells a whole state out, so that it can be handed to who has not replayed the log. */
import * as v from "valibot";
import type { NodeId } from "../model/ids.ts";
import { SigningKey } from "../model/keys.ts";
import { Counter } from "../model/time.ts";
import {
  Approver,
  Genesis,
  Node,
  nodesMax,
  type State,
  textKey,
  Voucher,
  vouchersMax,
} from "./state.ts";
import { Trie } from "./trie.ts";

/** Ascending, none twice: a set has one spelling. One that is too large is not looked into. */
const setOf = <const S extends v.GenericSchema>(
  item: S,
  keyOf: (item: v.InferOutput<S>) => string,
  sizeMax = Number.POSITIVE_INFINITY,
) =>
  v.pipe(
    v.array(v.unknown()),
    v.maxLength(sizeMax),
    v.array(item),
    v.check((items) => isAscending(items.map(keyOf)), "not in order"),
  );

const isAscending = (keys: readonly string[]): boolean =>
  keys.every((key, i) => i === 0 || (keys[i - 1] ?? "") < key);

/** A state as one document: what its root stands for (protocol.md section 4.6). */
export const StateDocument = v.strictObject({
  ...Genesis.entries,
  // Revoked ones stay in the list: there may be more than a network begins with.
  approvers: v.array(Approver),
  epoch: Counter,
  nodes: setOf(Node, ({ id }) => id, nodesMax),
  retired: setOf(SigningKey, (key) => key),
  vouchers: setOf(Voucher, ({ key }) => key, vouchersMax),
});
export type StateDocument = v.InferOutput<typeof StateDocument>;

export function documentOf(state: State): StateDocument {
  const { network, ranges, threshold, approvers, control, relays, policy, epoch } = state;
  return {
    version: 1,
    network,
    ranges,
    threshold,
    approvers: [...approvers],
    control: [...control],
    relays: [...relays],
    policy,
    epoch,
    nodes: [...state.nodes.values()],
    retired: [...state.retired.values()],
    vouchers: [...state.vouchers.values()],
  };
}

/**
 * The state that a document spells; null when two of its nodes share a name, an address or a key.
 * Whether it is what the log led to is not known here: the root is compared.
 */
export function stateOf(document: StateDocument): State | null {
  const { version: _, nodes, retired, vouchers, ...rest } = document;
  const named = nodes.filter(({ status }) => status !== "revoked");
  const nodeByName = indexOf(named.map(({ id, name }) => [textKey(name), id]));
  const nodeByAddress = indexOf(
    nodes.flatMap(({ id, ipv4, ipv6 }) => [ipv4, ipv6].map((ip) => [textKey(ip), id] as const)),
  );
  const nodeByKey = indexOf(nodes.map(({ id, key }) => [key, id]));
  if (nodeByName === null || nodeByAddress === null || nodeByKey === null) return null;
  return {
    ...rest,
    nodes: Trie.from(nodes.map((node) => [node.id, node])),
    retired: Trie.from(retired.map((key) => [key, key])),
    vouchers: Trie.from(vouchers.map((voucher) => [voucher.key, voucher])),
    nodeByName,
    nodeByAddress,
    nodeByKey,
  };
}

/** Null when two of these share a key. */
function indexOf(entries: readonly (readonly [key: string, node: NodeId])[]): Trie<NodeId> | null {
  const index = Trie.from(entries);
  return index.size === entries.length ? index : null;
}
