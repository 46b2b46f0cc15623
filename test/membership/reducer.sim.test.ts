/** reducer: over random histories it decides what its slow twin decides, and what must hold holds. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { nextAddresses } from "../../src/membership/addresses.ts";
import { advance, append, type Membership, nodeIdOf } from "../../src/membership/membership.ts";
import {
  type Genesis,
  genesisState,
  Node,
  nodeAt,
  nodeNamed,
  nodeWithKey,
  type PolicyPin,
  rootOf,
  type State,
  type Voucher,
} from "../../src/membership/state.ts";
import { type Operation, subjectOf } from "../../src/membership/update.ts";
import { PolicyHash } from "../../src/model/ids.ts";
import { Cidr, containsIp } from "../../src/model/ip.ts";
import { NodeName, Owner, Tag } from "../../src/model/names.ts";
import { SigningKey } from "../../src/model/keys.ts";
import { MembersTwin } from "../support/members-twin.ts";
import { slowRoot } from "../support/merkle-twin.ts";
import { forEachSeed, type Prng } from "../support/prng.ts";
import { approverOf, codeOf, genesisOf, Ledger, nowS, signerOf } from "../support/world.ts";

// What must hold of every network:
//   1. no two nodes that are not revoked have one name;
//   2. no two nodes, revoked ones included, share an address, and all addresses are in the ranges;
//   3. no key has two roles, and none that was given up has one again;
//   4. a node's id is that of its first key, and never changes;
//   5. a revoked node stays as it was when it was revoked, until it is restored or removed;
//   6. a revoked approver stays in the list, revoked; the threshold can be reached, by an owner too;
//   7. there is a control key as long as there was one;
//   8. the epoch is the number of changes;
//   9. names, addresses and keys lead to the nodes that have them, and to no others;
//  10. the root is that of the records, whatever way led to them;
//  11. by a voucher come as many nodes as it says at most, of its owner and with its tags alone, and
//      what is used up or taken back stays away.

const labels = ["a", "b", "c", "d", "e", "f", "approver", "control"];
const roles = ["guard", "relay", "g", "h", "i", "j", "k", "l"];
const vouchers = ["v", "w", "guard", "g"];
const names = ["web", "db", "mail", "www"].map((name) => v.parse(NodeName, name));
/** Small, so that it runs full. */
const ranges = {
  ipv4: v.parse(Cidr, "100.64.0.8/29"),
  ipv6: v.parse(Cidr, "fd75:7f19:6437::/48"),
};
const keyOf = (label: string): SigningKey => signerOf(label).publicKey;
const genesis: Genesis = genesisOf({
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

function anyOperation(prng: Prng, state: State): Operation {
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
        expiresAt: nowS,
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

function expectInvariants(state: State, twin: MembersTwin): void {
  const nodes = [...state.nodes.values()];
  const active = nodes.filter(({ status }) => status !== "revoked");
  expect(new Set(active.map(({ name }) => name)).size).toBe(active.length);
  const addresses = nodes.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
  expect(new Set<string>(addresses).size).toBe(addresses.length);
  for (const { ipv4, ipv6, key } of nodes) {
    expect(containsIp(ranges.ipv4, ipv4) && containsIp(ranges.ipv6, ipv6)).toBe(true);
    expect(nodeWithKey(state, key)?.key).toBe(key);
  }
  const inUse = [...nodes, ...state.approvers].map(({ key }) => key);
  const vouchers = [...state.vouchers.values()].map((voucher) => voucher.key);
  const given = [...state.control, ...state.relays, ...vouchers];
  const roles = [...inUse, ...given, ...state.retired.values()];
  expect(new Set(roles).size).toBe(roles.length);
  const signing = state.approvers.filter((one) => one.status === "active");
  expect(signing.length).toBeGreaterThanOrEqual(state.threshold);
  expect(signing.some(({ role }) => role === "owner")).toBe(true);
  expect(state.control.length).toBeGreaterThan(0);
  expect(state.epoch).toBe(twin.epoch);
  expect([state.nodeByName.size, state.nodeByAddress.size, state.nodeByKey.size]).toEqual([
    active.length,
    addresses.length,
    nodes.length,
  ]);
  for (const node of active) expect(nodeNamed(state, node.name)).toEqual(node);
  for (const node of nodes) expect(nodeAt(state, node.ipv4)).toBe(nodeAt(state, node.ipv6) as Node);
  for (const node of nodes) expect(nodeAt(state, node.ipv4)).toEqual(node);
}

const sorted = (nodes: Iterable<Node>): readonly Node[] =>
  [...nodes].sort((left, right) => (left.id < right.id ? -1 : 1));

function expectNothingComesBack(before: State, after: State, operation: Operation): void {
  const subject = subjectOf(operation);
  const isLetBack = operation.kind === "restore_node" || operation.kind === "remove_node";
  for (const node of before.nodes.values()) {
    const next = after.nodes.get(node.id);
    if (node.status !== "revoked" || (isLetBack && node.id === subject)) continue;
    expect(next).toEqual(node);
  }
  for (const node of after.nodes.values())
    if (!before.nodes.has(node.id)) expect(nodeIdOf(node.key)).toBe(node.id);
  for (const approver of before.approvers)
    if (approver.status === "revoked") expect(after.approvers).toContainEqual(approver);
  for (const key of before.retired.values()) expect(after.retired.has(key)).toBe(true);
}

/** What is left of each voucher that was ever there, by its key, counted apart from the state. */
type Purse = Map<SigningKey, Voucher>;

function expectFairVouchers(purse: Purse, before: State, after: State, operation: Operation): void {
  if (operation.kind === "add_voucher") {
    expect(purse.has(operation.voucher.key)).toBe(false);
    purse.set(operation.voucher.key, operation.voucher);
  }
  if (operation.kind === "revoke_voucher") spend(purse, operation.key, Number.POSITIVE_INFINITY);
  if (operation.kind === "redeem_voucher") {
    const { owner, tags } = spend(purse, operation.voucher, 1);
    const newcomer = after.nodes.get(operation.node.id);
    expect(newcomer).toMatchObject({ owner, tags: [...tags] });
    expect(before.nodes.has(operation.node.id)).toBe(false);
  }
  const left = [...purse.values()].filter(({ uses }) => uses > 0);
  expect([...after.vouchers.values()]).toEqual(
    left.sort((one, two) => (one.key < two.key ? -1 : 1)),
  );
  for (const { key, uses } of purse.values())
    if (uses < 1) expect(after.retired.has(key)).toBe(true);
}

function spend(purse: Purse, key: SigningKey, times: number): Voucher {
  const voucher = purse.get(key);
  if (voucher === undefined || voucher.uses < 1) throw new Error("a voucher that is not there");
  purse.set(key, { ...voucher, uses: voucher.uses - times });
  return voucher;
}

function expectSame(state: State, root: string, twin: MembersTwin): void {
  const { approvers, threshold, control, relays, policy } = state;
  const told = { approvers, threshold, control, relays, policy };
  expect([...state.nodes.values()]).toEqual([...sorted(twin.nodes)]);
  expect(told).toMatchObject({
    approvers: [...twin.approvers],
    threshold: twin.threshold,
    control: [...twin.control],
    relays: [...twin.relays],
    policy: twin.policy,
  });
  expect(root).toBe(slowRoot(state, twin.nodes, twin.retired, twin.vouchers));
}

test("random histories lead where the twin goes, and what must hold holds", () => {
  const reached = new Set<string>();
  forEachSeed(500, (prng) => {
    let state = genesisState(genesis);
    const twin = new MembersTwin(genesis, (key) => nodeIdOf(v.parse(SigningKey, key)));
    const purse: Purse = new Map();
    for (let step = 0; step < 40; step++) {
      const operation = anyOperation(prng, state);
      const next = advance(state, operation);
      reached.add(codeOf(next));
      expect(codeOf(next)).toBe(twin.take(operation));
      if (!next.ok) continue;
      expectNothingComesBack(state, next.value.state, operation);
      expectFairVouchers(purse, state, next.value.state, operation);
      state = next.value.state;
      expectSame(state, next.value.root, twin);
    }
    expectInvariants(state, twin);
  });
  // A seed that no operation came through would prove little.
  expect([...reached].sort()).toEqual([
    "accepted",
    "address_in_use",
    "address_out_of_range",
    "already_a_member",
    "already_active",
    "already_quarantined",
    "already_revoked",
    "approver_already_revoked",
    "approver_name_in_use",
    "approver_unknown",
    "authority_unknown",
    "identity_mismatch",
    "key_in_use",
    "key_retired",
    "last_approver",
    "last_control_key",
    "name_in_use",
    "not_a_member",
    "not_admitted_active",
    "nothing_changes",
    "owner_missing",
    "threshold_unreachable",
    "voucher_for_others",
    "voucher_unknown",
  ]);
});

test("the root is that of the records, whatever way led to them", () => {
  forEachSeed(60, (prng) => {
    const ledger = new Ledger();
    const some = labels.slice(0, 6).toSorted(() => (prng.chance(0.5) ? 1 : -1));
    for (const label of some) ledger.admit(label, addressesOf(label));
    const again = new Ledger();
    for (const label of labels.slice(0, 6)) again.admit(label, addressesOf(label));
    expect(ledger.membership.root).toBe(again.membership.root);
  });
});

const addressesOf = (label: string) => {
  const host = labels.indexOf(label) + 1;
  return { ipv4: `100.64.0.${host}`, ipv6: `fd75:7f19:6437::6440:${host}` };
};

test("a log takes each of its entries once, in order, and nothing else in between", () => {
  forEachSeed(25, (prng) => {
    const ledger = new Ledger().admit("a").admit("b").rename("a", "web").revoke("b").admit("c");
    const [first] = ledger.history;
    let membership = first as Membership;
    for (const [i, entry] of ledger.entries.entries()) {
      const other = prng.pick(ledger.entries);
      if (other !== entry)
        expect(codeOf(append(membership, other, other.acceptedAt))).toBe("epoch_mismatch");
      const before = membership;
      const next = append(membership, entry, entry.acceptedAt);
      expect(next.ok).toBe(true);
      if (next.ok) membership = next.value;
      expect(membership.root).toBe(ledger.history[i + 1]?.root as typeof membership.root);
      expect(before.root).toBe(rootOf(before.state));
    }
  });
});
