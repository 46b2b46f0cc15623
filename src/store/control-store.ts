/**
 * control-store opens the control server's database and owns its transactions: one writer at a time,
 * on disk before it returns, and what follows in memory only after that.
 */
import { Database, SQLiteError } from "bun:sqlite";
import { existsSync } from "node:fs";
import { type BunSQLiteDatabase, drizzle } from "drizzle-orm/bun-sqlite";
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import first from "./migrations/control-0001.sql" with { type: "text" };
import second from "./migrations/control-0002.sql" with { type: "text" };

/** Entry N brings the database from version N to N + 1. */
const migrations: readonly string[] = [first, second];

/** One open transaction. */
export type Transaction = {
  readonly db: BunSQLiteDatabase;
  /** Runs once the transaction is on disk, before the next one begins. Must not throw. */
  readonly afterCommit: (follow: () => void) => void;
};

export type ControlStore = {
  /**
   * Runs `work` alone and commits what it did, or nothing of it when it throws. Throws
   * `unavailable` when the disk fails.
   */
  readonly transact: <T>(work: (transaction: Transaction) => Promise<T>) => Promise<T>;
  /** Waits for the transaction under way. */
  readonly close: () => Promise<void>;
};

/** Makes a new database. The file must not be there. */
export function createControlStore(path: string): ControlStore {
  return openDatabase(path, { create: true, readwrite: true }, 0);
}

/**
 * Opens what `createControlStore` made. Throws `not_found`, `store_corrupt`, or `version_unknown` for
 * a database of a newer program, which it leaves as it is.
 */
export async function openControlStore(path: string): Promise<ControlStore> {
  if (!(await Bun.file(path).exists())) {
    throw new Fault("not_found", `there is no database at ${path}`, {
      remedy: "make a network first: rustynet control init",
    });
  }
  finishCheckpoint(path);
  await refuseCutOff(path);
  // An empty database is not one that was just made, but one that lost what it held.
  return openDatabase(path, { readwrite: true }, 1);
}

/**
 * A checkpoint writes the header before the pages that make the file longer. Where the program died in
 * between, the file looks cut off, and all that is missing is in the write-ahead log still.
 */
function finishCheckpoint(path: string): void {
  if (!existsSync(`${path}-wal`)) return;
  try {
    using client = new Database(path, { readwrite: true });
    client.run("PRAGMA wal_checkpoint(TRUNCATE)");
  } catch (error) {
    throw faultOf(error, path);
  }
}

/**
 * SQLite takes the end of the file for the end of the database, and reads what was cut off as never
 * written. The header knows better: page size at 16, number of pages at 28 (sqlite.org/fileformat2).
 */
async function refuseCutOff(path: string): Promise<void> {
  const file = Bun.file(path);
  const header = await file.slice(0, 100).bytes();
  if (header.length < 100) throw corrupt(path, "it has no header");
  const view = new DataView(header.buffer, header.byteOffset);
  const pageSize = view.getUint16(16) === 1 ? 65_536 : view.getUint16(16);
  if (file.size < pageSize * view.getUint32(28)) throw corrupt(path, "it was cut off");
}

function openDatabase(
  path: string,
  mode: { readonly create?: boolean; readonly readwrite: boolean },
  versionMin: number,
): ControlStore {
  try {
    const client = new Database(path, { ...mode, strict: true });
    try {
      prepare(client, path, versionMin);
    } catch (error) {
      client.close();
      throw error;
    }
    return storeOf(client);
  } catch (error) {
    throw faultOf(error, path);
  }
}

function prepare(client: Database, path: string, versionMin: number): void {
  const version = versionOf(client);
  if (version > migrations.length) {
    throw new Fault("version_unknown", `${path} was written by a newer version of this program`, {
      remedy: "run that version, or a newer one",
    });
  }
  if (version < versionMin) throw corrupt(path, "it has no tables");
  client.run("PRAGMA journal_mode = WAL");
  client.run("PRAGMA synchronous = FULL");
  client.run("PRAGMA foreign_keys = ON");
  client.run("PRAGMA trusted_schema = OFF");
  client.run("PRAGMA busy_timeout = 5000");
  const [flaw] = v.parse(Verdict, read(client, "PRAGMA quick_check(1)"));
  if (flaw?.quick_check !== "ok") throw corrupt(path, flaw?.quick_check ?? "no verdict");
  for (let next = version; next < migrations.length; next++) migrate(client, next);
}

const Verdict = v.array(v.object({ quick_check: v.string() }));
const Versions = v.array(v.object({ version: v.nullable(v.number()) }));

/** 0 for a database that holds nothing yet. */
function versionOf(client: Database): number {
  const named = "SELECT name FROM sqlite_schema WHERE name = 'schema_version'";
  if (read(client, named).length === 0) return 0;
  const [row] = v.parse(Versions, read(client, "SELECT max(version) version FROM schema_version"));
  return row?.version ?? 0;
}

function read(client: Database, statement: string): unknown[] {
  const prepared = client.prepare(statement);
  try {
    return prepared.all();
  } finally {
    prepared.finalize();
  }
}

function migrate(client: Database, version: number): void {
  client.run("BEGIN IMMEDIATE");
  client.run("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY) STRICT");
  client.run(migrations[version] ?? "");
  client.run("INSERT INTO schema_version (version) VALUES (?)", [version + 1]);
  client.run("COMMIT");
}

function storeOf(client: Database): ControlStore {
  const db = drizzle({ client });
  let last: Promise<unknown> = Promise.resolve();
  /** Statements of two transactions must not mix on the one connection. */
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work);
    last = turn.catch(() => {});
    return turn;
  };
  const end = (): Promise<void> => {
    client.run("PRAGMA wal_checkpoint(TRUNCATE)");
    client.close();
    return Promise.resolve();
  };
  return {
    transact: (work) => alone(() => transact(client, db, work)),
    close: () => alone(end),
  };
}

async function transact<T>(
  client: Database,
  db: BunSQLiteDatabase,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const follows: (() => void)[] = [];
  try {
    // Immediate: a transaction that reads first and writes later could otherwise fail half-way.
    client.run("BEGIN IMMEDIATE");
    const result = await work({ db, afterCommit: (follow) => follows.push(follow) });
    client.run("COMMIT");
    for (const follow of follows) follow();
    return result;
  } catch (error) {
    // SQLite may have rolled back by itself.
    if (client.inTransaction) client.run("ROLLBACK");
    throw faultOf(error, "the control database");
  }
}

const corruptions = new Set(["SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CANTOPEN"]);

function faultOf(error: unknown, what: string): unknown {
  const cause = error instanceof Error && error.cause instanceof SQLiteError ? error.cause : error;
  if (!(cause instanceof SQLiteError)) return error;
  const code = cause.code ?? "SQLITE_ERROR";
  // A constraint that the program ran into is its bug, and no fault of the disk.
  if (code.startsWith("SQLITE_CONSTRAINT")) return error;
  if ([...corruptions].some((corruption) => code.startsWith(corruption)))
    return corrupt(what, code, cause);
  return new Fault("unavailable", `${what} does not work: ${code}`, {
    cause,
    remedy: "see that the disk works and has room",
  });
}

/** A database that does not hold what it must. */
export const corrupt = (what: string, why: string, cause?: unknown): Fault =>
  new Fault("store_corrupt", `${what} is damaged: ${why}`, {
    cause,
    remedy: "restore it from a backup; nodes keep running on what they hold",
  });
