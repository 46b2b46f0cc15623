/** control-store-requests keeps who has asked to join and waits for approvers, and what became of it. */
import { and, asc, eq } from "drizzle-orm";
import * as v from "valibot";
import { Envelope } from "../crypto/envelope.ts";
import { CredentialId, NodeId } from "../model/ids.ts";
import { Owner, Tag } from "../model/names.ts";
import { UnixS } from "../model/time.ts";
import type { Transaction } from "./control-store.ts";
import { credentials, requests } from "./control-store-schema.ts";

export const StoredRequest = v.object({
  node: NodeId,
  credential: CredentialId,
  state: v.picklist(["pending", "admitted", "rejected"]),
  reason: v.string(),
  askedAt: UnixS,
  envelope: v.pipe(v.string(), v.parseJson(), Envelope),
});
export type StoredRequest = v.InferOutput<typeof StoredRequest>;

/** A request that waits, with what its credential would make the node. */
export const WaitingRequest = v.object({
  ...StoredRequest.entries,
  owner: Owner,
  tags: v.pipe(v.string(), v.parseJson(), v.array(Tag)),
});
export type WaitingRequest = v.InferOutput<typeof WaitingRequest>;

/** Takes the place of an earlier request of the same machine. */
export async function putRequest({ db }: Transaction, request: StoredRequest): Promise<void> {
  const row = { ...request, envelope: JSON.stringify(request.envelope) };
  await db.insert(requests).values(row).onConflictDoUpdate({ target: requests.node, set: row });
}

export async function requestOf({ db }: Transaction, node: NodeId): Promise<StoredRequest | null> {
  const rows = await db.select().from(requests).where(eq(requests.node, node));
  return rows[0] === undefined ? null : v.parse(StoredRequest, rows[0]);
}

/** The earliest first. */
export async function listWaiting({ db }: Transaction): Promise<WaitingRequest[]> {
  const rows = await db
    .select({
      node: requests.node,
      credential: requests.credential,
      state: requests.state,
      reason: requests.reason,
      askedAt: requests.askedAt,
      envelope: requests.envelope,
      owner: credentials.owner,
      tags: credentials.tags,
    })
    .from(requests)
    .innerJoin(credentials, eq(requests.credential, credentials.id))
    .where(eq(requests.state, "pending"))
    .orderBy(asc(requests.askedAt), asc(requests.node));
  return v.parse(v.array(WaitingRequest), rows);
}

/** Null when nobody waits under this id. */
export async function endRequest(
  { db }: Transaction,
  node: NodeId,
  state: "admitted" | "rejected",
  reason: string,
): Promise<StoredRequest | null> {
  const rows = await db
    .update(requests)
    .set({ state, reason })
    .where(and(eq(requests.node, node), eq(requests.state, "pending")))
    .returning();
  return rows[0] === undefined ? null : v.parse(StoredRequest, rows[0]);
}
