/** proposals: people decide together, and the server can only pass on what they have signed. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import * as v from "valibot";
import { Fault } from "../../src/base/fault.ts";
import { keygen } from "../../src/crypto/ed25519.ts";
import { addSignature } from "../../src/crypto/envelope.ts";
import { nextAddresses } from "../../src/membership/addresses.ts";
import type { Membership } from "../../src/membership/membership.ts";
import { nodeIdOf } from "../../src/membership/membership.ts";
import { Operation } from "../../src/membership/update.ts";
import { PolicyHash } from "../../src/model/ids.ts";
import { NodeName } from "../../src/model/names.ts";
import type { OpenedRequest } from "../../src/wire/dossier.ts";
import { type Desk, leadingOn, protect, proposeAs } from "../support/approver-desk.ts";
import { Harness, random, TestNode } from "../support/control-harness.ts";

let harness: Harness;
let owner: Desk;
let alice: Desk;
let bob: Desk;
beforeEach(async () => {
  harness = await Harness.start();
  ({ owner, alice, bob } = await protect(harness));
});
afterEach(() => harness.stop());

const state = () => harness.running.control.network.state;
const stranger = (): TestNode => new TestNode(harness, keygen(random));

/** The admission that an approver makes of a request. */
function admission({ state: before }: Membership, { request, owner: whose, tags }: OpenedRequest) {
  const addresses = nextAddresses(before);
  if (addresses === null) throw new Error("the range is full");
  const { key, name } = request;
  const node = { id: nodeIdOf(key), key, name, owner: whose, tags, ...addresses };
  return { kind: "add_node", node: { ...node, status: "active" } } satisfies Operation;
}

/** The proposals of this test, latest first: those that made the quorum have been applied before. */
async function outcomes() {
  const listed = await harness.operate("proposalList", {});
  return listed.outcomes.slice(0, -3);
}

async function events(): Promise<readonly string[]> {
  const { records, intact } = await harness.operate("auditList", {});
  expect(intact).toBe(true);
  return records.map(({ event, actor }) => `${event} ${actor}`);
}

test("a machine with a token waits until two of three have signed", async () => {
  const node = stranger();
  const token = await harness.token();
  const asked = await node.ask(token, "alpha");
  expect(asked).toMatchObject({
    status: "waiting",
    node: node.id,
    approvals: { need: 2, signed: [], missing: ["owner", "alice", "bob"], expiresAt: null },
  });
  const { membership, requests } = await alice.read();
  expect(requests.map(({ request }) => request.key)).toEqual([node.identity.publicKey]);
  const proposed = await alice.propose(admission(membership, requests[0] as OpenedRequest));
  expect(await alice.submit(proposed)).toMatchObject([
    { state: "pending", signed: ["alice"], missing: ["owner", "bob"], need: 2 },
  ]);
  expect(await node.ask(token, "alpha")).toMatchObject({
    status: "waiting",
    approvals: { signed: ["alice"], missing: ["owner", "bob"] },
  });
  expect(state().nodes.size).toBe(0);
  expect(await bob.submit(bob.sign(proposed))).toMatchObject([{ state: "applied", why: null }]);
  const admitted = await node.enroll(token, "alpha");
  expect(admitted.node).toBe(node.id);
  expect(state().nodes.get(node.id)?.name).toBe(v.parse(NodeName, "alpha"));
  expect((await alice.read()).requests).toEqual([]);
  expect(await events()).toContain("node_admitted approvers:alice,bob");
});

test("fifty machines are decided in one go by each, and all or none builds on the one before", async () => {
  const token = await harness.token({ usesMax: 50 });
  const nodes = Array.from({ length: 50 }, stranger);
  for (const [i, node] of nodes.entries()) await node.ask(token, `n${i}`);
  const { membership, requests } = await alice.read();
  expect(requests.length).toBe(50);
  let last = membership;
  const chain = requests.map((request) => {
    const now = harness.clock.nowS();
    const envelope = proposeAs([alice.key], last, admission(last, request), now);
    last = leadingOn(last, envelope, now);
    return envelope;
  });
  expect((await alice.submit(...chain)).every((each) => each.state === "pending")).toBe(true);
  const { proposals } = await bob.read();
  const signed = proposals.map((each) => {
    if (each.kind === "void") throw new Error(each.why.code);
    return bob.sign(each.proposal.envelope);
  });
  expect((await bob.submit(...signed)).every((each) => each.state === "applied")).toBe(true);
  expect(state().nodes.size).toBe(50);
});

test("a signature counts once, however often it is sent, and a stranger's not at all", async () => {
  const proposed = await alice.propose({ kind: "checkpoint" });
  for (let i = 0; i < 3; i++)
    expect(await alice.submit(proposed)).toMatchObject([{ state: "pending", signed: ["alice"] }]);
  const withStranger = addSignature(proposed, keygen(random));
  const attempt = harness.ask("proposalSubmit", { envelopes: [withStranger] });
  expect(await attempt).toMatchObject({ status: 409, body: { code: "membership_rejected" } });
  expect(await outcomes()).toMatchObject([{ state: "pending", signed: ["alice"] }]);
});

test("nothing of a submission is kept when one of its updates is refused", async () => {
  const good = await alice.propose({ kind: "checkpoint" });
  const bad = addSignature(await alice.propose({ kind: "checkpoint" }), keygen(random));
  const attempt = await harness.ask("proposalSubmit", { envelopes: [good, bad] });
  expect(attempt.status).toBe(409);
  expect(await outcomes()).toEqual([]);
});

test("what an operator asks for carries the server's signature and waits for the others", async () => {
  const node = stranger();
  await admitByTwo(node, "alpha");
  const { outcome } = await harness.operate("nodeRevoke", { node: "alpha" });
  expect(outcome).toMatchObject({ state: "pending", signed: ["owner"], need: 2 });
  expect(state().nodes.get(node.id)?.status).toBe("active");
  const { proposals } = await bob.read();
  const [pending] = proposals;
  if (pending?.kind !== "open") throw new Error("nothing is proposed");
  expect(pending.proposal.words[0]).toContain("node revoked: alpha");
  await bob.submit(bob.sign(pending.proposal.envelope));
  expect(state().nodes.get(node.id)?.status).toBe("revoked");
});

async function admitByTwo(node: TestNode, name: string): Promise<void> {
  await node.ask(await harness.token(), name);
  const { membership, requests } = await alice.read();
  const request = requests.find(({ request: { key } }) => key === node.identity.publicKey);
  const proposed = await alice.propose(admission(membership, request as OpenedRequest));
  await bob.submit(bob.sign(proposed));
  await node.enroll(await harness.token(), name);
}

test("of two changes of one state the one that is decided first stays, and the other is void", async () => {
  const first = await alice.propose({ kind: "checkpoint" });
  const second = await owner.propose({ kind: "set_threshold", threshold: 3 });
  await alice.submit(first);
  await owner.submit(second);
  await bob.submit(bob.sign(first));
  const listed = await outcomes();
  expect(listed.map(({ state: ended }) => ended).toSorted()).toEqual(["applied", "superseded"]);
  const [lost] = listed.filter(({ state: ended }) => ended === "superseded");
  expect(lost?.why).toContain("not the change that leads to epoch");
});

test("two changes of one state that a quorum signed are evidence until somebody looks into it", async () => {
  const first = await alice.propose({ kind: "checkpoint" });
  const policy = { kind: "document", hash: v.parse(PolicyHash, "ab".repeat(32)) } as const;
  const second = await owner.propose({ kind: "pin_policy", policy });
  await owner.submit(second);
  await bob.submit(bob.sign(first));
  const { network } = harness.running.control;
  const head = network.head;
  const [found] = await alice.submit(alice.sign(second));
  expect(found).toMatchObject({ state: "conflicting", signed: ["owner", "alice"] });
  expect(network.head).toEqual(head);
  expect(harness.lines.some((line) => line.includes("membership_conflict"))).toBe(true);
  expect(await events()).toContain("membership_conflict log");
  expect((await outcomes())[0]?.id).toBe(found?.id as never);
  await harness.operate("proposalReject", { id: found?.id as never, reason: "signed twice" });
  expect((await outcomes()).map(({ state: ended }) => ended)).not.toContain("conflicting");
});

test("a change that an approver rejects is gone for good, with what builds on it", async () => {
  const { membership } = await alice.read();
  const now = harness.clock.nowS();
  const base = proposeAs([alice.key], membership, { kind: "set_threshold", threshold: 3 }, now);
  const upon = proposeAs(
    [alice.key],
    leadingOn(membership, base, now),
    { kind: "set_threshold", threshold: 2 },
    now,
  );
  const [{ id } = { id: null }] = await alice.submit(base, upon);
  await alice.reject(id as never, "too many");
  expect((await outcomes()).map(({ state: ended, why }) => `${ended}: ${why}`)).toEqual([
    "superseded: it is not the change that leads to epoch 4",
    "rejected: too many",
  ]);
  const again = await harness.ask("proposalSubmit", { envelopes: [bob.sign(base)] });
  expect(again.status).toBe(409);
});

test("a machine that is turned down is told by whom it should ask, and why", async () => {
  const node = stranger();
  const token = await harness.token();
  await node.ask(token, "alpha");
  await harness.operate("requestReject", { node: node.id, reason: "not one of ours" });
  const refused = await node.ask(token, "alpha").catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(Fault);
  expect((refused as Fault).message).toContain("not one of ours");
  expect((await alice.read()).requests).toEqual([]);
  // Another credential is another chance.
  expect(await node.ask(await harness.token(), "alpha")).toMatchObject({ status: "waiting" });
});

test("a credential that waits is used up: no other machine gets its place", async () => {
  const token = await harness.token();
  await stranger().ask(token, "alpha");
  const late = await stranger()
    .ask(token, "beta")
    .catch((error: unknown) => error);
  expect((late as Fault).code).toBe("credential_invalid");
});

test("what was decided when the server died goes into the log at its next start", async () => {
  const proposed = await alice.propose({ kind: "checkpoint" });
  await alice.submit(proposed);
  const { control } = harness.running;
  await control.store.transact(async (transaction) => {
    const { putProposal, listPending } = await import("../../src/store/control-store-proposals.ts");
    const [row] = await listPending(transaction);
    if (row === undefined) throw new Error("nothing is proposed");
    await putProposal(transaction, { ...row, envelope: bob.sign(row.envelope) });
  });
  const { epoch } = control.network.head;
  await harness.halt();
  await harness.serve();
  expect(harness.running.control.network.head.epoch).toBe(epoch + 1);
});

test("a proposal runs out, and is written down as expired", async () => {
  await alice.submit(await alice.propose({ kind: "checkpoint" }, 120));
  harness.clock.offsetS += 200;
  await harness.halt();
  await harness.serve();
  await harness.halt();
  await harness.serve();
  expect(await outcomes()).toMatchObject([{ state: "expired" }]);
  expect(await events()).toContain("proposal_expired clock");
});

test("a server whose approver was revoked signs nothing any more, and serves on", async () => {
  const revoked = await owner.propose({
    kind: "revoke_approver",
    approver: owner.key.publicKey,
  });
  await alice.submit(bob.sign(alice.sign(revoked)));
  expect((await harness.operate("networkShow", {})).approver).toBeNull();
  const attempt = await harness.ask("operationDecide", {
    operations: [{ kind: "checkpoint" }],
    lifetimeS: 600,
  });
  expect(attempt).toMatchObject({ status: 409, body: { code: "membership_rejected" } });
  await harness.halt();
  harness.keys = { ...harness.keys, approver: null };
  await harness.serve();
  const node = stranger();
  await admitByTwo(node, "alpha");
  expect(state().nodes.get(node.id)?.status).toBe("active");
});

test("one who is against a change keeps nobody from deciding it, and two do", async () => {
  const proposed = await alice.propose({ kind: "checkpoint" });
  const [{ id } = { id: null }] = await alice.submit(proposed);
  expect(await bob.reject(id as never, "not now")).toMatchObject([{ state: "pending" }]);
  expect((await alice.read()).objections).toEqual([
    { proposal: id as never, approver: bob.name, reason: "not now" },
  ]);
  expect(await events()).toContain("proposal_objected approver:bob");
  const { epoch } = harness.running.control.network.head;
  await owner.submit(owner.sign(proposed));
  expect(harness.running.control.network.head.epoch).toBe(epoch + 1);

  const other = await alice.propose(v.parse(Operation, { kind: "set_threshold", threshold: 3 }));
  const [{ id: second } = { id: null }] = await alice.submit(other);
  await bob.reject(second as never, "no");
  expect(await owner.reject(second as never, "no")).toMatchObject([{ state: "rejected" }]);
});

test("whoever has signed a change does not take it back by being against it", async () => {
  const proposed = await alice.propose({ kind: "checkpoint" });
  const [{ id } = { id: null }] = await alice.submit(proposed);
  await bob.reject(id as never, "not yet");
  await bob.submit(bob.sign(proposed));
  const [row] = await outcomes();
  expect(row).toMatchObject({ state: "applied" });
});
