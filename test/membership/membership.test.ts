/** membership: what the vectors do not show: limits, thresholds over all sets of signers, and scale. */
import { describe, expect, test } from "bun:test";
import { addSignature } from "../../src/crypto/envelope.ts";
import { advance, append, found, nodeIdOf } from "../../src/membership/membership.ts";
import { propose } from "../../src/membership/propose.ts";
import { reduce } from "../../src/membership/reducer.ts";
import {
  genesisState,
  type Node,
  nodeAt,
  nodeNamed,
  nodesMax,
  withNode,
} from "../../src/membership/state.ts";
import { Trie } from "../../src/membership/trie.ts";
import {
  approverOf,
  codeOf,
  genesisOf,
  idOf,
  Ledger,
  nowS,
  recordOf,
  sealGenesis,
  signerOf,
  unwrap,
  updateId,
} from "../support/world.ts";

const people = ["anna", "boris", "chandra"] as const;
const twoOfThree = () =>
  new Ledger(
    genesisOf({ threshold: 2, approvers: people.map((name) => approverOf(name)) }),
    people,
  );

describe("with three approvers and a threshold of two", () => {
  const ledger = twoOfThree().admit("web", {}, { by: people });
  const everybody = [...people, "mallory", "control", "web"];
  const subsets = Array.from({ length: 2 ** everybody.length - 1 }, (_, i) =>
    everybody.filter((_name, bit) => (((i + 1) >> bit) & 1) === 1),
  );

  test.each(subsets.map((by) => [by.join("+"), by] as const))("%s", (_name, by) => {
    const entry = ledger.draft({ kind: "quarantine_node", node: idOf("web") }, { by });
    const approvers = by.filter((name) => (people as readonly string[]).includes(name));
    const expected =
      approvers.length < by.length
        ? "not_an_approver"
        : approvers.length < 2
          ? "too_few_signatures"
          : "accepted";
    expect(codeOf(append(ledger.membership, entry, nowS))).toBe(expected);
  });

  test("the order of the signatures means nothing", () => {
    const roots = [
      ["anna", "boris"],
      ["boris", "anna"],
    ].map((by) => {
      const entry = ledger.draft({ kind: "revoke_node", node: idOf("web") }, { by });
      return unwrap(append(ledger.membership, entry, nowS)).root;
    });
    expect(roots[0]).toBe(roots[1] as (typeof roots)[0] & string);
  });

  test("a signature may be added later, and adding it again changes nothing", () => {
    const entry = ledger.draft({ kind: "revoke_node", node: idOf("web") }, { by: ["anna"] });
    const twice = addSignature(entry.envelope, signerOf("anna"));
    const by = (envelope: typeof twice) =>
      codeOf(append(ledger.membership, { ...entry, envelope }, nowS));
    expect(by(twice)).toBe("too_few_signatures");
    expect(by(addSignature(twice, signerOf("boris")))).toBe("accepted");
  });
});

test("a refused entry leaves the membership untouched, down to the objects", () => {
  const ledger = new Ledger().admit("web");
  const before = ledger.membership;
  const copy = { ...before, state: { ...before.state } };
  const late = ledger.draft({ kind: "revoke_node", node: idOf("web") }, { by: ["mallory"] });
  expect(codeOf(append(before, late, nowS))).toBe("not_an_approver");
  expect(before).toEqual(copy);
  expect(before.state.nodes.get(idOf("web"))?.status).toBe("active");
});

test("two valid successors of one state: whichever comes first keeps the other out", () => {
  const ledger = new Ledger().admit("web");
  const left = ledger.draft({ kind: "revoke_node", node: idOf("web") });
  const right = ledger.draft({ kind: "add_node", node: recordOf(ledger.membership, "db") });
  for (const [first, second] of [
    [left, right],
    [right, left],
  ] as const) {
    const next = unwrap(append(ledger.membership, first, nowS));
    expect(codeOf(append(next, second, nowS))).toBe("epoch_mismatch");
  }
});

test("at the limit no node is added, and everything else goes on", () => {
  const record = recordOf({ state: genesisState(genesisOf()) }, "web");
  const state = withNode(genesisState(genesisOf()), record);
  let nodes = state.nodes;
  // Only their number matters here, so one record stands for all of them.
  for (let i = nodes.size; i < nodesMax; i++)
    nodes = nodes.with(i.toString(16).padStart(64, "0"), record);
  const full = { ...state, nodes };
  const oracle = { nodeIdOf };
  const node: Node = recordOf({ state }, "db");
  expect(codeOf(reduce(full, { kind: "add_node", node }, oracle))).toBe("too_many_nodes");
  expect(codeOf(reduce(state, { kind: "add_node", node }, oracle))).toBe("accepted");
  expect(codeOf(reduce(full, { kind: "revoke_node", node: idOf("web") }, oracle))).toBe("accepted");
});

test("whatever becomes of a revoked node's record, the name that it gave back stays the new node's", () => {
  const ledger = new Ledger().admit("web").revoke("web").admit("web-2", { name: "web" });
  const { state } = ledger.membership;
  const revoked = state.nodes.get(idOf("web"));
  if (revoked === undefined) throw new Error("a revoked node has a record");
  const next = withNode(state, {
    ...revoked,
    owner: recordOf({ state }, "x", { owner: "bob" }).owner,
  });
  expect(nodeNamed(next, revoked.name)?.id).toBe(idOf("web-2"));
  expect(nodeAt(next, revoked.ipv4)?.id).toBe(idOf("web"));
});

test("what is proposed is what an approver would sign and a verifier accept", () => {
  const ledger = new Ledger();
  const node = recordOf(ledger.membership, "web");
  const terms = { id: updateId("x"), createdAt: nowS, lifetimeS: 60 };
  const operation = { kind: "add_node", node } as const;
  expect(unwrap(propose(ledger.membership, operation, terms))).toEqual({
    network: ledger.membership.state.network,
    id: terms.id,
    epoch: 1,
    parent: ledger.membership.root,
    root: unwrap(advance(ledger.membership.state, operation)).root,
    createdAt: nowS,
    expiresAt: nowS + 60,
    operation,
  });
});

test("what does not apply is not proposed", () => {
  const terms = { id: updateId("x"), createdAt: nowS, lifetimeS: 60 };
  const operation = { kind: "revoke_node", node: idOf("web") } as const;
  expect(codeOf(propose(new Ledger().membership, operation, terms))).toBe("not_a_member");
});

test("a genesis is taken for the root that was told, and for no other", () => {
  const { genesis, genesisRoot, membership } = new Ledger();
  expect(unwrap(found(genesis, genesisRoot))).toEqual(membership);
  expect(membership.state).toMatchObject({ epoch: 0, threshold: 1 });
  expect([membership.acceptedAt, membership.updates.size, membership.state.nodes.size]).toEqual([
    0, 0, 0,
  ]);
  expect(membership.state.nodes).toEqual(Trie.empty());
});

test("the founders' signatures may come in any order", () => {
  const genesis = genesisOf({ approvers: people.map((name) => approverOf(name)) });
  const { genesisRoot } = new Ledger(genesis, people);
  const sealed = sealGenesis(genesis, people.toReversed());
  expect(codeOf(found(sealed, genesisRoot))).toBe("accepted");
});

/** `SCALE_UPDATES=20000` shows the figure for a large network; a small one shows that it runs. */
test("a long log is replayed, and the figure is shown", () => {
  const count = Number(process.env["SCALE_UPDATES"] ?? 1_000);
  const ledger = new Ledger();
  for (let i = 0; i < count; i++) ledger.admit(`n-${i}`, addressesAt(i + 1));
  const startedAt = performance.now();
  let membership = unwrap(found(ledger.genesis, ledger.genesisRoot));
  for (const entry of ledger.entries) membership = unwrap(append(membership, entry, nowS));
  const seconds = (performance.now() - startedAt) / 1_000;
  expect(membership.root).toBe(ledger.membership.root);
  console.log(
    `replayed ${count} updates in ${seconds.toFixed(2)} s: ${Math.round(count / seconds)} signatures/s`,
  );
});

function addressesAt(host: number) {
  const [high, low] = [Math.floor(host / 256), host % 256];
  const group = host.toString(16);
  const tail =
    host < 0x1_0000
      ? `6440:${group}`
      : `${(0x6440 + (host >> 16)).toString(16)}:${(host & 0xffff).toString(16)}`;
  return { ipv4: `100.${64 + (high >> 8)}.${high & 255}.${low}`, ipv6: `fd75:7f19:6437::${tail}` };
}
