/** signing: what is printed is what is signed, whatever others do to the queue meanwhile. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import * as v from "valibot";
import { keygen } from "../../src/crypto/ed25519.ts";
import { type Envelope, sealEnvelope } from "../../src/crypto/envelope.ts";
import { fingerprintOf } from "../../src/crypto/fingerprint.ts";
import { propose } from "../../src/membership/propose.ts";
import { type Operation, updateType } from "../../src/membership/update.ts";
import { UpdateId } from "../../src/model/ids.ts";
import { leadingOn, proposeAs } from "../support/approver-desk.ts";
import { Harness, random, TestNode } from "../support/control-harness.ts";
import { Person, protectByHand } from "../support/person.ts";

let harness: Harness;
let operator: Person;
let alice: Person;
let bob: Person;
beforeEach(async () => {
  harness = await Harness.start();
  ({ operator, alice, bob } = await protectByHand(harness));
});
afterEach(async () => {
  for (const person of [operator, alice, bob]) person[Symbol.dispose]();
  await harness.stop();
});

const state = () => harness.running.control.network.state;

async function waiting(name: string): Promise<TestNode> {
  const node = new TestNode(harness, keygen(random));
  await node.ask(await harness.token(), name);
  return node;
}

/** One whose id begins with a letter: digits alone are no name. */
async function lettered(name: string): Promise<TestNode> {
  for (;;) {
    const node = new TestNode(harness, keygen(random));
    if (!/^[a-f]/.test(node.id)) continue;
    await node.ask(await harness.token(), name);
    return node;
  }
}

type Proposed = { readonly id: string; readonly words: readonly string[] };
const proposals = async () => (await bob.json("membership", "pending"))["proposals"] as Proposed[];

const policy = (digit: number): Operation =>
  ({
    kind: "pin_policy",
    policy: { kind: "document", hash: String(digit).repeat(64) },
  }) as Operation;

test("a machine gets the name and the addresses that were printed, and each signer its fingerprint", async () => {
  const nodes = [await waiting("laptop"), await waiting("laptop")];
  const first = await alice.must("membership", "sign", "--all");
  expect(first.out).toContain("node added: laptop (");
  expect(first.out).toContain("node added: laptop-2 (");
  const second = await bob.must("membership", "sign", "--all");
  for (const { id, identity } of nodes) {
    const record = state().nodes.get(id);
    for (const { out } of [first, second]) {
      expect(out).toContain(`node added: ${record?.name} (${id.slice(0, 16)})`);
      expect(out).toContain(`addresses: ${record?.ipv4}, ${record?.ipv6}`);
      expect(out).toContain(`fingerprint: ${fingerprintOf(identity.publicKey)}`);
    }
  }
});

test("a machine that is called what a proposal's id begins with is not signed in its place", async () => {
  const { membership } = harness.running.control.network;
  const id = v.parse(UpdateId, "abcdef123456".padEnd(32, "0"));
  const createdAt = harness.clock.nowS();
  const proposed = propose(membership, policy(1), { id, createdAt, lifetimeS: 3_600 });
  if (!proposed.ok) throw new Error(proposed.error.code);
  const envelope = sealEnvelope(updateType, proposed.value, [harness.approver]);
  await harness.operate("proposalSubmit", { envelopes: [envelope] });
  await waiting("abcdef123456");
  for (const command of [["sign"], ["reject", "--reason", "no"]]) {
    const said = await bob.run("membership", ...command, "abcdef123456");
    expect([said.exit, said.err]).toEqual([64, expect.stringContaining("could be several")]);
  }
  await bob.must("membership", "sign", id);
  expect(state().policy.kind).toBe("document");
  expect((await bob.json("membership", "pending"))["requests"]).toMatchObject([{}]);
});

test("a node that is called what another's id begins with is not changed in its place", async () => {
  const alpha = await lettered("alpha");
  const prefix = alpha.id.slice(0, 12);
  await waiting(prefix);
  for (const person of [alice, bob]) await person.must("membership", "sign", "--all");
  expect(state().nodes.size).toBe(2);
  const said = await alice.run("membership", "propose", "revoke-node", prefix);
  expect([said.exit, said.err]).toEqual([64, expect.stringContaining("could be several")]);
  const meant = await alice.must("membership", "propose", "revoke-node", alpha.id);
  expect(meant.out).toContain("node revoked: alpha");
});

test("one machine that cannot be let in keeps nobody else out", async () => {
  const [bad, good] = [await waiting("bad"), await waiting("good")];
  await alice.must("membership", "propose", "add-relay-key", bad.identity.publicKey);
  const [proposal] = await proposals();
  await bob.must("membership", "sign", proposal?.id ?? "");
  const said = await alice.must("membership", "sign", "--all");
  expect(said.out).not.toContain("node added: bad");
  expect(said.err).toContain("# left out: bad");
  await bob.must("membership", "sign", "--all");
  expect([...state().nodes.values()].map(({ id }) => id)).toEqual([good.id]);
  const named = await alice.run("membership", "sign", "bad");
  expect([named.exit, named.err]).toEqual([77, expect.stringContaining("has a role")]);
});

test("what came after the dry run is not signed with what it showed", async () => {
  await alice.must("membership", "propose", "set-threshold", "3");
  const dry = await bob.must("membership", "sign", "--all", "--dry-run");
  const [, seen = ""] = /--all --seen ([0-9a-f]{20})\n/.exec(dry.out) ?? [];
  await alice.must("membership", "propose", "pin-policy", "ab".repeat(32));
  const refused = await bob.run("membership", "sign", "--all", "--seen", seen);
  expect([refused.exit, refused.err]).toEqual([75, expect.stringContaining("nothing was signed")]);
  const [first] = await proposals();
  const one = await bob.must("membership", "sign", first?.id ?? "", "--dry-run");
  const [, command = ""] = /this: rustynet (.*)\n/.exec(one.out) ?? [];
  await bob.must(...command.split(" "));
  expect((await proposals()).length).toBe(2);
});

test("more proposals than one call takes are signed in one go", async () => {
  const { control } = harness.running;
  let last = control.network.membership;
  const chain: Envelope[] = [];
  for (let i = 0; i < 205; i++) {
    const envelope = proposeAs([harness.approver], last, policy(i % 2), harness.clock.nowS());
    last = leadingOn(last, envelope, harness.clock.nowS());
    chain.push(envelope);
  }
  for (let i = 0; i < chain.length; i += 50)
    await harness.operate("proposalSubmit", { envelopes: chain.slice(i, i + 50) });
  await alice.must("membership", "sign", "--all");
  expect(control.network.head.epoch).toBe(last.state.epoch);
}, 60_000);

test("a signature that came too late is no success", async () => {
  const { membership } = harness.running.control.network;
  const envelopes = [1, 2].map((digit) =>
    proposeAs([harness.approver], membership, policy(digit), harness.clock.nowS()),
  );
  await harness.operate("proposalSubmit", { envelopes });
  const said = await alice.run("membership", "sign", "--all");
  expect([said.exit, said.out]).toEqual([77, expect.stringContaining("superseded")]);
});

test("a dossier of another network is verified without touching what is known of one's own", async () => {
  const other = await Harness.start();
  const root = Person.operator(other);
  try {
    for (const name of ["a", "b", "c", "d"]) await other.join(name);
    const path = alice.path("other.json");
    await root.must("membership", "export", path);
    const verified = await alice.run(
      "membership",
      "verify",
      path,
      "--genesis",
      other.genesisRoot ?? "",
    );
    expect([verified.exit, verified.out]).toEqual([
      0,
      expect.stringContaining("no proposal waits"),
    ]);
    const own = harness.running.control.network.state.epoch;
    expect((await alice.must("membership", "status")).out).toContain(`epoch       ${own}, root`);
  } finally {
    root[Symbol.dispose]();
    await other.stop();
  }
});

test("an approver who turns down everything does not see what the others decide in a file", async () => {
  const path = alice.path("hand-to-hand.json");
  await alice.must("membership", "export", path);
  await alice.must("membership", "propose", "revoke-approver", "owner", "--file", path);
  const shown = await bob.must("membership", "sign", "--all", "--file", path);
  expect(shown.out).toContain("approver revoked for good: owner");
  expect(await proposals()).toEqual([]);
  expect((await bob.must("membership", "apply", path)).out).toContain("decided");
  const refused = await operator.run("membership", "propose", "set-threshold", "1");
  expect([refused.exit, refused.err]).toEqual([77, expect.stringContaining("no approver key")]);
});

test("who is only to become an approver signs what proves their key, and nothing else", async () => {
  const carol = await Person.approver(harness, "carol");
  try {
    await alice.must("membership", "propose", "pin-policy", "ab".repeat(32));
    const card = await carol.card();
    await operator.must("membership", "propose", "rotate-approver", "bob", card);
    const said = await carol.must("membership", "sign", "--all");
    expect(said.out).toContain("approver given another key: bob");
    expect(said.out).not.toContain("policy");
    await alice.must("membership", "sign", "--all");
    const names = state().approvers.filter(({ status }) => status === "active");
    expect(names.map(({ name }) => name as string)).toEqual(["owner", "alice", "bob"]);
    expect((await carol.must("membership", "sign", "--all")).out).toContain("nothing waits");
  } finally {
    carol[Symbol.dispose]();
  }
});
