/** vouchers: what a quorum signed in advance lets in as many machines as it says, and nobody else. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import * as v from "valibot";
import { encodeHex } from "../../src/base/bytes.ts";
import { Fault } from "../../src/base/fault.ts";
import { keygen, type SigningSecret } from "../../src/crypto/ed25519.ts";
import { type Envelope, sealEnvelope } from "../../src/crypto/envelope.ts";
import { admissionBy } from "../../src/daemon/redeem.ts";
import type { Membership } from "../../src/membership/membership.ts";
import { type Operation, type Update, updateType } from "../../src/membership/update.ts";
import { NetworkId, UpdateId } from "../../src/model/ids.ts";
import { NodeName, Owner, Tag } from "../../src/model/names.ts";
import type { Input, Output } from "../../src/wire/control-api.ts";
import { openHistory } from "../../src/wire/dossier.ts";
import { enrollmentType } from "../../src/wire/enrollment.ts";
import { type Desk, protect } from "../support/approver-desk.ts";
import { Harness, nonce, random, TestNode } from "../support/control-harness.ts";

let harness: Harness;
let alice: Desk;
let bob: Desk;
beforeEach(async () => {
  harness = await Harness.start();
  ({ alice, bob } = await protect(harness));
});
afterEach(() => harness.stop());

const now = () => harness.clock.nowS();
const state = () => harness.running.control.network.state;
const codeOf = (error: unknown) => (error instanceof Fault ? error.code : String(error));
const stranger = () => new TestNode(harness, keygen(random));

async function decide(operation: Operation): Promise<void> {
  await bob.submit(bob.sign(await alice.propose(operation)));
}

/** A voucher that the quorum signed. */
async function voucherFor(uses: number, lifetimeS = 3_600): Promise<SigningSecret> {
  const key = keygen(random);
  const terms = { owner: v.parse(Owner, "robots"), tags: [v.parse(Tag, "ci")], uses };
  const voucher = { key: key.publicKey, ...terms, expiresAt: now() + lifetimeS };
  await decide({ kind: "add_voucher", voucher });
  return key;
}

type Wording = {
  readonly by?: readonly SigningSecret[];
  readonly issuedAt?: number;
  readonly network?: NetworkId;
};

function requestBy(node: TestNode, voucher: SigningSecret, wording: Wording = {}): Envelope {
  const { by = [node.identity, voucher], issuedAt = now() } = wording;
  const { network = state().network } = wording;
  const name = v.parse(NodeName, "robot");
  const request = { network, key: node.identity.publicKey, name, nonce: nonce(), issuedAt };
  return sealEnvelope(enrollmentType, request, by);
}

const show = (node: TestNode, voucher: SigningSecret, wording: Wording = {}) =>
  node.channel().call("voucherHistory", { request: requestBy(node, voucher, wording) });

async function read(node: TestNode, voucher: SigningSecret): Promise<Membership> {
  if (harness.genesisRoot === undefined) throw new Error("no network was founded");
  const opened = openHistory(await show(node, voucher), harness.genesisRoot, now());
  if (!opened.ok) throw new Error(opened.error.code);
  return opened.value;
}

function updateFor(membership: Membership, node: TestNode, voucher: SigningSecret): Update {
  const id = v.parse(UpdateId, encodeHex(random(16)));
  const name = v.parse(NodeName, "robot");
  const when = { id, now: now() };
  return admissionBy(membership, voucher.publicKey, node.identity.publicKey, name, when);
}

const send = (node: TestNode, update: Envelope): Promise<Output<"voucherRedeem">> =>
  node.channel().call("voucherRedeem", { update } satisfies Input<"voucherRedeem">);

const redeem = (node: TestNode, voucher: SigningSecret, update: Update) =>
  send(node, sealEnvelope(updateType, update, [node.identity, voucher]));

const join = async (node: TestNode, voucher: SigningSecret) =>
  redeem(node, voucher, updateFor(await read(node, voucher), node, voucher));

test("a machine joins by a voucher as what the quorum said, with nobody there", async () => {
  const voucher = await voucherFor(1);
  const node = stranger();
  expect(await join(node, voucher)).toMatchObject({ status: "admitted", node: node.id });
  expect(state().nodes.get(node.id)).toMatchObject({ owner: "robots", tags: ["ci"] });
  const { records } = await harness.operate("auditList", {});
  expect(records.at(-1)).toMatchObject({
    event: "node_admitted",
    actor: `voucher:${voucher.publicKey}`,
  });
  // The answer may have been lost: the log is shown again, to this key.
  expect((await read(node, voucher)).state.nodes.has(node.id)).toBe(true);
});

test("a voucher that is used up lets nobody in, and shows nobody the log", async () => {
  const voucher = await voucherFor(2);
  for (const node of [stranger(), stranger()]) await join(node, voucher);
  expect(state().vouchers.size).toBe(0);
  expect(await show(stranger(), voucher).catch(codeOf)).toBe("credential_invalid");
});

test("of two that redeem a last use at once one wins, and the other is told to look again", async () => {
  const voucher = await voucherFor(1);
  const nodes = [stranger(), stranger()];
  const membership = await read(nodes[0] as TestNode, voucher);
  const answers = await Promise.all(
    nodes.map((node) =>
      redeem(node, voucher, updateFor(membership, node, voucher)).then(
        ({ status }) => status as string,
        codeOf,
      ),
    ),
  );
  expect(answers.toSorted()).toEqual(["admitted", "outdated"]);
  expect(state().nodes.size).toBe(1);
});

test("a voucher that was taken back, or has run out, is none", async () => {
  const [taken, late] = [await voucherFor(5), await voucherFor(5, 100)];
  const node = stranger();
  await read(node, taken);
  await decide({ kind: "revoke_voucher", key: taken.publicKey });
  expect(await show(node, taken).catch(codeOf)).toBe("credential_invalid");
  const written = updateFor(await read(node, late), node, late);
  harness.clock.offsetS += 101;
  expect(await redeem(node, late, written).catch(codeOf)).toBe("membership_rejected");
  expect(await show(node, late).catch(codeOf)).toBe("credential_invalid");
});

test("the owner and the tags are those that the quorum signed", async () => {
  const voucher = await voucherFor(5);
  const node = stranger();
  const membership = await read(node, voucher);
  const update = updateFor(membership, node, voucher);
  if (update.operation.kind !== "redeem_voucher") throw new Error("not a voucher");
  const { operation } = update;
  for (const change of [{ owner: "alice" }, { tags: ["ci", "admin"] }, { tags: [] }]) {
    const other = { ...operation, node: { ...operation.node, ...change } } as Operation;
    const changed = { ...update, operation: other };
    expect(await redeem(node, voucher, changed).catch(codeOf)).toBe("membership_rejected");
  }
  expect(state().nodes.size).toBe(0);
});

test("a change that was written for an earlier state is outdated, and the next one is taken", async () => {
  const voucher = await voucherFor(5);
  const node = stranger();
  const early = updateFor(await read(node, voucher), node, voucher);
  await join(stranger(), voucher);
  expect(await redeem(node, voucher, early).catch(codeOf)).toBe("outdated");
  expect(await join(node, voucher)).toMatchObject({ status: "admitted" });
});

test("the log is shown to who holds a voucher and the key that it asks for, once each time", async () => {
  const voucher = await voucherFor(5);
  const node = stranger();
  const other = keygen(random);
  const cases: readonly (readonly [Wording, string])[] = [
    [{ by: [node.identity] }, "signature_invalid"],
    [{ by: [voucher] }, "signature_invalid"],
    [{ by: [voucher, other] }, "signature_invalid"],
    [{ by: [node.identity, other] }, "credential_invalid"],
    [{ by: [node.identity, voucher, other] }, "signature_invalid"],
    [{ issuedAt: now() - 120 }, "clock_skew"],
    [{ issuedAt: now() + 120 }, "clock_skew"],
    [{ network: v.parse(NetworkId, "ab".repeat(16)) }, "network_mismatch"],
  ];
  for (const [wording, code] of cases)
    expect(await show(node, voucher, wording).catch(codeOf)).toBe(code);
  const request = requestBy(node, voucher);
  await node.channel().call("voucherHistory", { request });
  expect(await node.channel().call("voucherHistory", { request }).catch(codeOf)).toBe("replayed");
});

test("an update that voucher and node did not sign, or that is none of theirs, is refused", async () => {
  const voucher = await voucherFor(5);
  const node = stranger();
  const update = updateFor(await read(node, voucher), node, voucher);
  const by = (...signers: readonly SigningSecret[]) => sealEnvelope(updateType, update, signers);
  const other = keygen(random);
  expect(await send(node, by(node.identity)).catch(codeOf)).toBe("signature_invalid");
  expect(await send(node, by(voucher, node.identity, other)).catch(codeOf)).toBe(
    "signature_invalid",
  );
  expect(await send(node, by(voucher, other)).catch(codeOf)).toBe("membership_rejected");
  const decided = bob.sign(await alice.propose({ kind: "checkpoint" }));
  expect(await send(node, decided).catch(codeOf)).toBe("request_malformed");
  const forged = by(node.identity, voucher);
  const payload = `${forged.payload.slice(0, -4)}AAAA`;
  expect(await send(node, { ...forged, payload }).catch(codeOf)).toBe("membership_rejected");
});

test("a machine that waited for approvers and came in by a voucher waits no more", async () => {
  const voucher = await voucherFor(5);
  const node = stranger();
  await node.ask(await harness.token());
  expect((await alice.read()).requests.length).toBe(1);
  await join(node, voucher);
  expect((await alice.read()).requests).toEqual([]);
});

test("who joins after a checkpoint is shown a snapshot, and comes to the same state", async () => {
  const voucher = await voucherFor(5);
  await join(stranger(), voucher);
  await decide({ kind: "checkpoint" });
  await join(stranger(), voucher);
  const node = stranger();
  const history = await show(node, voucher);
  expect([history.snapshot?.state.epoch, history.entries.length]).toEqual([state().epoch - 1, 1]);
  expect((await read(node, voucher)).root).toBe(harness.running.control.network.head.root);
});
