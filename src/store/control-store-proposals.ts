/**
 * control-store-proposals keeps updates that are not in the log: `pending` until the log takes them in
 * or something ends them, and then for good. It stores; whether enough people signed is not its business.
 */
import { and, asc, desc, eq, inArray, lt } from "drizzle-orm";
import * as v from "valibot";
import { Envelope } from "../crypto/envelope.ts";
import { UpdateId } from "../model/ids.ts";
import { Counter, UnixS } from "../model/time.ts";
import type { Transaction } from "./control-store.ts";
import { proposals } from "./control-store-schema.ts";

export const StoredProposal = v.object({
  id: UpdateId,
  epoch: Counter,
  state: v.picklist(["pending", "applied", "rejected", "expired", "superseded", "conflicting"]),
  reason: v.string(),
  words: v.pipe(v.string(), v.parseJson(), v.array(v.string())),
  createdAt: UnixS,
  expiresAt: UnixS,
  envelope: v.pipe(v.string(), v.parseJson(), Envelope),
});
export type StoredProposal = v.InferOutput<typeof StoredProposal>;

/** How many that have ended are shown: the audit has them all. */
const endedMax = 100;

/** Takes the place of what was kept of the same update, which has fewer signatures or another state. */
export async function putProposal({ db }: Transaction, proposal: StoredProposal): Promise<void> {
  const { envelope, words, ...row } = proposal;
  const values = { ...row, words: JSON.stringify(words), envelope: JSON.stringify(envelope) };
  await db
    .insert(proposals)
    .values(values)
    .onConflictDoUpdate({ target: proposals.id, set: values });
}

export async function proposalWithId(
  { db }: Transaction,
  id: UpdateId,
): Promise<StoredProposal | null> {
  const rows = await db.select().from(proposals).where(eq(proposals.id, id));
  return rows[0] === undefined ? null : v.parse(StoredProposal, rows[0]);
}

/** In the order in which they build on one another; of one epoch the earliest first. */
export async function listPending({ db }: Transaction): Promise<StoredProposal[]> {
  const rows = await db
    .select()
    .from(proposals)
    .where(eq(proposals.state, "pending"))
    .orderBy(asc(proposals.epoch), asc(proposals.createdAt), asc(proposals.id));
  return v.parse(v.array(StoredProposal), rows);
}

/** What conflicts first, then the latest. */
export async function listEnded({ db }: Transaction): Promise<StoredProposal[]> {
  const conflicting = await db
    .select()
    .from(proposals)
    .where(eq(proposals.state, "conflicting"))
    .orderBy(asc(proposals.epoch));
  const ended = await db
    .select()
    .from(proposals)
    .where(inArray(proposals.state, ["applied", "rejected", "expired", "superseded"]))
    .orderBy(desc(proposals.epoch), desc(proposals.createdAt))
    .limit(endedMax);
  return v.parse(v.array(StoredProposal), [...conflicting, ...ended]);
}

/** Ends one that is open. Null when there is none under this id, or it has ended. */
export async function endProposal(
  { db }: Transaction,
  id: UpdateId,
  state: Exclude<StoredProposal["state"], "pending">,
  reason: string,
): Promise<StoredProposal | null> {
  const rows = await db
    .update(proposals)
    .set({ state, reason })
    .where(and(eq(proposals.id, id), inArray(proposals.state, ["pending", "conflicting"])))
    .returning();
  return rows[0] === undefined ? null : v.parse(StoredProposal, rows[0]);
}

/** Marks what has run out, and returns it. */
export async function expireProposals(
  { db }: Transaction,
  now: UnixS,
): Promise<readonly StoredProposal[]> {
  const rows = await db
    .update(proposals)
    .set({ state: "expired" })
    .where(and(eq(proposals.state, "pending"), lt(proposals.expiresAt, now)))
    .returning();
  return v.parse(v.array(StoredProposal), rows);
}
