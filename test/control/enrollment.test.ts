/** enrollment: who is let in, once, as whom, and who is not. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import * as v from "valibot";
import { Fault } from "../../src/base/fault.ts";
import { keygen } from "../../src/crypto/ed25519.ts";
import { sealEnvelope } from "../../src/crypto/envelope.ts";
import { append, found, nodeIdOf } from "../../src/membership/membership.ts";
import { NetworkId } from "../../src/model/ids.ts";
import { SigningKey } from "../../src/model/keys.ts";
import { NodeName, Tag } from "../../src/model/names.ts";
import { credentialIdOf } from "../../src/store/control-store-credentials.ts";
import { enrollmentType } from "../../src/wire/enrollment.ts";
import { EnrollmentSecret } from "../../src/wire/join-token.ts";
import { Harness, nonce, random, TestNode } from "../support/control-harness.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await Harness.start();
});
afterAll(() => harness.stop());

const stranger = (): TestNode => new TestNode(harness, keygen(random));

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
    return "accepted";
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}

const messageOf = (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => "accepted",
    (error: unknown) => (error instanceof Fault ? error.message : String(error)),
  );

test("a machine with a token gets a log that leads to its own admission", async () => {
  const node = stranger();
  const token = await harness.token({ tags: [v.parse(Tag, "web"), v.parse(Tag, "db")] });
  const answer = await node.enroll(token, "alpha");
  const founded = found(answer.genesis, token.genesis);
  if (!founded.ok) throw new Error(founded.error.code);
  let membership = founded.value;
  for (const entry of answer.entries) {
    const next = append(membership, entry, harness.clock.nowS());
    if (!next.ok) throw new Error(next.error.code);
    membership = next.value;
  }
  expect(answer.node).toBe(node.id);
  const admitted = membership.state.nodes.get(node.id);
  expect(admitted).toMatchObject({
    key: node.identity.publicKey,
    name: v.parse(NodeName, "alpha"),
    tags: [v.parse(Tag, "db"), v.parse(Tag, "web")],
    status: "active",
  });
});

test("of 50 machines at once with a single-use token one gets in", async () => {
  const token = await harness.token();
  const before = harness.running.control.network.state.nodes.size;
  const attempts = Array.from({ length: 50 }, () => codeOf(stranger().enroll(token, "many")));
  const codes = (await Promise.all(attempts)).sort();
  expect(codes).toEqual(["accepted", ...Array.from({ length: 49 }, () => "credential_invalid")]);
  expect(harness.running.control.network.state.nodes.size).toBe(before + 1);
});

test("of 10 machines at once with a token for three, three get in, with names of their own", async () => {
  const token = await harness.token({ usesMax: 3 });
  const nodes = Array.from({ length: 10 }, stranger);
  const codes = await Promise.all(nodes.map((node) => codeOf(node.enroll(token, "triple"))));
  expect(codes.filter((code) => code === "accepted")).toHaveLength(3);
  const state = harness.running.control.network.state;
  const admitted = nodes.flatMap((node) => state.nodes.get(node.id) ?? []);
  expect(admitted.map(({ name }) => String(name)).sort()).toEqual([
    "triple",
    "triple-2",
    "triple-3",
  ]);
  expect(new Set(admitted.map(({ ipv4 }) => ipv4)).size).toBe(3);
});

test("a name of 63 letters that somebody has is shortened to make room for its number", async () => {
  const long = "x".repeat(63);
  await harness.join(long);
  const second = await harness.join(long);
  const node = harness.running.control.network.state.nodes.get(second.id);
  expect(String(node?.name)).toBe(`${"x".repeat(61)}-2`);
});

test("a machine whose answer got lost asks again and gets it, without another use", async () => {
  const node = stranger();
  const token = await harness.token();
  const first = await node.enroll(token, "lost");
  const second = await node.enroll(token, "another-name");
  expect(second.node).toBe(first.node);
  const { credentials } = await harness.operate("credentialList", {});
  const id = credentialIdOf(token.secret);
  expect(credentials.find((credential) => credential.id === id)?.uses).toBe(1);
});

test("a member that shows somebody else's used token gets nothing", async () => {
  const token = await harness.token();
  await stranger().enroll(token, "first");
  const member = await harness.join("member");
  expect(await codeOf(member.enroll(token, "member"))).toBe("credential_invalid");
});

test("the same request is not taken twice, not even after a restart", async () => {
  const node = stranger();
  const enrollment = node.enrollment(await harness.token({ usesMax: 5 }), "replay");
  await node.client().enroll(enrollment);
  expect(await codeOf(node.client().enroll(enrollment))).toBe("replayed");
  await harness.halt();
  await harness.serve();
  expect(await codeOf(node.client().enroll(enrollment))).toBe("replayed");
});

test("an expelled identity does not come back, whatever it shows", async () => {
  const node = stranger();
  const token = await harness.token({ usesMax: 5 });
  await node.enroll(token, "expelled");
  await harness.operate("nodeRevoke", { node: node.id });
  expect(await codeOf(node.enroll(token, "expelled"))).toBe("revoked");
  expect(await codeOf(node.enroll(await harness.token(), "expelled"))).toBe("revoked");
});

test("a request signed with another key than it names is refused", async () => {
  const victim = stranger();
  const thief = keygen(random);
  const token = await harness.token();
  const request = {
    network: token.network,
    key: victim.identity.publicKey,
    name: v.parse(NodeName, "victim"),
    nonce: nonce(),
    issuedAt: harness.clock.nowS(),
  };
  for (const signers of [[thief], [thief, victim.identity]]) {
    const envelope = sealEnvelope(enrollmentType, request, signers);
    const attempt = victim.client().enroll({ secret: token.secret, request: envelope });
    expect(await codeOf(attempt)).toBe("signature_invalid");
  }
  // The token is still good: a refusal takes no use.
  expect(await codeOf(victim.enroll(token, "victim"))).toBe("accepted");
});

test.each([
  ["for another network", { network: v.parse(NetworkId, "0".repeat(32)) }, "network_mismatch"],
])("a request %s is refused", async (_what, changes, code) => {
  const node = stranger();
  const enrollment = node.enrollment(await harness.token(), "node", changes);
  expect(await codeOf(node.client().enroll(enrollment))).toBe(code);
});

test.each([-91, 95])("a request from a clock %d seconds off is refused as such", async (offS) => {
  const node = stranger();
  const issuedAt = harness.clock.nowS() + offS;
  const enrollment = node.enrollment(await harness.token(), "node", { issuedAt });
  expect(await codeOf(node.client().enroll(enrollment))).toBe("clock_skew");
});

test("a request that many keys signed is refused before any of them is looked at", async () => {
  const token = await harness.token();
  const node = stranger();
  const { secret, request } = node.enrollment(token);
  const [own] = request.signatures;
  if (own === undefined) throw new Error("a request is signed");
  // No point of the curve: looking at it would be another refusal.
  const nobody = { ...own, keyid: v.parse(SigningKey, "02".padEnd(64, "0")) };
  const signatures = [own, nobody];
  const attempt = node.client().enroll({ secret, request: { ...request, signatures } });
  expect(await messageOf(attempt)).toContain("more signatures than that of its key");
});

test("a secret that was never issued is refused, also one that differs in its last digit", async () => {
  const token = await harness.token();
  const last = token.secret.endsWith("A") ? "E" : "A";
  const near = v.parse(EnrollmentSecret, token.secret.slice(0, -1) + last);
  expect(await codeOf(stranger().enroll({ ...token, secret: near }))).toBe("credential_invalid");
  expect(await codeOf(stranger().enroll(token))).toBe("accepted");
});

test("a key that belongs to the control server or an approver is no node's", async () => {
  for (const key of [harness.approver, harness.keys.control]) {
    const node = new TestNode(harness, key);
    expect(await codeOf(node.enroll(await harness.token()))).toBe("membership_rejected");
  }
});

test("every node gets the next address, and an expelled one's is not given away", async () => {
  const first = await harness.join("before");
  const { nodes } = harness.running.control.network.state;
  const address = nodes.get(first.id)?.ipv4;
  await harness.operate("nodeRevoke", { node: first.id });
  const second = await harness.join("after");
  expect(harness.running.control.network.state.nodes.get(second.id)?.ipv4).not.toBe(address);
});

test("an id is the key's, so no other key enrolls under it", async () => {
  const node = await harness.join("own");
  expect(node.id).toBe(nodeIdOf(node.identity.publicKey));
});
