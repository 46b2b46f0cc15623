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
  rootOf,
  type State,
} from "../../src/membership/state.ts";
import type { Operation } from "../../src/membership/update.ts";
import { Cidr, containsIp } from "../../src/model/ip.ts";
import { NodeName } from "../../src/model/names.ts";
import { SigningKey } from "../../src/model/keys.ts";
import { MembersTwin } from "../support/members-twin.ts";
import { slowRoot } from "../support/merkle-twin.ts";
import { forEachSeed, type Prng } from "../support/prng.ts";
import { codeOf, genesisOf, Ledger, signerOf } from "../support/world.ts";

// What must hold of every network:
//   1. no two nodes that are not revoked have one name;
//   2. no two nodes, revoked ones included, share an address, and all addresses are in the ranges;
//   3. a node's id is that of its key, and no key is also an approver's, a control's or a relay's;
//   4. a revoked node stays as it was when it was revoked;
//   5. the epoch is the number of changes;
//   6. names and addresses lead to the nodes that have them, and to no others;
//   7. the root is that of the records, whatever way led to them.

const labels = ["a", "b", "c", "d", "e", "f", "approver", "control"];
const names = ["web", "db", "mail", "www"].map((name) => v.parse(NodeName, name));
/** Small, so that it runs full. */
const ranges = {
  ipv4: v.parse(Cidr, "100.64.0.8/29"),
  ipv6: v.parse(Cidr, "fd75:7f19:6437::/48"),
};
const genesis: Genesis = genesisOf({ ranges });

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
  const node = nodeIdOf(signerOf(prng.pick(labels)).publicKey);
  if (prng.chance(0.6)) return { kind: "add_node", node: anyNode(prng, state) };
  return prng.chance(0.5)
    ? { kind: "revoke_node", node }
    : { kind: "rename_node", node, name: prng.pick(names) };
}

function expectInvariants(state: State, twin: MembersTwin): void {
  const nodes = [...state.nodes.values()];
  const active = nodes.filter(({ status }) => status !== "revoked");
  expect(new Set(active.map(({ name }) => name)).size).toBe(active.length);
  const addresses = nodes.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
  expect(new Set<string>(addresses).size).toBe(addresses.length);
  for (const { ipv4, ipv6, id, key } of nodes) {
    expect(containsIp(ranges.ipv4, ipv4) && containsIp(ranges.ipv6, ipv6)).toBe(true);
    expect(nodeIdOf(key)).toBe(id);
    expect([...genesis.control, ...genesis.approvers.map((one) => one.key)]).not.toContain(key);
  }
  expect(state.epoch).toBe(twin.epoch);
  expect([state.nodeByName.size, state.nodeByAddress.size]).toEqual([
    active.length,
    addresses.length,
  ]);
  for (const node of active) expect(nodeNamed(state, node.name)).toEqual(node);
  for (const node of nodes) expect(nodeAt(state, node.ipv4)).toBe(nodeAt(state, node.ipv6) as Node);
  for (const node of nodes) expect(nodeAt(state, node.ipv4)).toEqual(node);
}

const sorted = (nodes: Iterable<Node>): readonly Node[] =>
  [...nodes].sort((left, right) => (left.id < right.id ? -1 : 1));

function expectRevokedUnchanged(before: State, after: State): void {
  for (const node of before.nodes.values())
    if (node.status === "revoked") expect(after.nodes.get(node.id)).toEqual(node);
}

test("random histories lead where the twin goes, and what must hold holds", () => {
  const reached = new Set<string>();
  forEachSeed(250, (prng) => {
    let state = genesisState(genesis);
    const twin = new MembersTwin(genesis, (key) => nodeIdOf(v.parse(SigningKey, key)));
    for (let step = 0; step < 25; step++) {
      const operation = anyOperation(prng, state);
      const next = advance(state, operation);
      reached.add(codeOf(next));
      expect(codeOf(next)).toBe(twin.take(operation));
      if (!next.ok) continue;
      expectRevokedUnchanged(state, next.value.state);
      state = next.value.state;
      expect([...state.nodes.values()]).toEqual([...sorted(twin.nodes)]);
      expect(next.value.root as string).toBe(slowRoot(state, twin.nodes));
    }
    expectInvariants(state, twin);
  });
  // A seed that no operation came through would prove little.
  expect([...reached].sort()).toEqual([
    "accepted",
    "address_in_use",
    "address_out_of_range",
    "already_a_member",
    "already_revoked",
    "identity_mismatch",
    "key_in_use",
    "name_in_use",
    "not_a_member",
    "not_admitted_active",
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
