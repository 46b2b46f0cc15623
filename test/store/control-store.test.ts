/** control-store: what is committed is there, what is not is not, and damage is seen at the start. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { encodeBase64Url } from "../../src/base/bytes.ts";
import { Fault } from "../../src/base/fault.ts";
import { foundNetwork } from "../../src/control/founding.ts";
import { loadNetwork } from "../../src/control/network.ts";
import { insertAudit, listAudit } from "../../src/store/control-store-audit.ts";
import { insertCredential, useCredential } from "../../src/store/control-store-credentials.ts";
import { growGeneration, listEntries, readCounter } from "../../src/store/control-store-network.ts";
import { forgetNonces, spendNonce } from "../../src/store/control-store-nonces.ts";
import {
  type ControlStore,
  createControlStore,
  openControlStore,
} from "../../src/store/control-store.ts";
import { ipv4RangeDefault } from "../../src/membership/addresses.ts";
import { Owner } from "../../src/model/names.ts";
import { nonce, random } from "../support/control-harness.ts";
import { approverOf, nowS, signerOf } from "../support/world.ts";

let directory = "";
let path = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rustynet-store-"));
  path = join(directory, "control.db");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function codeOf(attempt: () => Promise<unknown>): Promise<string> {
  try {
    await attempt();
    return "accepted";
  } catch (error) {
    return error instanceof Fault ? error.code : Bun.inspect(error);
  }
}

/** Does something to the file behind the program's back. */
function tamper(statement: string): void {
  using db = new Database(path);
  db.run(statement);
  db.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

const founding = {
  ipv4Range: ipv4RangeDefault,
  approverName: approverOf("approver").name,
  approver: signerOf("approver"),
  control: signerOf("control").publicKey,
};
const generation = (store: ControlStore) =>
  store.transact((transaction) => readCounter(transaction, "generation"));

test("a transaction that throws leaves nothing behind, in the database or in memory", async () => {
  const store = createControlStore(path);
  let followed = 0;
  const attempt = store.transact(async (transaction) => {
    await growGeneration(transaction);
    transaction.afterCommit(() => (followed += 1));
    throw new Fault("not_found", "on purpose");
  });
  expect(await codeOf(() => attempt)).toBe("not_found");
  expect([await generation(store), followed]).toEqual([0, 0]);
  await store.transact(async (transaction) => {
    await growGeneration(transaction);
    transaction.afterCommit(() => (followed += 1));
  });
  expect([await generation(store), followed]).toEqual([1, 1]);
  await store.close();
});

test("transactions that are started together run one after the other", async () => {
  const store = createControlStore(path);
  const grow = () =>
    store.transact(async (transaction) => {
      const before = await readCounter(transaction, "generation");
      await Promise.resolve();
      const after = await growGeneration(transaction);
      return after - before;
    });
  const steps = await Promise.all(Array.from({ length: 50 }, grow));
  expect(new Set(steps)).toEqual(new Set([1]));
  expect(await generation(store)).toBe(50);
  await store.close();
});

test("the database writes ahead, waits for the disk, and keeps its references", async () => {
  await createControlStore(path).close();
  const store = await openControlStore(path);
  const read = (pragma: string) => {
    using db = new Database(path, { readonly: true });
    return JSON.stringify(db.query(`PRAGMA ${pragma}`).all());
  };
  expect(read("journal_mode")).toContain("wal");
  const orphan = store.transact(({ db }) =>
    Promise.resolve(db.run("INSERT INTO admissions VALUES ('n', 'nobody', 1)")),
  );
  expect(await codeOf(() => orphan)).toContain("FOREIGN KEY");
  await store.close();
});

test("what was written by a newer program is refused and left as it is", async () => {
  await createControlStore(path).close();
  tamper("INSERT INTO schema_version (version) VALUES (99)");
  const before = await Bun.file(path).bytes();
  expect(await codeOf(() => openControlStore(path))).toBe("version_unknown");
  expect(await Bun.file(path).bytes()).toEqual(before);
});

test("a file that is no database, an empty one, and none are told apart", async () => {
  expect(await codeOf(() => openControlStore(path))).toBe("not_found");
  await Bun.write(path, "");
  expect(await codeOf(() => openControlStore(path))).toBe("store_corrupt");
  await Bun.write(path, "no database at all ".repeat(500));
  expect(await codeOf(() => openControlStore(path))).toBe("store_corrupt");
});

test("a database that was cut off anywhere is refused", async () => {
  await foundNetwork(path, founding, nowS, random);
  const whole = await Bun.file(path).bytes();
  for (const part of [0.001, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.99999]) {
    await Bun.write(path, whole.slice(0, Math.floor(whole.length * part)));
    for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
    expect([part, await codeOf(() => openControlStore(path))]).toEqual([part, "store_corrupt"]);
  }
});

test("a program that died while it moved its log into the database loses nothing", async () => {
  await foundNetwork(path, founding, nowS, random);
  const client = new Database(path);
  client.run("PRAGMA wal_autocheckpoint = 0");
  client.run("CREATE TABLE ballast (text TEXT)");
  for (let i = 0; i < 50; i++) client.run("INSERT INTO ballast VALUES (?)", ["x".repeat(4_000)]);
  const copy = join(directory, "died.db");
  copyFileSync(path, copy);
  copyFileSync(`${path}-wal`, `${copy}-wal`);
  client.close();
  writeFirstPage(copy);
  const store = await openControlStore(copy);
  expect((await store.transact(listEntries)).length).toBe(1);
  await store.close();
  const kept = new Database(copy).query("SELECT count(*) AS rows FROM ballast").get();
  expect(kept).toEqual({ rows: 50 });
});

/** What a checkpoint does first: the newest page 1 (sqlite.org/fileformat2, section 4.1). */
function writeFirstPage(database: string): void {
  const log = readFileSync(`${database}-wal`);
  const pageSize = log.readUInt32BE(8);
  const file = openSync(database, "r+");
  for (let at = 32; at + 24 + pageSize <= log.length; at += 24 + pageSize)
    if (log.readUInt32BE(at) === 1) writeSync(file, log, at + 24, pageSize, 0);
  closeSync(file);
}

test("the log leads from its genesis to where it says, or the start is refused", async () => {
  const load = async () => {
    const store = await openControlStore(path);
    try {
      return await loadNetwork(store, nowS);
    } finally {
      await store.close();
    }
  };
  const { root } = await foundNetwork(path, founding, nowS, random);
  expect((await load()).head).toEqual({ epoch: 0, root });
  tamper("DROP TRIGGER entries_are_final");
  tamper("DROP TRIGGER entries_are_kept");
  tamper("UPDATE entries SET root = replace(root, substr(root, 1, 4), 'ffff')");
  expect(await codeOf(load)).toBe("store_corrupt");
  tamper(`UPDATE entries SET root = '${root}', envelope = replace(envelope, 'A', 'B')`);
  expect(await codeOf(load)).toBe("store_corrupt");
  tamper("UPDATE entries SET envelope = '{}'");
  expect(await codeOf(load)).toBe("store_corrupt");
  tamper("DELETE FROM entries");
  expect(await codeOf(load)).toBe("store_corrupt");
});

test("a record of the audit that was changed, removed or moved breaks the chain", async () => {
  const store = createControlStore(path);
  for (let i = 1; i <= 5; i++) {
    const event = { at: nowS + i, actor: "a", event: "e", subject: `s${i}`, detail: "" };
    await store.transact((transaction) => insertAudit(transaction, event));
  }
  const isIntact = async () => (await store.transact(listAudit)).intact;
  expect(await isIntact()).toBe(true);
  await store.close();
  const kept = await Bun.file(path).bytes();
  tamper("DROP TRIGGER audit_is_final");
  tamper("DROP TRIGGER audit_is_kept");
  const open = await Bun.file(path).bytes();
  for (const statement of [
    "UPDATE audit SET subject = 'x' WHERE sequence = 3",
    "UPDATE audit SET at = at + 1 WHERE sequence = 5",
    "UPDATE audit SET hash = replace(hash, substr(hash, 1, 2), '00') WHERE sequence = 2",
    "DELETE FROM audit WHERE sequence = 1",
    "DELETE FROM audit WHERE sequence = 3",
    "INSERT INTO audit VALUES (6, 1, 'a', 'e', 's', '', '00')",
    "UPDATE audit SET sequence = sequence + 10",
  ]) {
    await Bun.write(path, open);
    tamper(statement);
    const again = await openControlStore(path);
    const { intact } = await again.transact(listAudit);
    expect([statement, intact]).toEqual([statement, false]);
    await again.close();
  }
  await Bun.write(path, kept);
  expect(() => tamper("UPDATE audit SET subject = 'x'")).toThrow("final");
  expect(() => tamper("DELETE FROM audit")).toThrow("kept");
});

test("a credential that has run out has no use left, whether or not anybody wrote that down", async () => {
  const store = createControlStore(path);
  const secret = encodeBase64Url(random(32));
  const owner = v.parse(Owner, "alice");
  const terms = { owner, tags: [], usesMax: 9, createdAt: nowS, createdBy: "test" };
  await store.transact((transaction) =>
    insertCredential(transaction, secret, { ...terms, expiresAt: nowS + 60 }),
  );
  const useAt = (now: number) =>
    store.transact((transaction) => useCredential(transaction, secret, now));
  expect((await useAt(nowS + 59))?.uses).toBe(1);
  expect(await useAt(nowS + 60)).toBe(null);
  await store.close();
});

test("a counter does not go back, whoever asks the database", async () => {
  const store = createControlStore(path);
  await store.transact(growGeneration);
  await store.close();
  expect(() => tamper("UPDATE counters SET value = 0")).toThrow("only grows");
});

test("a nonce is good once for each key, until it is forgotten, and never after that", async () => {
  const store = createControlStore(path);
  const used = { key: signerOf("n1").publicKey, nonce: nonce(), createdAt: nowS };
  const spend = (changes: Partial<typeof used> = {}) =>
    store.transact((transaction) => spendNonce(transaction, { ...used, ...changes }));
  expect(await spend()).toBe("fresh");
  expect(await spend()).toBe("replayed");
  expect(await spend({ key: signerOf("n2").publicKey })).toBe("fresh");
  await store.transact((transaction) => forgetNonces(transaction, nowS));
  expect(await spend()).toBe("replayed");
  await store.transact((transaction) => forgetNonces(transaction, nowS + 86_400));
  expect(await spend()).toBe("forgotten");
  expect(await spend({ createdAt: nowS + 1 })).toBe("fresh");
  await store.close();
});
