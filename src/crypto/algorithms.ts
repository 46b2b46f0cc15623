/**
 * algorithms: which cryptography may be used for what (requirements, phase 1 section 5.5). What is on
 * neither list is refused: nobody has decided about it.
 */
import * as v from "valibot";
import { err, ok, type Result } from "../base/result.ts";
import { Owner } from "../model/names.ts";
import { UnixS } from "../model/time.ts";

export const algorithmUses = ["signature", "hash", "kdf", "aead", "transport"] as const;
export type AlgorithmUse = (typeof algorithmUses)[number];

const allowed: Readonly<Record<AlgorithmUse, readonly string[]>> = {
  signature: ["ed25519"],
  hash: ["sha-256", "sha-512", "blake2s", "blake2b"],
  kdf: ["hkdf-sha256", "argon2id"],
  aead: ["aes-256-gcm", "xchacha20-poly1305"],
  transport: ["tls-1.3", "noise-ikpsk2-25519-chachapoly-blake2s"],
};

// Weak, or without authentication, or without new session keys: refused by name, so that the
// refusal can say so, and so that an exception can be made for them and for nothing unheard of.
const denied: Readonly<Record<AlgorithmUse, readonly string[]>> = {
  signature: ["rsa-md5", "rsa-sha1", "dsa-sha1", "ecdsa-sha1"],
  hash: ["md5", "sha-1"],
  kdf: ["pbkdf2-md5", "pbkdf2-sha1"],
  aead: ["rc4", "des-cbc", "3des-cbc", "bf-cbc", "aes-128-cbc", "aes-256-cbc"],
  transport: ["ssl-3", "tls-1.0", "tls-1.1", "tls-1.2", "static-session-key", "dh-768", "dh-1024"],
};

/** An exception is a loan: nobody may take one for longer than this. */
export const exceptionMaxS = 90 * 86_400;

/** Leave to use one denied algorithm for one purpose, with a name to ask and a day on which it ends. */
export const AlgorithmException = v.strictObject({
  use: v.picklist(algorithmUses),
  algorithm: v.pipe(v.string(), v.maxLength(64)),
  owner: Owner,
  reason: v.pipe(v.string(), v.trim(), v.minLength(10, "no reason given"), v.maxLength(500)),
  createdAt: UnixS,
  expiresAt: UnixS,
});
export type AlgorithmException = v.InferOutput<typeof AlgorithmException>;

export const AlgorithmPolicy = v.strictObject({
  version: v.literal(1, "unknown version of the algorithm policy"),
  exceptions: v.pipe(
    v.array(
      v.pipe(
        AlgorithmException,
        v.check(({ use, algorithm }) => denied[use].includes(algorithm), "not a denied algorithm"),
        v.check((item) => item.expiresAt > item.createdAt, "ends before it begins"),
        v.check((item) => item.expiresAt - item.createdAt <= exceptionMaxS, "longer than 90 days"),
      ),
    ),
    v.maxLength(16, "too many exceptions"),
    v.readonly(),
  ),
});
export type AlgorithmPolicy = v.InferOutput<typeof AlgorithmPolicy>;

/** No exceptions: what holds unless an operator says otherwise. */
export const strictPolicy: AlgorithmPolicy = { version: 1, exceptions: [] };

export type AlgorithmDenial =
  | { readonly code: "algorithm_denied"; readonly use: AlgorithmUse; readonly algorithm: string }
  | { readonly code: "algorithm_unknown"; readonly use: AlgorithmUse; readonly algorithm: string }
  | {
      readonly code: "exception_not_in_force";
      readonly use: AlgorithmUse;
      readonly algorithm: string;
      readonly owner: Owner;
      readonly createdAt: UnixS;
      readonly expiresAt: UnixS;
    };

export type AlgorithmPermit = {
  readonly algorithm: string;
  /** Present when only an exception permits this: show it to the operator, every time. */
  readonly warning: string | null;
};

/** Looks an algorithm up. An exception counts from its creation until its expiry and then no more. */
export function permit(
  policy: AlgorithmPolicy,
  use: AlgorithmUse,
  algorithm: string,
  now: UnixS,
): Result<AlgorithmPermit, AlgorithmDenial> {
  if (allowed[use].includes(algorithm)) return ok({ algorithm, warning: null });
  if (!denied[use].includes(algorithm)) return err({ code: "algorithm_unknown", use, algorithm });
  const all = policy.exceptions.filter((item) => item.use === use && item.algorithm === algorithm);
  const inForce = all.find((item) => isInForce(item, now));
  if (inForce !== undefined) return ok({ algorithm, warning: warningOf(inForce) });
  const [other] = all;
  if (other === undefined) return err({ code: "algorithm_denied", use, algorithm });
  const { owner, createdAt, expiresAt } = other;
  return err({ code: "exception_not_in_force", use, algorithm, owner, createdAt, expiresAt });
}

/** True for what needs no exception. */
export const isAllowed = (use: AlgorithmUse, algorithm: string): boolean =>
  allowed[use].includes(algorithm);

/** One sentence for each exception in force, to be shown wherever the state of the host is. */
export const warningsOf = (policy: AlgorithmPolicy, now: UnixS): readonly string[] =>
  policy.exceptions.filter((item) => isInForce(item, now)).map(warningOf);

const isInForce = ({ createdAt, expiresAt }: AlgorithmException, now: UnixS): boolean =>
  createdAt <= now && now < expiresAt;

function warningOf({ use, algorithm, owner, reason, expiresAt }: AlgorithmException): string {
  const until = new Date(expiresAt * 1000).toISOString();
  return `insecure ${algorithm} is permitted as ${use} until ${until} (owner ${owner}: ${reason})`;
}
