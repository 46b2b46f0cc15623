/** random-operation: any operation that a small network may be asked for, whether it applies or not. */
import * as v from "valibot";
import { nextAddresses } from "../../src/membership/addresses.ts";
import { nodeIdOf } from "../../src/membership/membership.ts";
import { newcomerOf } from "../../src/membership/quorum.ts";
import {
  activeApprovers,
  type Genesis,
  Node,
  type PolicyPin,
  type State,
  type Voucher,
} from "../../src/membership/state.ts";
import type { Operation } from "../../src/membership/update.ts";
import { PolicyHash } from "../../src/model/ids.ts";
import { Cidr } from "../../src/model/ip.ts";
import type { SigningKey } from "../../src/model/keys.ts";
import { NodeName, Owner, Tag } from "../../src/model/names.ts";
import type { Prng } from "./prng.ts";
import { approverOf, genesisOf, nowS, signerOf } from "./world.ts";

export const labels = ["a", "b", "c", "d", "e", "f", "approver", "control"];
const roles = ["guard", "relay", "g", "h", "i", "j", "k", "l"];
const vouchers = ["v", "w", "guard", "g"];
const names = ["web", "db", "mail", "www"].map((name) => v.parse(NodeName, name));
/** Small, so that it runs full. */
export const ranges = {
  ipv4: v.parse(Cidr, "100.64.0.8/29"),
  ipv6: v.parse(Cidr, "fd75:7f19:6437::/48"),
};
const keyOf = (label: string): SigningKey => signerOf(label).publicKey;
export const genesis: Genesis = genesisOf({
  ranges,
  relays: [keyOf("relay")],
  approvers: [approverOf("approver"), approverOf("guard", { role: "guardian" })],
});

function anyNode(prng: Prng, state: State): Node {
  const { publicKey: key } = signerOf(prng.pick(labels));
  const next = nextAddresses(state) ?? { ipv4: "100.64.0.9", ipv6: "fd75:7f19:6437::6440:9" };
  const some = [...state.nodes.values()];
  const other = some.length > 0 && prng.chance(0.15) ? prng.pick(some) : next;
  return v.parse(Node, {
    id: prng.chance(0.05) ? nodeIdOf(signerOf("z").publicKey) : nodeIdOf(key),
    key,
    name: prng.pick(names),
    owner: prng.pick(["alice", "bob"]),
    tags: prng.pick([[], ["prod"], ["prod", "www"]]),
    ipv4: prng.chance(0.05) ? "100.64.0.16" : next.ipv4,
    ipv6: prng.chance(0.05) ? "fd75:7f19:6438::1" : other.ipv6,
    status: prng.chance(0.05) ? prng.pick(["revoked", "quarantined"]) : "active",
  });
}

export function anyOperation(prng: Prng, state: State): Operation {
  if (prng.chance(0.35)) return { kind: "add_node", node: anyNode(prng, state) };
  if (prng.chance(0.25)) return anyVoucher(prng, state);
  return prng.chance(0.55) ? anyChange(prng, state) : anyDecision(prng, state);
}

function anyVoucher(prng: Prng, state: State): Operation {
  const some = [...state.vouchers.values()];
  const anyOf = keyOf(prng.pick(vouchers));
  const voucher = some.length > 0 && prng.chance(0.9) ? prng.pick(some) : undefined;
  const node = { ...anyNode(prng, state), ...(prng.chance(0.8) && voucherTerms(voucher)) };
  return prng.pick<Operation>([
    {
      kind: "add_voucher",
      voucher: {
        key: anyOf,
        owner: prng.pick(owners),
        tags: prng.pick([[], [tag]]),
        uses: 1 + prng.integer(3),
        expiresAt: nowS - 60 + prng.integer(180),
      },
    },
    { kind: "redeem_voucher", voucher: voucher?.key ?? anyOf, node },
    { kind: "redeem_voucher", voucher: voucher?.key ?? anyOf, node },
    prng.chance(0.2)
      ? { kind: "revoke_voucher", key: voucher?.key ?? anyOf }
      : { kind: "checkpoint" },
  ]);
}

const voucherTerms = (voucher: Voucher | undefined): Partial<Node> =>
  voucher === undefined ? {} : { owner: voucher.owner, tags: voucher.tags };

function anyChange(prng: Prng, state: State): Operation {
  const some = [...state.nodes.values()].map(({ id }) => id);
  const stranger = nodeIdOf(keyOf(prng.pick(labels)));
  const node = some.length > 0 && prng.chance(0.9) ? prng.pick(some) : stranger;
  return prng.pick<Operation>([
    { kind: "revoke_node", node },
    { kind: "rename_node", node, name: prng.pick(names) },
    { kind: "remove_node", node },
    { kind: "restore_node", node },
    { kind: "restore_node", node },
    { kind: "quarantine_node", node },
    { kind: "retag_node", node, tags: prng.pick([[], [tag]]) },
    { kind: "reown_node", node, owner: prng.pick(owners) },
    { kind: "rotate_node_key", node, key: anyKey(prng) },
  ]);
}

const anyKey = (prng: Prng): SigningKey => keyOf(prng.pick([...labels, ...roles]));
const tag = v.parse(Tag, "prod");
const owners = ["alice", "bob"].map((name) => v.parse(Owner, name));
const policies: readonly PolicyPin[] = [
  { kind: "same_owner" },
  { kind: "document", hash: v.parse(PolicyHash, "ab".repeat(32)) },
  { kind: "document", hash: v.parse(PolicyHash, "cd".repeat(32)) },
];

function anyDecision(prng: Prng, state: State): Operation {
  const approver = prng.chance(0.9) ? prng.pick(state.approvers).key : anyKey(prng);
  const key = anyKey(prng);
  const control = prng.chance(0.8) ? prng.pick(state.control) : key;
  const relay = state.relays.length > 0 && prng.chance(0.8) ? prng.pick(state.relays) : key;
  const { name, role } = approverOf(prng.pick(["approver", "guard", "x", "y"]), {
    role: prng.pick(["owner", "guardian"]),
  });
  return prng.pick<Operation>([
    { kind: "add_approver", approver: { key, name, role } },
    { kind: "rotate_approver", approver, key },
    { kind: "revoke_approver", approver },
    { kind: "set_threshold", threshold: 1 + prng.integer(4) },
    { kind: "add_control_key", key },
    { kind: "revoke_control_key", key: control },
    { kind: "add_relay_key", key },
    { kind: "revoke_relay_key", key: relay },
    { kind: "pin_policy", policy: prng.pick(policies) },
  ]);
}

const allLabels = [...new Set([...labels, ...roles, ...vouchers, "x", "y", "z"])];
const labelOf = (key: SigningKey): string =>
  allLabels.find((label) => keyOf(label) === key) ?? "mallory";

/** Who must sign for an operation to be decided, as far as the state knows them. */
export function decidersOf(state: State, operation: Operation): readonly string[] {
  if (operation.kind === "redeem_voucher")
    return [...new Set([operation.voucher, operation.node.key])].map(labelOf);
  const newcomer = newcomerOf(operation);
  const people = activeApprovers(state).map(({ key }) => labelOf(key));
  return newcomer === null ? people : [...new Set([...people, labelOf(newcomer)])];
}

/** Mostly those who may decide it; sometimes too few, a stranger beside them, or the node itself. */
export function anySigners(prng: Prng, state: State, operation: Operation): readonly string[] {
  const deciders = decidersOf(state, operation);
  if (operation.kind === "revoke_node" && prng.chance(0.3)) {
    const key = state.nodes.get(operation.node)?.key;
    return [key === undefined ? "mallory" : labelOf(key)];
  }
  if (prng.chance(0.1)) return [...new Set([...deciders, prng.pick(allLabels)])];
  if (prng.chance(0.8)) return deciders;
  const some = deciders.filter(() => prng.chance(0.6));
  return some.length > 0 ? some : [prng.pick(allLabels)];
}
