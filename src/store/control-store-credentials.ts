/**
 * control-store-credentials keeps enrollment credentials: `created`, then one of `used`, `expired` or
 * `revoked` for good. A secret is 32 random bytes, so its plain SHA-256 is as hard to guess as itself.
 */
import { and, asc, eq, gt, lte, sql } from "drizzle-orm";
import * as v from "valibot";
import { decodeBase64Url, encodeHex } from "../base/bytes.ts";
import { sha256 } from "../crypto/hash.ts";
import { CredentialId, type NodeId } from "../model/ids.ts";
import { Owner, Tag } from "../model/names.ts";
import { Counter, UnixS } from "../model/time.ts";
import type { Transaction } from "./control-store.ts";
import { admissions, credentials } from "./control-store-schema.ts";

export const StoredCredential = v.object({
  id: CredentialId,
  owner: Owner,
  tags: v.pipe(v.string(), v.parseJson(), v.array(Tag)),
  state: v.picklist(["created", "used", "expired", "revoked"]),
  usesMax: Counter,
  uses: Counter,
  createdAt: UnixS,
  expiresAt: UnixS,
  createdBy: v.string(),
});
export type StoredCredential = v.InferOutput<typeof StoredCredential>;

/** `secret` is 32 bytes in base64url, in the one spelling that the schema of a token lets in. */
const secretHashOf = (secret: string): string =>
  encodeHex(sha256(decodeBase64Url(secret) ?? new Uint8Array()));

/** The public name of a credential: the first 64 bits of its secret's hash. */
export const credentialIdOf = (secret: string): CredentialId =>
  v.parse(CredentialId, secretHashOf(secret).slice(0, 16));

export async function insertCredential(
  { db }: Transaction,
  secret: string,
  terms: Pick<
    StoredCredential,
    "owner" | "tags" | "usesMax" | "createdAt" | "expiresAt" | "createdBy"
  >,
): Promise<StoredCredential> {
  const row = { ...terms, tags: JSON.stringify(terms.tags), state: "created", uses: 0 };
  const names = { id: credentialIdOf(secret), secretHash: secretHashOf(secret) };
  const rows = await db
    .insert(credentials)
    .values({ ...row, ...names })
    .returning();
  return v.parse(StoredCredential, rows[0]);
}

/**
 * Takes one use of the credential with this secret, or returns null and changes nothing. One
 * statement, so that of any number who try at once no more succeed than it has uses.
 */
export async function useCredential(
  { db }: Transaction,
  secret: string,
  now: UnixS,
): Promise<StoredCredential | null> {
  const uses = sql`${credentials.uses} + 1`;
  const rows = await db
    .update(credentials)
    .set({
      uses,
      state: sql`CASE WHEN ${uses} >= ${credentials.usesMax} THEN 'used' ELSE 'created' END`,
    })
    .where(
      and(
        // Found by hash: how long the search takes says nothing about the secret.
        eq(credentials.secretHash, secretHashOf(secret)),
        eq(credentials.state, "created"),
        gt(credentials.expiresAt, now),
      ),
    )
    .returning();
  return rows[0] === undefined ? null : v.parse(StoredCredential, rows[0]);
}

export async function credentialWithSecret(
  { db }: Transaction,
  secret: string,
): Promise<StoredCredential | null> {
  const hash = secretHashOf(secret);
  const rows = await db.select().from(credentials).where(eq(credentials.secretHash, hash));
  return rows[0] === undefined ? null : v.parse(StoredCredential, rows[0]);
}

/** Null when there is no such credential, or it has ended already. */
export async function revokeCredential(
  { db }: Transaction,
  id: CredentialId,
): Promise<StoredCredential | null> {
  const rows = await db
    .update(credentials)
    .set({ state: "revoked" })
    .where(and(eq(credentials.id, id), eq(credentials.state, "created")))
    .returning();
  return rows[0] === undefined ? null : v.parse(StoredCredential, rows[0]);
}

/**
 * Marks what has run out, and returns it. Written down rather than computed, so that a clock that is
 * set back does not bring a credential back.
 */
export async function expireCredentials(
  { db }: Transaction,
  now: UnixS,
): Promise<readonly StoredCredential[]> {
  const rows = await db
    .update(credentials)
    .set({ state: "expired" })
    .where(and(eq(credentials.state, "created"), lte(credentials.expiresAt, now)))
    .returning();
  return v.parse(v.array(StoredCredential), rows);
}

export async function listCredentials({ db }: Transaction): Promise<StoredCredential[]> {
  const rows = await db.select().from(credentials).orderBy(asc(credentials.createdAt));
  return v.parse(v.array(StoredCredential), rows);
}

/** Writes down which credential let this node in. */
export async function insertAdmission(
  { db }: Transaction,
  node: NodeId,
  credential: CredentialId,
  admittedAt: UnixS,
): Promise<void> {
  const again = { credential, admittedAt };
  // A node whose record was removed may be admitted anew, under the id that its key leads to.
  await db
    .insert(admissions)
    .values({ node, ...again })
    .onConflictDoUpdate({ target: admissions.node, set: again });
}

export async function admissionOf({ db }: Transaction, node: NodeId): Promise<CredentialId | null> {
  const rows = await db.select().from(admissions).where(eq(admissions.node, node));
  return rows[0] === undefined ? null : v.parse(CredentialId, rows[0].credential);
}
