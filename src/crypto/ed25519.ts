/**
 * ed25519: the one signature rule, and the only place that signs or verifies. RFC 8032 Ed25519,
 * S < L, cofactorless, under keys that are canonical and of prime order and nothing else.
 *
 * Verifiers disagree about crafted keys and signatures. Each disagreement needs a key that is not
 * canonical or has a part of small order, an S that is not reduced, an R that is not canonical, or a
 * cofactor. Admission takes away the first, the bound on S the second; the native verifier compares
 * R as bytes with what it computed itself, which takes away the third and, for a key of prime order,
 * leaves nothing in which the cofactor could hide.
 */
import * as native from "node:crypto";
import { Point } from "@noble/ed25519";
import * as v from "valibot";
import { assert } from "../base/assert.ts";
import { concatBytes, decodeHex, encodeHex } from "../base/bytes.ts";
import { err, ok, type Result } from "../base/result.ts";
import { Secret } from "../base/secret.ts";
import { SigningKey } from "../model/keys.ts";

export type KeyRejection =
  | { readonly code: "key_size" }
  | { readonly code: "key_not_a_point" }
  | { readonly code: "key_not_canonical" }
  | { readonly code: "key_small_order" }
  | { readonly code: "key_mixed_order" };

export type Random = (sizeBytes: number) => Uint8Array;

export const keySizeBytes = 32;
export const signatureSizeBytes = 64;
const scalarSizeBytes = 32;
const order = Point.CURVE().n;

// RFC 8410: the constant bytes before the key in SubjectPublicKeyInfo and in PKCS #8.
const spkiPrefix = Uint8Array.fromHex("302a300506032b6570032100");
const pkcs8Prefix = Uint8Array.fromHex("302e020100300506032b657004220420");

/** A key that `admitKey` let in. There is no other way to have one, and none to verify without. */
export class VerifyingKey {
  readonly text: SigningKey;
  readonly #spki: Uint8Array;

  private constructor(text: SigningKey, bytes: Uint8Array) {
    this.text = text;
    this.#spki = concatBytes(spkiPrefix, bytes);
  }

  static admit(bytes: Uint8Array): Result<VerifyingKey, KeyRejection> {
    const rejection = flawOf(bytes);
    if (rejection !== null) return err(rejection);
    return ok(new VerifyingKey(v.parse(SigningKey, encodeHex(bytes)), bytes));
  }

  verify(message: Uint8Array, signature: Uint8Array): boolean {
    if (signature.length !== signatureSizeBytes) return false;
    if (!isReduced(signature.subarray(-scalarSizeBytes))) return false;
    // OpenSSL's interface asks for bytes it may not write to, and Node's types for a Buffer.
    const key = { key: Buffer.from(this.#spki), format: "der", type: "spki" } as const;
    return native.verify(null, message, native.createPublicKey(key), signature);
  }
}

/** Admission costs 0.7 ms, so what was let in is remembered, and the oldest forgotten first. */
const admitted = new Map<string, VerifyingKey>();
export const admittedMax = 16_384;

/** Lets a key in if it is the canonical encoding of a point of prime order. */
export function admitKey(key: SigningKey | Uint8Array): Result<VerifyingKey, KeyRejection> {
  const text = typeof key === "string" ? key : encodeHex(key);
  const known = admitted.get(text);
  if (known !== undefined) return ok(known);
  const result = VerifyingKey.admit(decodeHex(text) ?? new Uint8Array());
  if (result.ok) remember(result.value);
  return result;
}

export const verify = (key: VerifyingKey, message: Uint8Array, signature: Uint8Array): boolean =>
  key.verify(message, signature);

/** The seed of RFC 8032 section 5.1.5, with the public key that follows from it. */
export class SigningSecret {
  readonly seed: Secret;
  readonly publicKey: SigningKey;

  /** A seed of another size than 32 bytes is a bug: whoever reads one from outside looks first. */
  constructor(seed: Secret) {
    assert(seed.sizeBytes === keySizeBytes, "an Ed25519 seed has 32 bytes");
    this.seed = seed;
    this.publicKey = publicKeyOf(seed);
  }
}

/** `random` returns that many bytes of entropy; they are wiped after use. */
export const keygen = (random: Random): SigningSecret =>
  new SigningSecret(new Secret(random(keySizeBytes)));

/** Deterministic (RFC 8032 section 5.1.6): 64 bytes. */
export const sign = (secret: SigningSecret, message: Uint8Array): Uint8Array =>
  new Uint8Array(native.sign(null, message, openPrivateKey(secret.seed)));

export function publicKeyOf(seed: Secret): SigningKey {
  const spki = native.createPublicKey(openPrivateKey(seed)).export({ format: "der", type: "spki" });
  return v.parse(SigningKey, encodeHex(spki.subarray(-keySizeBytes)));
}

function openPrivateKey(seed: Secret): native.KeyObject {
  return seed.expose((bytes) => {
    const key = Buffer.concat([pkcs8Prefix, bytes]);
    const opened = native.createPrivateKey({ key, format: "der", type: "pkcs8" });
    key.fill(0);
    return opened;
  });
}

function remember(key: VerifyingKey): void {
  const [oldest] = admitted.keys();
  if (admitted.size >= admittedMax && oldest !== undefined) admitted.delete(oldest);
  admitted.set(key.text, key);
}

function flawOf(bytes: Uint8Array): KeyRejection | null {
  if (bytes.length !== keySizeBytes) return { code: "key_size" };
  const point = decodePoint(bytes, false);
  if (point === null) {
    const lenient = decodePoint(bytes, true);
    return { code: lenient === null ? "key_not_a_point" : "key_not_canonical" };
  }
  if (point.isSmallOrder()) return { code: "key_small_order" };
  return point.isTorsionFree() ? null : { code: "key_mixed_order" };
}

/** `lenient` also takes the second spellings of a point (ZIP 215). */
function decodePoint(bytes: Uint8Array, lenient: boolean): Point | null {
  try {
    return Point.fromBytes(bytes, lenient);
  } catch {
    return null;
  }
}

/** RFC 8032 section 5.1.7: S, little-endian, below the order of the group. */
function isReduced(scalar: Uint8Array): boolean {
  return BigInt(`0x${encodeHex(scalar.toReversed())}`) < order;
}
