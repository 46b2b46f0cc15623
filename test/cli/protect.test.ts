/** protect: from one key beside the control server to people, without a moment in which nobody can decide. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { activeApprovers } from "../../src/membership/state.ts";
import { Harness } from "../support/control-harness.ts";
import { Person } from "../support/person.ts";

let harness: Harness;
let operator: Person;
let people: Person[];
beforeEach(async () => {
  harness = await Harness.start();
  operator = Person.operator(harness);
  people = [];
});
afterEach(async () => {
  for (const person of [operator, ...people]) person[Symbol.dispose]();
  await harness.stop();
});

async function someone(name: string): Promise<Person> {
  const person = await Person.approver(harness, name);
  people.push(person);
  return person;
}

const names = () => activeApprovers(harness.running.control.network.state).map(({ name }) => name);
const threshold = () => harness.running.control.network.state.threshold;

test("two of three: it says at each step who has to sign, until all is done", async () => {
  const [alice, bob] = [await someone("alice"), await someone("bob")];
  const cards = [await alice.card(), await bob.card()];
  const protect = (...more: string[]) => operator.run("membership", "protect", ...cards, ...more);

  const first = await protect();
  expect(first.exit).toBe(75);
  expect(first.out).toContain("2 of 3 will decide: owner, alice, bob");
  expect(first.out).toContain("without owner's key: alice, bob still can");
  expect(first.out).toContain("waits  alice gets a say, as an owner: for alice");
  expect(first.out).toContain("later  from then on 2 have to sign");
  expect(first.out).toContain(
    "# next: on the machine of alice or bob: rustynet membership sign --all",
  );
  expect(threshold()).toBe(1);

  await alice.must("membership", "sign", "--all");
  await bob.must("membership", "sign", "--all");
  const second = await protect();
  expect(second.out).toContain("done   bob gets a say");
  expect(second.out).toContain("waits  from then on 2 have to sign: for alice or bob");
  await bob.must("membership", "sign", "--all");
  expect(threshold()).toBe(2);

  const third = await protect();
  expect(third.out).toContain(
    "waits  rehearsal: 2 sign a checkpoint, which changes nothing: for alice or bob",
  );
  await alice.must("membership", "sign", "--all");
  const kit = operator.path("kit.txt");
  const last = await protect("--kit", kit);
  expect([last.exit, last.out]).toEqual([0, expect.stringContaining("all is done")]);
  expect(names() as string[]).toEqual(["owner", "alice", "bob"]);
  const text = readFileSync(kit, "utf8");
  expect(text).toContain("WHO DECIDES: 2 of 3");
  expect(text).toContain("rnnet1.");
  const twice = await protect();
  expect([twice.exit, twice.out]).toEqual([0, expect.stringContaining("all is done")]);
});

test("the key on the control server's host can leave, once the people can decide without it", async () => {
  const all = [await someone("alice"), await someone("bob"), await someone("carol")];
  const cards = await Promise.all(all.map((person) => person.card()));
  const protect = () => operator.run("membership", "protect", ...cards, "--without-host-key");
  for (let round = 0; round < 8 && (await protect()).exit !== 0; round++)
    for (const person of all) await person.must("membership", "sign", "--all");
  expect(names() as string[]).toEqual(["alice", "bob", "carol"]);
  expect(threshold()).toBe(2);
  expect(await operator.json("membership", "status")).toMatchObject({ signer: null });
});

test("steps that one loss would turn into a lock-out are refused before anything is proposed", async () => {
  const alice = await someone("alice");
  const card = await alice.card();
  const refused = await operator.run("membership", "protect", card);
  expect([refused.exit, refused.err]).toEqual([
    64,
    expect.stringContaining("nobody could change this network"),
  ]);
  const tooMany = await operator.run("membership", "protect", card, "--threshold", "3");
  expect([tooMany.exit, tooMany.err]).toEqual([64, expect.stringContaining("there would be 2")]);
  const twice = await operator.run("membership", "protect", card, card);
  expect([twice.exit, twice.err]).toEqual([64, expect.stringContaining("of one person")]);
  expect((await operator.json("membership", "pending"))["proposals"]).toEqual([]);
  const accepted = await operator.run("membership", "protect", card, "--accept-lockout");
  expect(accepted.exit).toBe(75);
});

test("a dry run says everything and proposes nothing", async () => {
  const [alice, bob] = [await someone("alice"), await someone("bob")];
  const cards = [await alice.card(), await bob.card()];
  const said = await operator.run("membership", "protect", ...cards, "--dry-run");
  expect([said.exit, said.out]).toEqual([0, expect.stringContaining("nothing was proposed")]);
  expect((await operator.json("membership", "pending"))["proposals"]).toEqual([]);
});
