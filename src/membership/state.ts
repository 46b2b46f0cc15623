/**
 * state is what the log has decided so far: who belongs, who may sign, and which policy is in force.
 * It also owns the state root, the one hash that stands for all of it (protocol.md section 4.2).
 */
import * as v from "valibot";
import { assert } from "../base/assert.ts";
import { concatBytes, encodeHex } from "../base/bytes.ts";
import { encodeCanonical } from "../crypto/canonical.ts";
import { hashOf } from "../crypto/hash.ts";
import { NetworkId, NodeId, PolicyHash, StateRoot } from "../model/ids.ts";
import { Cidr, type Family, familyOf, Ipv4Address, Ipv6Address, splitCidr } from "../model/ip.ts";
import { SigningKey } from "../model/keys.ts";
import { ApproverName, NodeName, Owner, Tag } from "../model/names.ts";
import { Counter } from "../model/time.ts";
import { type Tree, Trie } from "./trie.ts";

export const approversMax = 64;
export const tagsMax = 32;
export const authoritiesMax = 16;
/** Above this no node is added. Revocations and everything else go on. */
export const nodesMax = 50_000;

export const Approver = v.strictObject({
  key: SigningKey,
  name: ApproverName,
  role: v.picklist(["owner", "guardian"]),
  status: v.picklist(["active", "revoked"]),
});
export type Approver = v.InferOutput<typeof Approver>;

export const Node = v.strictObject({
  id: NodeId,
  key: SigningKey,
  name: NodeName,
  owner: Owner,
  tags: v.pipe(
    v.array(Tag),
    v.maxLength(tagsMax),
    v.check((tags) => isAscending(tags), "tags not in order"),
  ),
  ipv4: Ipv4Address,
  ipv6: Ipv6Address,
  status: v.picklist(["active", "quarantined", "revoked"]),
});
export type Node = v.InferOutput<typeof Node>;

/**
 * The prefixes that all overlay addresses come from. Fixed when the network is made. Bounded, because
 * every node sends all of them into the tunnel, and because an IPv4 address fits into the host part
 * of an IPv6 one.
 */
export const Ranges = v.strictObject({
  ipv4: v.pipe(
    Cidr,
    v.check((cidr) => isRange(cidr, 4, 8, 30), "not an IPv4 prefix of 8 to 30 bits"),
  ),
  ipv6: v.pipe(
    Cidr,
    v.check((cidr) => isRange(cidr, 6, 32, 96), "not an IPv6 prefix of 32 to 96 bits"),
  ),
});
export type Ranges = v.InferOutput<typeof Ranges>;

/** The policy in force: the built-in rule, or a document by its hash. */
export const PolicyPin = v.variant("kind", [
  v.strictObject({ kind: v.literal("same_owner") }),
  v.strictObject({ kind: v.literal("document"), hash: PolicyHash }),
]);
export type PolicyPin = v.InferOutput<typeof PolicyPin>;

const authorities = v.pipe(
  v.array(SigningKey),
  v.maxLength(authoritiesMax),
  v.check((keys) => isAscending(keys), "keys not in order"),
);

/** What a network starts with: epoch 0, no nodes. The payload of the genesis statement. */
export const Genesis = v.strictObject({
  version: v.literal(1),
  network: NetworkId,
  ranges: Ranges,
  threshold: v.pipe(Counter, v.minValue(1), v.maxValue(approversMax)),
  approvers: v.pipe(v.array(Approver), v.minLength(1), v.maxLength(approversMax)),
  control: authorities,
  relays: authorities,
  policy: PolicyPin,
});
export type Genesis = v.InferOutput<typeof Genesis>;

export type State = Omit<Genesis, "version"> & {
  readonly epoch: Counter;
  readonly nodes: Trie<Node>;
  /** Names and addresses in use, by the hash of the text: what makes each of them unique. */
  readonly nodeByName: Trie<NodeId>;
  readonly nodeByAddress: Trie<NodeId>;
};

export function genesisState({ version: _, ...genesis }: Genesis): State {
  return {
    ...genesis,
    epoch: 0,
    nodes: Trie.empty(),
    nodeByName: Trie.empty(),
    nodeByAddress: Trie.empty(),
  };
}

export const textKey = (text: string): string =>
  encodeHex(hashOf("rustynet/index/v1", new TextEncoder().encode(text)));

export function nodeNamed(state: State, name: NodeName): Node | undefined {
  const id = state.nodeByName.get(textKey(name));
  return id === undefined ? undefined : state.nodes.get(id);
}

export function nodeAt(state: State, address: string): Node | undefined {
  const id = state.nodeByAddress.get(textKey(address));
  return id === undefined ? undefined : state.nodes.get(id);
}

/**
 * The node after a change, with the indexes that follow from it. A revoked node gives its name back
 * and keeps its addresses, so that nobody is mistaken for it by what others remember.
 */
export function withNode(state: State, node: Node): State {
  const before = state.nodes.get(node.id);
  let { nodeByName, nodeByAddress } = state;
  if (before !== undefined && before.status !== "revoked")
    nodeByName = nodeByName.without(textKey(before.name));
  if (node.status !== "revoked") nodeByName = nodeByName.with(textKey(node.name), node.id);
  for (const address of before === undefined ? [] : [before.ipv4, before.ipv6])
    nodeByAddress = nodeByAddress.without(textKey(address));
  for (const address of [node.ipv4, node.ipv6])
    nodeByAddress = nodeByAddress.with(textKey(address), node.id);
  return { ...state, nodes: state.nodes.with(node.id, node), nodeByName, nodeByAddress };
}

/** The root of the state. Costs a few hashes when it follows a state whose root was computed. */
export function rootOf(state: State): StateRoot {
  const summary = {
    version: 1,
    network: state.network,
    epoch: state.epoch,
    ranges: state.ranges,
    threshold: state.threshold,
    approvers: state.approvers,
    control: state.control,
    relays: state.relays,
    policy: state.policy,
    nodes: encodeHex(treeHash(state.nodes.tree)),
  };
  const hash = hashOf("rustynet/membership-state/v1", encodeCanonical(summary));
  return v.parse(StateRoot, encodeHex(hash));
}

const emptyHash = new Uint8Array(32);
/** A tree never changes, so what it hashes to may be kept for as long as the tree itself. */
const treeHashes = new WeakMap<object, Uint8Array>();

/** No node: 32 zero bytes. One node: the hash of its record. More: the hash of both halves. */
function treeHash(tree: Tree<Node>): Uint8Array {
  if (tree === null) return emptyHash;
  const known = treeHashes.get(tree);
  if (known !== undefined) return known;
  const hash =
    tree.kind === "leaf"
      ? hashOf("rustynet/membership-node/v1", encodeCanonical(tree.value))
      : hashOf(
          "rustynet/membership-branch/v1",
          concatBytes(treeHash(tree.zero), treeHash(tree.one)),
        );
  treeHashes.set(tree, hash);
  return hash;
}

function isRange(cidr: Cidr, family: Family, bitsMin: number, bitsMax: number): boolean {
  const { bits } = splitCidr(cidr);
  return familyOf(cidr) === family && bits >= bitsMin && bits <= bitsMax;
}

function isAscending(items: readonly string[]): boolean {
  return items.every((item, i) => i === 0 || (items[i - 1] ?? "") < item);
}

export function activeApprovers(state: State): readonly Approver[] {
  return state.approvers.filter((approver) => approver.status === "active");
}

/** The state one epoch later. */
export function succeed(state: State): State {
  assert(state.epoch < Number.MAX_SAFE_INTEGER, "an epoch has a successor");
  return { ...state, epoch: state.epoch + 1 };
}
