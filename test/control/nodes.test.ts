/** nodes: whom the operator means, what becomes of them, and that it is written down. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import * as v from "valibot";
import { Fault } from "../../src/base/fault.ts";
import { loadNetwork } from "../../src/control/network.ts";
import { NodeName } from "../../src/model/names.ts";
import { StateRoot } from "../../src/model/ids.ts";
import { openControlStore } from "../../src/store/control-store.ts";
import { waitFor } from "../lab/wait-for.ts";
import { Harness, type TestNode } from "../support/control-harness.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await Harness.start();
});
afterAll(() => harness.stop());

const nameOf = (text: string) => v.parse(NodeName, text);
const recordOf = ({ id }: TestNode) => harness.running.control.network.state.nodes.get(id);

test("a node is meant by its name, its id, or at least 8 digits of its beginning", async () => {
  for (const [i, reference] of [
    (node: TestNode) => String(recordOf(node)?.name),
    (node: TestNode) => node.id,
    (node: TestNode) => node.id.slice(0, 8),
  ].entries()) {
    const node = await harness.join(`meant-${i}`);
    const { node: revoked } = await harness.operate("nodeRevoke", { node: reference(node) });
    expect([revoked.id, revoked.status]).toEqual([node.id, "revoked"]);
  }
});

test("fewer digits, no digits and what nobody has mean no node", async () => {
  const node = await harness.join("stays");
  for (const reference of [
    node.id.slice(0, 7),
    "nobody",
    "0".repeat(64),
    "%",
    "' OR 1=1 --",
    "\u0000",
  ])
    expect((await harness.ask("nodeRevoke", { node: reference })).status).toBe(404);
  expect(recordOf(node)?.status).toBe("active");
});

test("a name that reads like the beginning of an id is a name", async () => {
  const victim = await harness.join("victim");
  const decoy = await harness.join("decoy");
  const name = `a${victim.id.slice(1, 12)}`;
  await harness.operate("nodeRename", { node: decoy.id, name: nameOf(name) });
  const { node } = await harness.operate("nodeRevoke", { node: name });
  expect(node.id).toBe(decoy.id);
});

test("a node gets another name, unless somebody has it", async () => {
  const first = await harness.join("first");
  const second = await harness.join("second");
  const rename = (name: string) => harness.ask("nodeRename", { node: first.id, name });
  expect((await rename("second")).status).toBe(409);
  expect((await rename("renamed")).status).toBe(200);
  expect(recordOf(first)?.name).toBe(nameOf("renamed"));
  expect(recordOf(second)?.name).toBe(nameOf("second"));
  const { epoch } = harness.running.control.network.state;
  expect((await rename("renamed")).status).toBe(200);
  expect(harness.running.control.network.state.epoch).toBe(epoch);
});

test.each([
  "",
  "Upper",
  "a b",
  "-a",
  "a\n",
  "$(id)",
  "x".repeat(64),
  "\u0430lice",
  "xn--80ak6aa92e",
  "10",
])("%j is no name for a node", async (name) => {
  const node = await harness.join("named");
  expect((await harness.ask("nodeRename", { node: node.id, name })).status).toBe(400);
});

test("an expelled node is not expelled again, and its name is free", async () => {
  const node = await harness.join("twice");
  await harness.operate("nodeRevoke", { node: "twice" });
  expect((await harness.ask("nodeRevoke", { node: node.id })).status).toBe(409);
  const heir = await harness.join("twice");
  expect(recordOf(heir)?.name).toBe(nameOf("twice"));
});

test("the list says who was here, and what they run", async () => {
  const never = await harness.join("never-here");
  const spoke = await harness.join("spoke");
  await spoke.advertise({ os: "linux/arm64", software: "9.9" });
  const { nodes } = await harness.operate("nodeList", {});
  const reportOf = ({ id }: TestNode) => nodes.find(({ node }) => node.id === id);
  expect(reportOf(never)).toMatchObject({ presence: "never", lastSeenAt: null, os: null });
  expect(reportOf(spoke)).toMatchObject({ os: "linux/arm64", software: "9.9" });
});

test("every change of a node is in the audit, with who made it", async () => {
  const node = await harness.join("audited");
  await harness.operate("nodeRename", { node: node.id, name: nameOf("audited-2") });
  await node.client().leave(null);
  const { records, intact } = await harness.operate("auditList", {});
  const events = records.filter(({ subject }) => subject === node.id);
  expect(events.map(({ event }) => event)).toEqual(["node_admitted", "node_renamed", "node_left"]);
  expect(events.map(({ actor }) => actor.split(":")[0])).toEqual(["credential", "uid", "node"]);
  expect(intact).toBe(true);
});

test("a change that nodes will not believe before the clock gets there is logged as an error", async () => {
  const node = await harness.join("ahead");
  const errors = () => harness.lines.filter((line) => line.includes("log_ahead_of_clock")).length;
  expect(errors()).toBe(0);
  harness.clock.offsetS = -86_400;
  await harness.operate("nodeRevoke", { node: node.id });
  harness.clock.offsetS = 0;
  expect(errors()).toBe(1);
});

test("an audit whose end was cut off tells less than the log, and is not whole", async () => {
  await harness.join("cut-off");
  const isWhole = async () => (await harness.operate("auditList", {})).intact;
  expect(await isWhole()).toBe(true);
  await harness.halt();
  const kept = await Bun.file(harness.databasePath).bytes();
  const tamper = (statement: string): void => {
    using db = new Database(harness.databasePath);
    db.run(statement);
    db.run("PRAGMA wal_checkpoint(TRUNCATE)");
  };
  tamper("DROP TRIGGER audit_is_kept");
  tamper("DELETE FROM audit WHERE sequence = (SELECT max(sequence) FROM audit)");
  await harness.serve();
  expect(await isWhole()).toBe(false);
  await harness.halt();
  await Bun.write(harness.databasePath, kept);
  await harness.serve();
});

test("a server that cannot write an alarm down goes on, and says so", async () => {
  const node = await harness.join("forked");
  await harness.halt();
  const kept = await Bun.file(harness.databasePath).bytes();
  await harness.serve();
  const ended = Promise.withResolvers<unknown>();
  const head = { epoch: 1, root: v.parse(StateRoot, "f".repeat(64)) };
  const held = { epoch: 1, generation: 1 };
  // As a full disk does, at the moment of the alarm and not before: the request has to be proved first.
  using db = new Database(harness.databasePath);
  db.run("ALTER TABLE audit RENAME TO elsewhere");
  await node.client().openMapStream({ held, head, onMap: () => {}, onClose: ended.resolve });
  await ended.promise;
  await waitFor("the log", () => harness.lines.some((line) => line.includes("alarm_not_written")));
  expect((await harness.ask("health")).status).toBe(200);
  await harness.halt();
  await Bun.write(harness.databasePath, kept);
  await harness.serve();
});

test("after a restart the log leads to the same state; with a root changed it is refused", async () => {
  const { head } = harness.running.control.network;
  await harness.halt();
  const load = async () => {
    const store = await openControlStore(harness.databasePath);
    try {
      return (await loadNetwork(store, harness.clock.nowS())).head;
    } catch (error) {
      return error instanceof Fault ? error.code : String(error);
    } finally {
      await store.close();
    }
  };
  expect(await load()).toEqual(head);
  const whole = await Bun.file(harness.databasePath).bytes();
  for (const change of [
    "UPDATE entries SET root = replace(root, substr(root, 1, 4), 'ffff') WHERE epoch = 2",
    "UPDATE entries SET accepted_at = accepted_at + 999999 WHERE epoch = 2",
    "DELETE FROM entries WHERE epoch = 2",
    "UPDATE entries SET envelope = (SELECT envelope FROM entries WHERE epoch = 1) WHERE epoch = 2",
  ]) {
    using db = new Database(harness.databasePath);
    for (const trigger of ["entries_are_final", "entries_are_kept"])
      db.run(`DROP TRIGGER IF EXISTS ${trigger}`);
    db.run(change);
    db.run("PRAGMA wal_checkpoint(TRUNCATE)");
    db.close();
    expect([change, await load()]).toEqual([change, "store_corrupt"]);
    await Bun.write(harness.databasePath, whole);
  }
  await harness.serve();
});
