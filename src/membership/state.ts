/**
 * state is what the log has decided so far: who belongs, who may sign, and which policy is in force.
 * It also owns the state root, the one hash that stands for all of it (protocol.md section 4.2).
 */
import * as v from "valibot";
import { assert } from "../base/assert.ts";
import { encodeHex, encodeUtf8 } from "../base/bytes.ts";
import { encodeCanonical } from "../crypto/canonical.ts";
import { hashOf } from "../crypto/hash.ts";
import { NetworkId, NodeId, PolicyHash, StateRoot } from "../model/ids.ts";
import { Cidr, type Family, familyOf, Ipv4Address, Ipv6Address, splitCidr } from "../model/ip.ts";
import { SigningKey } from "../model/keys.ts";
import { ApproverName, NodeName, Owner, Tag } from "../model/names.ts";
import { Counter, UnixS } from "../model/time.ts";
import { type Tree, Trie } from "./trie.ts";

export const approversMax = 64;
export const tagsMax = 32;
export const authoritiesMax = 16;
/** Above this no node is added. Revocations and everything else go on. */
export const nodesMax = 50_000;
export const vouchersMax = 1_000;
export const voucherUsesMax = 1_000;

export const Approver = v.strictObject({
  key: SigningKey,
  name: ApproverName,
  role: v.picklist(["owner", "guardian"]),
  status: v.picklist(["active", "revoked"]),
});
export type Approver = v.InferOutput<typeof Approver>;

export const Threshold = v.pipe(Counter, v.minValue(1), v.maxValue(approversMax));

/** Ascending, none twice: a set of tags has one spelling. */
export const Tags = v.pipe(
  v.array(Tag),
  v.maxLength(tagsMax),
  v.check((tags) => isAscending(tags), "tags not in order"),
);

export const Node = v.strictObject({
  id: NodeId,
  key: SigningKey,
  name: NodeName,
  owner: Owner,
  tags: Tags,
  ipv4: Ipv4Address,
  ipv6: Ipv6Address,
  status: v.picklist(["active", "quarantined", "revoked"]),
});
export type Node = v.InferOutput<typeof Node>;

/**
 * A credential that a quorum signed in advance: who holds the secret of `key` may admit so many
 * machines more, of this owner, with these tags, until then, and nobody else has to be there.
 */
export const Voucher = v.strictObject({
  key: SigningKey,
  owner: Owner,
  tags: Tags,
  uses: v.pipe(Counter, v.minValue(1), v.maxValue(voucherUsesMax)),
  expiresAt: UnixS,
});
export type Voucher = v.InferOutput<typeof Voucher>;

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
  threshold: Threshold,
  approvers: v.pipe(v.array(Approver), v.minLength(1), v.maxLength(approversMax)),
  control: authorities,
  relays: authorities,
  policy: PolicyPin,
});
export type Genesis = v.InferOutput<typeof Genesis>;

export type State = Omit<Genesis, "version"> & {
  readonly epoch: Counter;
  readonly nodes: Trie<Node>;
  /**
   * Keys that were given up, by themselves: a node's before it was rotated, a control's or relay's that
   * was revoked. They stay out for good. Those of approvers stay beside their names instead.
   */
  readonly retired: Trie<SigningKey>;
  /** What is left of the vouchers, by their keys. One that is spent or taken back is gone. */
  readonly vouchers: Trie<Voucher>;
  /** Names and addresses in use, by the hash of the text: what makes each of them unique. */
  readonly nodeByName: Trie<NodeId>;
  readonly nodeByAddress: Trie<NodeId>;
  /** The node that a key speaks for now, revoked nodes included. */
  readonly nodeByKey: Trie<NodeId>;
};

export function genesisState({ version: _, ...genesis }: Genesis): State {
  return {
    ...genesis,
    epoch: 0,
    nodes: Trie.empty(),
    retired: Trie.empty(),
    vouchers: Trie.empty(),
    nodeByName: Trie.empty(),
    nodeByAddress: Trie.empty(),
    nodeByKey: Trie.empty(),
  };
}

export const textKey = (text: string): string =>
  encodeHex(hashOf("rustynet/index/v1", encodeUtf8(text)));

export function nodeNamed(state: State, name: NodeName): Node | undefined {
  const id = state.nodeByName.get(textKey(name));
  return id === undefined ? undefined : state.nodes.get(id);
}

export function nodeAt(state: State, address: string): Node | undefined {
  const id = state.nodeByAddress.get(textKey(address));
  return id === undefined ? undefined : state.nodes.get(id);
}

/** Whose identity key this is now. An id follows from the first key only: it does not tell. */
export function nodeWithKey(state: State, key: SigningKey): Node | undefined {
  const id = state.nodeByKey.get(key);
  return id === undefined ? undefined : state.nodes.get(id);
}

/** Whether what a node said before a change still holds after it: it is active, under the same key. */
export const speaksOn = (before: Node | undefined, after: Node | undefined): boolean =>
  after?.status === "active" && after.key === before?.key;

/**
 * The node after a change, with the indexes that follow from it. A revoked node gives its name back
 * and keeps its addresses, so that nobody is mistaken for it by what others remember.
 */
export function withNode(state: State, node: Node): State {
  const before = state.nodes.get(node.id);
  const rest = before === undefined ? state : withoutNode(state, before);
  let { nodeByName, nodeByAddress } = rest;
  if (node.status !== "revoked") nodeByName = nodeByName.with(textKey(node.name), node.id);
  for (const address of [node.ipv4, node.ipv6])
    nodeByAddress = nodeByAddress.with(textKey(address), node.id);
  const nodeByKey = rest.nodeByKey.with(node.key, node.id);
  return { ...rest, nodes: state.nodes.with(node.id, node), nodeByName, nodeByAddress, nodeByKey };
}

/** The state without a record that it holds: name, addresses and key are nobody's again. */
export function withoutNode(state: State, node: Node): State {
  let { nodeByName, nodeByAddress } = state;
  // The name of a revoked node may be another's by now.
  if (node.status !== "revoked") nodeByName = nodeByName.without(textKey(node.name));
  for (const address of [node.ipv4, node.ipv6])
    nodeByAddress = nodeByAddress.without(textKey(address));
  const nodeByKey = state.nodeByKey.without(node.key);
  return { ...state, nodes: state.nodes.without(node.id), nodeByName, nodeByAddress, nodeByKey };
}

const TreeHash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "not 64 hex digits"));

/**
 * What a root stands for beside the network, the epoch and who may sign: no change of who may sign
 * touches it. Sets are there as the hashes of their trees, so it is small however much it stands for.
 */
export const RootRest = v.strictObject({
  control: authorities,
  relays: authorities,
  policy: PolicyPin,
  nodes: TreeHash,
  retired: v.exactOptional(TreeHash),
  vouchers: v.exactOptional(TreeHash),
});
export type RootRest = v.InferOutput<typeof RootRest>;

/** Who may sign, when and where: the part of a state that decides about all others. */
export type Signatories = Pick<State, "network" | "epoch" | "ranges" | "threshold" | "approvers">;

export const restOf = ({ control, relays, policy, ...state }: State): RootRest => ({
  control: [...control],
  relays: [...relays],
  policy,
  nodes: encodeHex(treeHash(state.nodes.tree, hashOfNode)),
  // Left out while there are none: each set of keys has one spelling, and old roots stand.
  ...(state.retired.size > 0 && { retired: encodeHex(treeHash(state.retired.tree, hashOfKey)) }),
  ...(state.vouchers.size > 0 && {
    vouchers: encodeHex(treeHash(state.vouchers.tree, hashOfVoucher)),
  }),
});

/** The root of the state. Costs a few hashes when it follows a state whose root was computed. */
export const rootOf = (state: State): StateRoot => rootWith(state, restOf(state));

/** The root of a state of which the rest is known by its hashes alone. */
export function rootWith(signatories: Signatories, rest: RootRest): StateRoot {
  const { network, epoch, ranges, threshold, approvers } = signatories;
  const summary = { version: 1, network, epoch, ranges, threshold, approvers, ...rest };
  const hash = hashOf("rustynet/membership-state/v1", encodeCanonical(summary));
  return v.parse(StateRoot, encodeHex(hash));
}

const hashOfNode = (node: Node): Uint8Array =>
  hashOf("rustynet/membership-node/v1", encodeCanonical(node));
const hashOfKey = (key: SigningKey): Uint8Array =>
  hashOf("rustynet/retired-key/v1", Uint8Array.fromHex(key));

const hashOfVoucher = (voucher: Voucher): Uint8Array =>
  hashOf("rustynet/voucher/v1", encodeCanonical(voucher));

const emptyHash = new Uint8Array(32);
/** A tree never changes, so what it hashes to may be kept for as long as the tree itself. */
const treeHashes = new WeakMap<object, Uint8Array>();

/** No leaf: 32 zero bytes. One: the hash of its value. More: the hash of both halves. */
function treeHash<V>(tree: Tree<V>, hashOfLeaf: (value: V) => Uint8Array): Uint8Array {
  if (tree === null) return emptyHash;
  const known = treeHashes.get(tree);
  if (known !== undefined) return known;
  const hash =
    tree.kind === "leaf"
      ? hashOfLeaf(tree.value)
      : hashOf(
          "rustynet/membership-branch/v1",
          treeHash(tree.zero, hashOfLeaf),
          treeHash(tree.one, hashOfLeaf),
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
