/**
 * control-store-audit keeps a record of every change, each hashed together with the one before: a
 * record that was changed, removed or slipped in breaks the chain at its place.
 */
import { asc, desc } from "drizzle-orm";
import * as v from "valibot";
import { decodeHex } from "../base/bytes.ts";
import { encodeCanonical } from "../crypto/canonical.ts";
import { hashTextOf } from "../crypto/hash.ts";
import { Counter, UnixS } from "../model/time.ts";
import type { Transaction } from "./control-store.ts";
import { audit, entries } from "./control-store-schema.ts";

export const StoredAuditRecord = v.object({
  sequence: Counter,
  at: UnixS,
  actor: v.string(),
  event: v.string(),
  subject: v.string(),
  detail: v.string(),
  hash: v.string(),
});
export type StoredAuditRecord = v.InferOutput<typeof StoredAuditRecord>;

/** What is written down: who did what to whom. Never a secret. */
export type AuditEvent = Pick<StoredAuditRecord, "at" | "actor" | "event" | "subject" | "detail">;

/** Events that stand for one entry of the membership log each, the genesis statement included. */
export const LogEvent = v.picklist([
  "membership_changed",
  "network_founded",
  "node_admitted",
  "node_left",
  "node_renamed",
  "node_revoked",
]);
export type LogEvent = v.InferOutput<typeof LogEvent>;

const beginning = "0".repeat(64);

export async function insertAudit(transaction: Transaction, event: AuditEvent): Promise<void> {
  const { db } = transaction;
  const [last] = await db.select().from(audit).orderBy(desc(audit.sequence)).limit(1);
  const record = { ...event, sequence: (last?.sequence ?? 0) + 1 };
  const hash = hashAfter(last?.hash ?? beginning, record);
  await db.insert(audit).values({ ...record, hash });
}

/**
 * All records, and whether the chain holds from the first to the last and tells of the whole log. The
 * chain alone does not know its end: the log, which approvers signed and every node holds, does. An end
 * of records that tell of no entry can be cut off unnoticed by whoever may write to the database.
 */
export async function listAudit({ db }: Transaction): Promise<{
  readonly records: StoredAuditRecord[];
  readonly intact: boolean;
}> {
  const rows = await db.select().from(audit).orderBy(asc(audit.sequence));
  const records = v.parse(v.array(StoredAuditRecord), rows);
  const told = records.filter(({ event }) => v.is(LogEvent, event)).length;
  const isWhole = told === (await db.$count(entries));
  return { records, intact: isWhole && isIntact(records) };
}

export function isIntact(records: readonly StoredAuditRecord[]): boolean {
  return records.every(({ hash, ...record }, i) => {
    const before = records[i - 1]?.hash ?? beginning;
    return hash === hashAfter(before, record);
  });
}

function hashAfter(before: string, record: Omit<StoredAuditRecord, "hash">): string {
  const chained = decodeHex(before) ?? new Uint8Array();
  return hashTextOf("rustynet/audit-entry/v1", chained, encodeCanonical(record));
}
