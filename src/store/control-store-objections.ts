/** control-store-objections keeps who is against a proposal, and why. */
import { asc, eq } from "drizzle-orm";
import * as v from "valibot";
import { UpdateId } from "../model/ids.ts";
import { SigningKey } from "../model/keys.ts";
import { UnixS } from "../model/time.ts";
import type { Transaction } from "./control-store.ts";
import { objections, proposals } from "./control-store-schema.ts";

export const StoredObjection = v.object({
  proposal: UpdateId,
  approver: SigningKey,
  reason: v.string(),
  at: UnixS,
});
export type StoredObjection = v.InferOutput<typeof StoredObjection>;

/** Takes the place of what the same approver said before. */
export async function insertObjection(
  { db }: Transaction,
  objection: StoredObjection,
): Promise<void> {
  const target = [objections.proposal, objections.approver];
  await db.insert(objections).values(objection).onConflictDoUpdate({ target, set: objection });
}

/** Of one proposal; or of all that wait. */
export async function listObjections(
  { db }: Transaction,
  proposal?: UpdateId,
): Promise<StoredObjection[]> {
  const rows = await db
    .select({
      proposal: objections.proposal,
      approver: objections.approver,
      reason: objections.reason,
      at: objections.at,
    })
    .from(objections)
    .innerJoin(proposals, eq(objections.proposal, proposals.id))
    .where(
      proposal === undefined ? eq(proposals.state, "pending") : eq(objections.proposal, proposal),
    )
    .orderBy(asc(objections.at), asc(objections.approver));
  return v.parse(v.array(StoredObjection), rows);
}
