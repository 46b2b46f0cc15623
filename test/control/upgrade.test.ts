/** upgrade: a database of the version before opens with all that it holds, and goes on. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { protect } from "../support/approver-desk.ts";
import { Harness } from "../support/control-harness.ts";

let harness: Harness;
beforeEach(async () => {
  harness = await Harness.start();
});
afterEach(() => harness.stop());

/** What the second migration added is gone again: the file is as version 1 wrote it. */
function downgrade(): void {
  using db = new Database(harness.databasePath);
  db.run("DROP TABLE objections");
  db.run("DROP TABLE proposals");
  db.run("DROP TABLE requests");
  db.run("DELETE FROM schema_version WHERE version = 2");
  db.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

test("a database of version 1 with members, tokens and audit goes on as version 2", async () => {
  const node = await harness.join("alpha");
  const token = await harness.token();
  const { network } = harness.running.control;
  const { head } = network;
  const audit = await harness.operate("auditList", {});
  await harness.halt();
  downgrade();
  await harness.serve();
  expect(harness.running.control.network.head).toEqual(head);
  expect(await harness.operate("auditList", {})).toEqual(audit);
  await node.advertise();
  await node.enroll(token, "alpha");
  const { alice, bob } = await protect(harness);
  await bob.submit(bob.sign(await alice.propose({ kind: "checkpoint" })));
  expect((await harness.operate("auditList", {})).intact).toBe(true);
  await harness.halt();
  await harness.serve();
  expect(harness.running.control.network.head.epoch).toBe(head.epoch + 4);
});

test("a migration that breaks off leaves the version that there was, and is done at the next start", async () => {
  await harness.join("alpha");
  await harness.halt();
  downgrade();
  const change = (statement: string): void => {
    using db = new Database(harness.databasePath);
    db.run(statement);
  };
  // In the way of the second table: the first one has been made by then.
  change("CREATE TABLE requests (a TEXT)");
  expect(await harness.serve().catch((error: unknown) => String(error))).toContain("SQLITE");
  change("DROP TABLE requests");
  await harness.serve();
  expect((await harness.operate("proposalList", {})).outcomes).toEqual([]);
});
