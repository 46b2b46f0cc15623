/**
 * control-store-network keeps what the control server passes on: the log, the advertisements, and
 * the generation that grows with every change of either. It stores; who may say what is not its business.
 */
import { asc, desc, eq, sql } from "drizzle-orm";
import * as v from "valibot";
import { Envelope } from "../crypto/envelope.ts";
import { NodeId, StateRoot } from "../model/ids.ts";
import { TunnelKey } from "../model/keys.ts";
import { Counter, UnixS } from "../model/time.ts";
import type { Transaction } from "./control-store.ts";
import { advertisements, counters, entries, seen } from "./control-store-schema.ts";

const StoredEnvelope = v.pipe(v.string(), v.parseJson(), Envelope);

export const StoredEntry = v.object({
  epoch: Counter,
  root: StateRoot,
  acceptedAt: UnixS,
  envelope: StoredEnvelope,
});
export type StoredEntry = v.InferOutput<typeof StoredEntry>;

export const StoredAdvertisement = v.object({
  node: NodeId,
  sequence: Counter,
  tunnelKey: TunnelKey,
  expiresAt: UnixS,
  /** The generation at which this advertisement came in. No two have the same. */
  generation: Counter,
  envelope: StoredEnvelope,
});
export type StoredAdvertisement = v.InferOutput<typeof StoredAdvertisement>;

export const Seen = v.object({
  node: NodeId,
  lastSeenAt: UnixS,
  appliedGeneration: v.nullable(Counter),
});
export type Seen = v.InferOutput<typeof Seen>;

/** Epoch 0 is the genesis statement; every other epoch follows the one before. */
export async function insertEntry({ db }: Transaction, entry: StoredEntry): Promise<void> {
  await db.insert(entries).values({ ...entry, envelope: JSON.stringify(entry.envelope) });
}

/** The log in its order. A row that is no entry throws a valibot error. */
export async function listEntries({ db }: Transaction): Promise<StoredEntry[]> {
  return v.parse(v.array(StoredEntry), await db.select().from(entries).orderBy(asc(entries.epoch)));
}

/** Takes the place of what the same node said before. */
export async function putAdvertisement(
  { db }: Transaction,
  advertisement: StoredAdvertisement,
): Promise<void> {
  const row = { ...advertisement, envelope: JSON.stringify(advertisement.envelope) };
  const { node: target } = advertisements;
  await db.insert(advertisements).values(row).onConflictDoUpdate({ target, set: row });
}

export async function deleteAdvertisement({ db }: Transaction, node: NodeId): Promise<void> {
  await db.delete(advertisements).where(eq(advertisements.node, node));
}

/** The oldest change first. */
export async function listAdvertisements({ db }: Transaction): Promise<StoredAdvertisement[]> {
  const rows = await db.select().from(advertisements).orderBy(asc(advertisements.generation));
  return v.parse(v.array(StoredAdvertisement), rows);
}

export type CounterName = "generation" | "nonce_floor";

export async function readCounter({ db }: Transaction, name: CounterName): Promise<Counter> {
  const rows = await db.select().from(counters).where(eq(counters.name, name));
  return v.parse(Counter, rows[0]?.value);
}

/** Called in the transaction whose change the new generation stands for. */
export async function growGeneration({ db }: Transaction): Promise<Counter> {
  const rows = await db
    .update(counters)
    .set({ value: sql`${counters.value} + 1` })
    .where(eq(counters.name, "generation"))
    .returning();
  return v.parse(Counter, rows[0]?.value);
}

export async function putSeen({ db }: Transaction, row: Seen): Promise<void> {
  await db.insert(seen).values(row).onConflictDoUpdate({ target: seen.node, set: row });
}

export async function listSeen({ db }: Transaction): Promise<Seen[]> {
  return v.parse(v.array(Seen), await db.select().from(seen).orderBy(desc(seen.lastSeenAt)));
}
