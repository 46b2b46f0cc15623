/** misuse: what one approver, one who is to become one, or the holder of a token could try against the rest. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import * as v from "valibot";
import { activeApprovers } from "../../src/membership/state.ts";
import { Fault } from "../../src/base/fault.ts";
import { takeIn } from "../../src/control/intake.ts";
import { expireDueProposals, rejectProposal } from "../../src/control/proposals.ts";
import { settle } from "../../src/control/settle.ts";
import { keygen, type SigningSecret } from "../../src/crypto/ed25519.ts";
import {
  addSignature,
  type Envelope,
  openEnvelope,
  sealEnvelope,
} from "../../src/crypto/envelope.ts";
import { nextAddresses } from "../../src/membership/addresses.ts";
import { type Membership, nodeIdOf } from "../../src/membership/membership.ts";
import { propose } from "../../src/membership/propose.ts";
import { type Operation, Update, updateType } from "../../src/membership/update.ts";
import { PolicyHash, UpdateId } from "../../src/model/ids.ts";
import { NodeName, Owner } from "../../src/model/names.ts";
import { listPending, putProposal } from "../../src/store/control-store-proposals.ts";
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

const now = () => harness.clock.nowS();

const pin = (digit: string): Operation => ({
  kind: "pin_policy",
  policy: { kind: "document", hash: v.parse(PolicyHash, digit.repeat(64)) },
});

const updateOf = (envelope: Envelope): Update => {
  const opened = openEnvelope(envelope, updateType);
  if (!opened.ok) throw new Error(opened.error.code);
  return v.parse(Update, opened.value.value);
};

/** The same change under another id. */
function withId(id: UpdateId, membership: Membership, operation: Operation, by: SigningSecret) {
  const proposed = propose(membership, operation, { id, createdAt: now(), lifetimeS: 3_600 });
  if (!proposed.ok) throw new Error(proposed.error.code);
  return sealEnvelope(updateType, proposed.value, [by]);
}

const listed = async () => (await harness.operate("proposalList", {})).outcomes.slice(0, -3);
const states = async () => (await listed()).map(({ state }) => state);

const refused = async (envelopes: readonly Envelope[]) =>
  (await harness.ask("proposalSubmit", { envelopes })).body as { code: string; message: string };

const asCandidate = (desk: Pick<Desk, "key">) => new TestNode(harness, desk.key).channel();
const codeOf = (error: unknown) => (error instanceof Fault ? error.code : String(error));

test("one update sent twice in one go is one, with the signatures of both", async () => {
  const bare = await alice.propose(pin("a"));
  const { membership } = await bob.read();
  const other = withId(updateOf(bare).id, membership, pin("b"), bob.key);
  expect((await refused([bare, other])).code).toBe("membership_rejected");
  expect(await listed()).toEqual([]);
  const text = sealEnvelope(updateType, updateOf(bare), [bob.key]);
  expect(await alice.submit(bare, text)).toMatchObject([{ state: "applied" }]);
});

test("what was ended is not brought back by more signatures, and that is no error of the server's", async () => {
  const { membership } = await alice.read();
  const base = proposeAs([alice.key], membership, pin("a"), now());
  const upon = proposeAs([alice.key], leadingOn(membership, base, now()), pin("b"), now());
  await alice.submit(base, upon);
  await alice.reject(updateOf(base).id, "no");
  expect((await states()).toSorted()).toEqual(["rejected", "superseded"]);
  await alice.submit(proposeAs([alice.key], membership, pin("a"), now()));
  expect(await refused([bob.sign(upon)])).toMatchObject({
    code: "membership_rejected",
    message: expect.stringContaining("is superseded already"),
  });
});

test("more signatures than anybody could need are a refusal", async () => {
  const proposed = await alice.propose(pin("a"));
  await alice.submit(proposed);
  const crowd = Array.from({ length: 65 }, () => keygen(random));
  const crowded = sealEnvelope(updateType, updateOf(proposed), crowd);
  expect((await refused([crowded])).code).toBe("membership_rejected");
});

test("only an approver in force brings in something new", async () => {
  const [stranger, puppet] = [keygen(random), keygen(random)];
  const seat = (key: SigningSecret, name: string) =>
    ({
      kind: "add_approver",
      approver: { key: key.publicKey, name: v.parse(NodeName, name), role: "guardian" },
    }) as unknown as Operation;
  const first = await alice.propose(seat(stranger, "stranger"));
  await alice.submit(first);
  const { membership } = await alice.read();
  const own = proposeAs([puppet], membership, seat(puppet, "puppet"), now());
  const upon = proposeAs([stranger], leadingOn(membership, first, now()), pin("a"), now());
  for (const each of [own, upon])
    expect(await refused([each])).toMatchObject({
      code: "permission_denied",
      message: expect.stringContaining("no approver in force has signed"),
    });
});

test("a candidate may read and sign, and decides nothing", async () => {
  const stranger = { key: keygen(random) };
  const approver = { key: stranger.key.publicKey, name: "carol", role: "guardian" };
  const seat = await alice.propose({ kind: "add_approver", approver } as unknown as Operation);
  expect(await asCandidate(stranger).call("membershipShow", {}).catch(codeOf)).toBe(
    "permission_denied",
  );
  await alice.submit(seat);
  const node = new TestNode(harness, keygen(random));
  await node.ask(await harness.token());
  const call = asCandidate(stranger);
  expect((await call.call("membershipShow", {})).proposals.length).toBe(1);
  const { id } = updateOf(seat);
  expect(await call.call("proposalReject", { id, reason: "no" }).catch(codeOf)).toBe(
    "permission_denied",
  );
  expect(await call.call("requestReject", { node: node.id, reason: "no" }).catch(codeOf)).toBe(
    "permission_denied",
  );
  const signed = addSignature(seat, stranger.key);
  expect((await call.call("proposalSubmit", { envelopes: [signed] })).outcomes).toMatchObject([
    { state: "pending", signed: ["alice"] },
  ]);
  await alice.reject(id, "who is that?");
  expect(await call.call("membershipShow", {}).catch(codeOf)).toBe("permission_denied");
});

test("a candidate whose time is over is let in no more", async () => {
  const stranger = { key: keygen(random) };
  const approver = { key: stranger.key.publicKey, name: "carol", role: "guardian" };
  const operation = { kind: "add_approver", approver } as unknown as Operation;
  await alice.submit(await alice.propose(operation, 120));
  harness.clock.offsetS += 200;
  await expireDueProposals(harness.running.control);
  expect(await asCandidate(stranger).call("membershipShow", {}).catch(codeOf)).toBe(
    "permission_denied",
  );
});

test("an approver who was revoked is refused at the door at once", async () => {
  const call = asCandidate(bob);
  expect((await call.call("membershipShow", {})).version).toBe(1);
  const revoked = await owner.propose({ kind: "revoke_approver", approver: bob.key.publicKey });
  await alice.submit(alice.sign(revoked));
  for (const name of ["membershipShow", "proposalList"] as const)
    expect(await call.call(name, {}).catch(codeOf)).toBe("permission_denied");
});

test("a voucher that nobody signed is no evidence against the approvers", async () => {
  const head = await alice.read();
  await bob.submit(bob.sign(await alice.propose(pin("a"))));
  const [voucher, key] = [keygen(random), keygen(random)];
  const addresses = nextAddresses(head.membership.state);
  if (addresses === null) throw new Error("the range is full");
  const node = {
    ...{ id: nodeIdOf(key.publicKey), key: key.publicKey, tags: [], status: "active" },
    ...{ name: v.parse(NodeName, "evil"), owner: v.parse(Owner, "mallory"), ...addresses },
  } as const;
  const { state, root } = head.membership;
  const update = {
    ...{ network: state.network, id: v.parse(UpdateId, "ab".repeat(16)), epoch: state.epoch + 1 },
    ...{ parent: root, root: root, createdAt: now(), expiresAt: now() + 600 },
    operation: { kind: "redeem_voucher", voucher: voucher.publicKey, node },
  } as const;
  const forged = sealEnvelope(updateType, update, [voucher, key]);
  expect((await refused([forged])).code).toBe("outdated");
  expect(await states()).not.toContain("conflicting");
});

test("a server whose clock was set back goes on deciding", async () => {
  harness.clock.offsetS -= 600;
  const operations = [pin("a")];
  const { outcomes } = await harness.operate("operationDecide", { operations, lifetimeS: 600 });
  expect(outcomes).toMatchObject([{ state: "pending", signed: ["owner"] }]);
  harness.clock.offsetS += 600;
  const [judged] = (await bob.read()).proposals;
  harness.clock.offsetS -= 600;
  if (judged?.kind !== "open") throw new Error("nothing is proposed");
  expect(await bob.submit(bob.sign(judged.proposal.envelope))).toMatchObject([
    { state: "applied" },
  ]);
});

test("a clock that is set back ends nothing that waits", async () => {
  harness.clock.offsetS += 3_600;
  const { membership } = await alice.read();
  const base = proposeAs([alice.key], membership, pin("a"), now());
  const upon = proposeAs([alice.key], leadingOn(membership, base, now()), pin("b"), now());
  await alice.submit(base, upon);
  harness.clock.offsetS -= 3_600;
  await harness.halt();
  await harness.serve();
  expect(await states()).toEqual(["pending", "pending"]);
  harness.clock.offsetS += 3_600;
  expect(await bob.submit(bob.sign(base), bob.sign(upon))).toMatchObject([
    { state: "applied" },
    { state: "applied" },
  ]);
});

test("whose word is missing is told of what builds on another's proposal, too", async () => {
  const { membership } = await alice.read();
  const base = proposeAs([alice.key], membership, pin("a"), now());
  const upon = proposeAs([owner.key], leadingOn(membership, base, now()), pin("b"), now());
  await alice.submit(base);
  expect(await owner.submit(upon)).toMatchObject([
    { state: "pending", signed: ["owner"], missing: ["alice", "bob"], need: 2 },
  ]);
});

test("one approver cannot fill the queue so that the others cannot decide", async () => {
  const { membership } = await bob.read();
  const { control } = harness.running;
  const limits = { pendingMax: 9, reservedMax: 2 };
  const send = (...envelopes: readonly Envelope[]) =>
    control.store.transact((transaction) => takeIn(control, transaction, envelopes, "", limits));
  const made = () => proposeAs([bob.key], membership, pin("b"), now());
  await send(...Array.from({ length: 9 }, made));
  expect(await send(made()).catch(codeOf)).toBe("rate_limited");
  const revoked = await alice.propose({
    kind: "revoke_approver",
    approver: bob.key.publicKey,
  });
  await send(revoked);
  const third = [await alice.propose(pin("c")), await alice.propose(pin("d"))];
  expect(await send(...third).catch(codeOf)).toBe("rate_limited");
  expect(await owner.submit(owner.sign(revoked))).toMatchObject([{ state: "applied" }]);
  expect((await alice.read()).proposals).toEqual([]);
});

test("what an approver turns down at the last moment does not go into the log", async () => {
  const proposed = await alice.propose(pin("a"));
  await alice.submit(proposed);
  const { control } = harness.running;
  const { head } = control.network;
  await control.store.transact(async (transaction) => {
    const [row] = await listPending(transaction);
    if (row === undefined) throw new Error("nothing is proposed");
    await putProposal(transaction, { ...row, envelope: bob.sign(row.envelope) });
  });
  const [approver] = activeApprovers(control.network.state).filter(
    ({ name }) => name === alice.name,
  );
  if (approver === undefined) throw new Error("alice has a say");
  const author = { kind: "approver", approver, isCandidate: false, address: "127.0.0.1" } as const;
  const { id } = updateOf(proposed);
  await Promise.all([settle(control), rejectProposal(control, { id, reason: "no" }, author)]);
  expect(control.network.head).toEqual(head);
  expect(await states()).toEqual(["rejected"]);
});

test("a key that can never be a node's does not get into the queue, and costs no credential", async () => {
  const token = await harness.token();
  const taken = new TestNode(harness, bob.key);
  expect(await taken.ask(token).catch(codeOf)).toBe("membership_rejected");
  expect((await alice.read()).requests).toEqual([]);
  const honest = new TestNode(harness, keygen(random));
  expect(await honest.ask(token)).toMatchObject({ status: "waiting" });
});
