/** departures: a node leaves by its own word, which needs nobody else's and takes nobody else along. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { Fault } from "../../src/base/fault.ts";
import { keygen, type SigningSecret } from "../../src/crypto/ed25519.ts";
import type { Operation } from "../../src/membership/update.ts";
import { type Desk, protect, proposeAs } from "../support/approver-desk.ts";
import { Harness, random, type TestNode } from "../support/control-harness.ts";

let harness: Harness;
beforeEach(async () => {
  harness = await Harness.start();
});
afterEach(() => harness.stop());

const network = () => harness.running.control.network;
const codeOf = (error: unknown) => (error instanceof Fault ? error.code : String(error));
const statusOf = ({ id }: TestNode) => network().state.nodes.get(id)?.status;

const worded = (by: SigningSecret, operation: Operation) =>
  proposeAs([by], network().membership, operation, harness.clock.nowS());
const departure = (node: TestNode, by: SigningSecret = node.identity) =>
  worded(by, { kind: "revoke_node", node: node.id });

test("a node leaves by its own word where nobody on the host may decide", async () => {
  const node = await harness.join("alpha");
  const desks = await protect(harness);
  expect(await node.client().leave(null).catch(codeOf)).toBe("membership_rejected");
  await node.client().leave(departure(node));
  expect(statusOf(node)).toBe("revoked");
  const { records, intact } = await harness.operate("auditList", {});
  expect([records.at(-1)?.event, records.at(-1)?.actor, intact]).toEqual([
    "node_left",
    `node:${node.id}`,
    true,
  ]);
  expect((await desks.alice.read()).membership.root).toBe(network().head.root);
});

test("a node takes nobody out but itself, whoever signed", async () => {
  const [node, other] = [await harness.join("alpha"), await harness.join("beta")];
  const { alice }: { alice: Desk } = await protect(harness);
  const cases = [
    [departure(other, node.identity), "request_malformed"],
    [departure(other), "request_malformed"],
    [worded(node.identity, { kind: "remove_node", node: node.id }), "request_malformed"],
    [departure(node, other.identity), "membership_rejected"],
    [departure(node, keygen(random)), "membership_rejected"],
    [alice.sign(departure(node)), "membership_rejected"],
  ] as const;
  for (const [update, code] of cases)
    expect(await node.client().leave(update).catch(codeOf)).toBe(code);
  expect([statusOf(node), statusOf(other)]).toEqual(["active", "active"]);
});

test("a word that was given for an earlier state is outdated, unless the host may decide alone", async () => {
  const [node, other] = [await harness.join("alpha"), await harness.join("beta")];
  const early = departure(node);
  await harness.join("gamma");
  await node.client().leave(early);
  expect(statusOf(node)).toBe("revoked");
  const { alice, bob } = await protect(harness);
  const late = departure(other);
  await bob.submit(bob.sign(await alice.propose({ kind: "checkpoint" })));
  expect(await other.client().leave(late).catch(codeOf)).toBe("outdated");
  expect(statusOf(other)).toBe("active");
  await other.client().leave(departure(other));
  expect(statusOf(other)).toBe("revoked");
});

test("what waited follows from nothing once a node has left, and is written down as such", async () => {
  const node = await harness.join("alpha");
  const { alice } = await protect(harness);
  await alice.submit(await alice.propose({ kind: "checkpoint" }));
  await node.client().leave(departure(node));
  await harness.halt();
  await harness.serve();
  const { outcomes } = await harness.operate("proposalList", {});
  expect(outcomes.filter(({ words }) => words[0]?.startsWith("checkpoint"))).toMatchObject([
    { state: "superseded" },
  ]);
});
