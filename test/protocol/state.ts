/** state: sections 4.1 and 4.2 of docs/protocol.md, written from the document alone. */
import {
  type As,
  bytesOf,
  fields,
  fromHex,
  hash,
  hex64,
  integer,
  list,
  oneOf,
  type Read,
  spell,
} from "./text.ts";
import { ascending, id128, key, name, type Node, rangeOf, type Voucher } from "./types.ts";

export const threshold = integer(1, 64);
export const Policy: Read<{ readonly kind: string }> = (value) => {
  const isDocument = typeof value === "object" && value !== null && "hash" in value;
  return isDocument
    ? fields({ kind: oneOf("document"), hash: hex64 })(value)
    : fields({ kind: oneOf("same_owner") })(value);
};
export const who = { key, name, role: oneOf("owner", "guardian") };
export const Approver = fields({ ...who, status: oneOf("active", "revoked") });
export const Genesis = fields({
  version: integer(1, 1),
  network: id128,
  ranges: fields({ ipv4: rangeOf(32, 8, 30), ipv6: rangeOf(128, 32, 96) }),
  threshold,
  approvers: list(Approver, 64),
  control: ascending(key, 16),
  relays: ascending(key, 16),
  policy: Policy,
});

export type State = As<typeof Genesis> & {
  readonly epoch: number;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly retired: readonly string[];
  readonly vouchers: ReadonlyMap<string, Voucher>;
  /** What is not in the root: for the rules of section 4.3. */
  readonly acceptedAt: number;
  readonly updates: ReadonlySet<string>;
};

type Leaf = { readonly key: string; readonly hash: Uint8Array };

/** Section 4.2, from scratch each time. */
function treeOf(leaves: readonly Leaf[], depth = 0): Uint8Array {
  const [first, second] = leaves;
  if (first === undefined) return new Uint8Array(32);
  if (second === undefined) return first.hash;
  const bit = (leaf: Leaf) => (fromHex(leaf.key)[depth >> 3] ?? 0) & (0x80 >> (depth & 7));
  const half = (isOne: boolean) => leaves.filter((leaf) => (bit(leaf) !== 0) === isOne);
  const halves = [treeOf(half(false), depth + 1), treeOf(half(true), depth + 1)];
  return hash("rustynet/membership-branch/v1", ...halves);
}

/** Section 4.6: what the summary says beside network, epoch, ranges and who may sign. */
export type Rest = {
  readonly control: readonly string[];
  readonly relays: readonly string[];
  readonly policy: unknown;
  readonly nodes: string;
  readonly retired?: string;
  readonly vouchers?: string;
};

export function restOf({ nodes, retired, vouchers, control, relays, policy }: State): Rest {
  const records = [...nodes.values()].map((node) => ({
    key: node.id,
    hash: hash("rustynet/membership-node/v1", bytesOf(spell(node))),
  }));
  const gone = retired.map((each) => ({
    key: each,
    hash: hash("rustynet/retired-key/v1", fromHex(each)),
  }));
  const left = [...vouchers.values()].map((voucher) => ({
    key: voucher.key,
    hash: hash("rustynet/voucher/v1", bytesOf(spell(voucher))),
  }));
  return {
    control,
    relays,
    policy,
    nodes: treeOf(records).toHex(),
    ...(gone.length > 0 && { retired: treeOf(gone).toHex() }),
    ...(left.length > 0 && { vouchers: treeOf(left).toHex() }),
  };
}

export const rootOf = (state: State): string => rootWith(state, restOf(state));

type Signing = Pick<State, "network" | "epoch" | "ranges" | "threshold" | "approvers">;

export function rootWith(
  { network, epoch, ranges, threshold, approvers }: Signing,
  rest: Rest,
): string {
  const summary = { version: 1, network, epoch, ranges, threshold, approvers, ...rest };
  return hash("rustynet/membership-state/v1", bytesOf(spell(summary))).toHex();
}

export const active = ({ approvers }: Pick<State, "approvers">) =>
  approvers.filter(({ status }) => status === "active");
