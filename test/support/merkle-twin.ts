/** merkle-twin: the root of a state by protocol.md section 4.2 and nothing else, slow and obvious. */
import { createHash } from "node:crypto";
import type { Node, State, Voucher } from "../../src/membership/state.ts";

const sha256 = (domain: string, ...parts: readonly (string | Uint8Array)[]): Uint8Array => {
  const hash = createHash("sha256").update(`${domain}\0`);
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};

/** JSON with sorted keys: the same as RFC 8785 as long as all text is ASCII. */
export function canonicalText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${fields.map(([key, item]) => `${JSON.stringify(key)}:${canonicalText(item)}`).join(",")}}`;
}

const bitsOf = (id: string): string => BigInt(`0x${id}`).toString(2).padStart(256, "0");

type Leaf = { readonly at: string; readonly hash: Uint8Array };

function subtree(leaves: readonly Leaf[], prefix: string): Uint8Array {
  const inside = leaves.filter(({ at }) => at.startsWith(prefix));
  const [first] = inside;
  if (first === undefined) return new Uint8Array(32);
  if (inside.length === 1) return first.hash;
  const halves = [subtree(inside, `${prefix}0`), subtree(inside, `${prefix}1`)];
  return sha256("rustynet/membership-branch/v1", ...halves);
}

const hexOf = (hash: Uint8Array): string => Buffer.from(hash).toString("hex");

const rootOfNodes = (nodes: readonly Node[]): string =>
  hexOf(
    subtree(
      nodes.map((node) => ({
        at: bitsOf(node.id),
        hash: sha256("rustynet/membership-node/v1", canonicalText(node)),
      })),
      "",
    ),
  );

const rootOfKeys = (keys: readonly string[]): string =>
  hexOf(
    subtree(
      keys.map((key) => ({
        at: bitsOf(key),
        hash: sha256("rustynet/retired-key/v1", Buffer.from(key, "hex")),
      })),
      "",
    ),
  );

const rootOfVouchers = (vouchers: readonly Voucher[]): string =>
  hexOf(
    subtree(
      vouchers.map((voucher) => ({
        at: bitsOf(voucher.key),
        hash: sha256("rustynet/voucher/v1", canonicalText(voucher)),
      })),
      "",
    ),
  );

type Summary = Pick<
  State,
  "network" | "epoch" | "ranges" | "threshold" | "approvers" | "control" | "relays" | "policy"
>;

export function slowRoot(
  state: Summary,
  nodes: readonly Node[],
  retired: readonly string[] = [],
  vouchers: readonly Voucher[] = [],
): string {
  const { network, epoch, ranges, threshold, approvers, control, relays, policy } = state;
  const summary = { network, epoch, ranges, threshold, approvers, control, relays, policy };
  const trees = {
    nodes: rootOfNodes(nodes),
    ...(retired.length > 0 && { retired: rootOfKeys(retired) }),
    ...(vouchers.length > 0 && { vouchers: rootOfVouchers(vouchers) }),
  };
  const text = canonicalText({ version: 1, ...summary, ...trees });
  return hexOf(sha256("rustynet/membership-state/v1", text));
}
