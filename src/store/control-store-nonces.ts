/**
 * control-store-nonces remembers on disk which nonces were used, for as long as the request that
 * carried one could be shown again.
 */
import { eq, lt, sql } from "drizzle-orm";
import type { Nonce } from "../model/ids.ts";
import type { SigningKey } from "../model/keys.ts";
import type { UnixS } from "../model/time.ts";
import type { Transaction } from "./control-store.ts";
import { readCounter } from "./control-store-network.ts";
import { counters, nonces } from "./control-store-schema.ts";

export type Spent = "fresh" | "replayed" | "forgotten";

/**
 * Uses a nonce up. `forgotten` when the request is so old that its nonce would not be remembered: a
 * clock that was set back must not make old requests new.
 */
export async function spendNonce(
  transaction: Transaction,
  used: { readonly key: SigningKey; readonly nonce: Nonce; readonly createdAt: UnixS },
): Promise<Spent> {
  if (used.createdAt < (await readCounter(transaction, "nonce_floor"))) return "forgotten";
  const rows = await transaction.db.insert(nonces).values(used).onConflictDoNothing().returning();
  return rows.length === 1 ? "fresh" : "replayed";
}

/**
 * Forgets the nonces of requests from before `horizon`. From here on no request is accepted that is as
 * old as one of those; a horizon that a wrong clock put too far ahead refuses nothing that is newer.
 */
export async function forgetNonces({ db }: Transaction, horizon: UnixS): Promise<void> {
  const gone = await db.delete(nonces).where(lt(nonces.createdAt, horizon)).returning();
  if (gone.length === 0) return;
  const floor = gone.reduce((latest, { createdAt }) => Math.max(latest, createdAt + 1), 0);
  await db
    .update(counters)
    .set({ value: sql`max(${counters.value}, ${floor})` })
    .where(eq(counters.name, "nonce_floor"));
}
