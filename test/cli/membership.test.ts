/** membership: people decide together by what they type, against a real control server. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { keygen } from "../../src/crypto/ed25519.ts";
import { fingerprintOf } from "../../src/crypto/fingerprint.ts";
import { parseVoucherToken } from "../../src/wire/voucher-token.ts";
import { Harness, random, TestNode } from "../support/control-harness.ts";
import { type Person, protectByHand } from "../support/person.ts";

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

test("status says who decides, what waits, and what to type next", async () => {
  const { out } = await alice.must("membership", "status");
  expect(out).toContain("quorum      2 of 3: owner (owner), alice (owner), bob (guardian)");
  expect(out).toContain("signs here  alice");
  expect(out).toContain("# next: nothing has to be done");
  const node = await waiting("laptop");
  const asked = await alice.must("membership", "pending");
  expect(asked.out).toContain(fingerprintOf(node.identity.publicKey));
  expect(asked.out).toContain("# next: rustynet membership sign --all --dry-run");
  expect((await operator.must("membership", "status")).err).toContain(
    "rustynet approver network rnnet1.",
  );
});

test("two people admit a machine, each seeing the whole change before signing", async () => {
  const node = await waiting("laptop");
  const dry = await alice.must("membership", "sign", "--all", "--dry-run");
  expect(dry.out).toContain("node added: laptop");
  expect(dry.out).toContain(`fingerprint: ${fingerprintOf(node.identity.publicKey)}`);
  expect(dry.out).toContain("nothing was signed");
  expect((await alice.json("membership", "pending"))["proposals"]).toEqual([]);

  const first = await alice.must("membership", "sign", "laptop");
  expect(first.out).toContain("1 of 2: alice; missing owner, bob; expires in 7 days");
  expect((await bob.must("membership", "pending")).out).toContain(
    "1 of 2: alice; missing owner, bob",
  );
  const second = await bob.must("membership", "sign", "--all");
  expect(second.out).toContain("node added: laptop");
  expect(second.out).toContain("decided");
  expect(state().nodes.get(node.id)?.name as string).toBe("laptop");
  expect((await bob.must("membership", "sign", "--all")).out).toContain("nothing waits");
  const log = await alice.must("membership", "log");
  expect(log.out).toContain("alice, bob");
});

test("what cuts something off waits for nobody else's proposal", async () => {
  await waiting("laptop");
  await alice.must("membership", "sign", "--all");
  await bob.must("membership", "sign", "--all");
  await bob.must("membership", "propose", "rename-node", "laptop", "desk");
  await alice.must("membership", "propose", "revoke-node", "laptop");
  const { epoch } = state();
  expect(await alice.json("membership", "pending")).toMatchObject({
    proposals: [{ epoch: epoch + 1 }, { epoch: epoch + 1 }],
  });
  const revocation = (
    (await bob.json("membership", "pending"))["proposals"] as { id: string; words: string[] }[]
  ).find(({ words }) => words[0]?.startsWith("node revoked"));
  await bob.must("membership", "sign", revocation?.id ?? "");
  expect([...state().nodes.values()].map(({ status }) => status)).toEqual(["revoked"]);
});

test("a file goes from hand to hand where nobody reaches the server", async () => {
  await waiting("laptop");
  const [plain, first, second] = ["0.json", "1.json", "2.json"].map((name) => alice.path(name)) as [
    string,
    string,
    string,
  ];
  await alice.must("membership", "export", plain);
  await harness.halt();
  await alice.must("membership", "sign", "--all", "--file", plain, "--out", first);
  const seen = await bob.must("membership", "verify", first);
  expect(seen.out).toContain("node added: laptop");
  expect(seen.out).toContain("1 of 2: alice; missing owner, bob");
  await bob.must("membership", "sign", "--all", "--file", first, "--out", second);
  await harness.serve();
  expect((await bob.must("membership", "apply", second, "--dry-run")).out).toContain(
    "nothing was sent",
  );
  expect(state().nodes.size).toBe(0);
  expect((await bob.must("membership", "apply", second)).out).toContain("decided");
  expect(state().nodes.size).toBe(1);
});

test("a file that somebody changed is refused, and nothing is signed in it", async () => {
  const path = alice.path("changed.json");
  await alice.must("membership", "export", path);
  const dossier = JSON.parse(readFileSync(path, "utf8")) as { entries: unknown[] };
  writeFileSync(path, JSON.stringify({ ...dossier, entries: dossier.entries.slice(1) }));
  const refused = await alice.run("membership", "sign", "--all", "--file", path);
  expect([refused.exit, refused.err]).toEqual([77, expect.stringContaining("entry 1")]);
  writeFileSync(path, "{}");
  expect((await alice.run("membership", "verify", path)).exit).toBe(64);
});

test("an older log than this machine has seen is refused, and so is another one", async () => {
  const backup = alice.path("control.db");
  await harness.halt();
  copyFileSync(harness.databasePath, backup);
  await harness.serve();
  await alice.must("membership", "propose", "set-threshold", "3");
  await bob.must("membership", "sign", "--all");
  await operator.must("membership", "sign", "--all");
  await alice.must("membership", "status");
  await harness.halt();
  copyFileSync(backup, harness.databasePath);
  await harness.serve();
  const behind = await alice.run("membership", "status");
  expect([behind.exit, behind.err]).toEqual([77, expect.stringContaining("history_behind")]);
  await operator.must("membership", "propose", "set-threshold", "1");
  await bob.must("membership", "sign", "--all");
  const forked = await alice.run("membership", "status");
  expect([forked.exit, forked.err]).toEqual([77, expect.stringContaining("history_forked")]);
});

test("a proposal that is turned down is gone, and the machine is told why", async () => {
  const node = await waiting("laptop");
  await alice.must("membership", "sign", "--all");
  const [proposal] = (await bob.json("membership", "pending"))["proposals"] as { id: string }[];
  const against = await bob.must(
    ...["membership", "reject", proposal?.id ?? "", "--reason", "who is this?"],
  );
  expect(against.out).toContain("waits");
  expect(against.err).toContain("they may still decide it without you");
  expect((await alice.must("membership", "pending")).out).toContain(
    "bob is against it: who is this?",
  );
  const turned = await alice.must(
    ...["membership", "reject", proposal?.id ?? "", "--reason", "a mistake"],
  );
  expect(turned.out).toContain("rejected");
  await bob.must("membership", "reject", "laptop", "--reason", "not ours");
  expect((await bob.json("membership", "pending"))["requests"]).toEqual([]);
  expect(state().nodes.get(node.id)).toBeUndefined();
  expect((await bob.run("membership", "reject", "laptop")).exit).toBe(64);
});

test("a checkpoint waits for what is undecided, and then vouches for the whole", async () => {
  await alice.must("membership", "propose", "set-threshold", "3");
  const early = await alice.run("membership", "checkpoint");
  expect([early.exit, early.err]).toEqual([64, expect.stringContaining("not: 1 proposal")]);
  await bob.must("membership", "sign", "--all");
  await operator.must("membership", "sign", "--all");
  await alice.must("membership", "checkpoint");
  await bob.must("membership", "sign", "--all");
  await operator.must("membership", "sign", "--all");
  expect((await bob.must("membership", "status")).out).toContain("0 changes since");
  expect((await bob.must("membership", "verify-log")).out).toContain("since the last checkpoint");
});

test("a change that does not apply, or that nobody means, is refused with nothing signed", async () => {
  const cases = [
    [["propose", "revoke-node", "nobody"], 64, "is no node"],
    [["propose", "set-threshold", "4"], 77, "4 approvers would have to sign"],
    [["propose", "set-threshold", "0"], 64, "no number from 1 to 64"],
    [["propose", "revoke-approver", "carol"], 64, "is no approver in force"],
    [["propose", "add-approver", "rnapprover1.none"], 64, "not an approver's card"],
    [["propose", "pin-policy", "none"], 64, "no hash"],
    [["propose", "set-threshold", "3", "--lifetime", "31d"], 64, "at most 30d"],
    [["sign"], 64, "name what is to be signed"],
    [["sign", "deadbeef"], 64, "waits under no such name"],
    [["show", "99"], 64, "is no change"],
  ] as const;
  for (const [argv, exit, why] of cases) {
    const said = await alice.run("membership", ...argv);
    expect([argv.join(" "), said.exit, said.err]).toEqual([
      argv.join(" "),
      exit,
      expect.stringContaining(why),
    ]);
  }
  expect((await alice.json("membership", "pending"))["proposals"]).toEqual([]);
});

test("an approver whose say was taken is shown nothing any more", async () => {
  await alice.must("membership", "propose", "revoke-approver", "bob");
  await operator.must("membership", "sign", "--all");
  const refused = await bob.run("membership", "status");
  expect([refused.exit, refused.err]).toEqual([77, expect.stringContaining("has this key")]);
});

test("a proposal that one will not sign does not hold up what one proposes", async () => {
  await alice.must("membership", "propose", "set-threshold", "3");
  await bob.must("membership", "propose", "pin-policy", "ab".repeat(32));
  const { epoch } = state();
  expect(await operator.json("membership", "pending")).toMatchObject({
    proposals: [{ epoch: epoch + 1 }, { epoch: epoch + 1 }],
  });
});

test("a voucher is made by people, and its token is shown once and admits nobody before they agree", async () => {
  const made = await alice.must(
    ...["membership", "propose", "add-voucher", "--owner", "sam", "--tag", "ci", "--uses", "2"],
  );
  expect(made.out).toMatch(/^rnvouch1\.[A-Za-z0-9_-]+\n$/);
  expect(made.err).toContain("2 machines may join without anybody signing again");
  expect(state().vouchers.size).toBe(0);
  await bob.must("membership", "sign", "--all");
  const token = parseVoucherToken(made.out);
  expect([...state().vouchers.values()]).toMatchObject([
    { key: token?.key.publicKey, owner: "sam", tags: ["ci"], uses: 2 },
  ]);
  await bob.must(
    "membership",
    "propose",
    "revoke-voucher",
    token?.key.publicKey.slice(0, 10) ?? "",
  );
  await alice.must("membership", "sign", "--all");
  expect(state().vouchers.size).toBe(0);
});
