/** reducer: over random histories it decides what its slow twin decides, and what must hold holds. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { advance, append, type Membership, nodeIdOf } from "../../src/membership/membership.ts";
import {
  genesisState,
  type Node,
  nodeAt,
  nodeNamed,
  nodeWithKey,
  rootOf,
  type State,
  type Voucher,
} from "../../src/membership/state.ts";
import { type Operation, subjectOf } from "../../src/membership/update.ts";
import { containsIp } from "../../src/model/ip.ts";
import { SigningKey } from "../../src/model/keys.ts";
import { MembersTwin } from "../support/members-twin.ts";
import { slowRoot } from "../support/merkle-twin.ts";
import { forEachSeed } from "../support/prng.ts";
import { anyOperation, genesis, labels, ranges } from "../support/random-operation.ts";
import { codeOf, Ledger } from "../support/world.ts";

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
