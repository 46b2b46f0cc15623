/**
 * torsion: the crafted points and signatures on which Ed25519 verifiers disagree, computed and not
 * copied: the points of small order, every second spelling, and signatures by a holder of the
 * scalar who does not play by the rules.
 */
import { createHash } from "node:crypto";
import { Point } from "@noble/ed25519";

const { n: order, p: prime } = Point.CURVE();

export const encodeScalar = (value: bigint): Uint8Array => encodeNumber(mod(value, order));

export const decodeNumber = (bytes: Uint8Array): bigint =>
  BigInt(`0x${bytes.toReversed().toHex()}`);

/** Little-endian, 32 bytes, not reduced. */
export function encodeNumber(value: bigint): Uint8Array {
  return Uint8Array.fromHex(value.toString(16).padStart(64, "0")).reverse();
}

/** The scalar of RFC 8032 section 5.1.5. */
export function scalarOf(seed: Uint8Array): bigint {
  const head = new Uint8Array(createHash("sha512").update(seed).digest()).subarray(0, 32);
  head[0] = (head[0] ?? 0) & 248;
  head[31] = ((head[31] ?? 0) & 127) | 64;
  return mod(decodeNumber(head), order);
}

/** S for which R + kA = SB holds but for small order: r + k a, with R and A as spelled here. */
export function forge(
  scalar: bigint,
  nonce: bigint,
  key: Uint8Array,
  spelledR: Uint8Array,
  message: Uint8Array,
): Uint8Array {
  const challenge = challengeOf(spelledR, key, message);
  return Uint8Array.of(...spelledR, ...encodeScalar(nonce + challenge * scalar));
}

export function challengeOf(r: Uint8Array, key: Uint8Array, message: Uint8Array): bigint {
  const digest = createHash("sha512").update(r).update(key).update(message).digest();
  return mod(decodeNumber(new Uint8Array(digest)), order);
}

export const multiply = (point: Point, scalar: bigint): Point => point.multiply(scalar, false);

/** A point of order 8: any point loses its part of prime order when multiplied by that order. */
function generator(): Point {
  for (let y = 2n; ; y++) {
    const point = decodeOrNull(encodeNumber(y), true);
    if (point === null) continue;
    const rest = multiply(point, order - 1n).add(point);
    if (!multiply(rest, 4n).is0()) return rest;
  }
}

function multiplesOf(point: Point): Point[] {
  const points = [Point.ZERO];
  for (let i = 1; i < 8; i++) points.push((points.at(-1) ?? Point.ZERO).add(point));
  return points;
}

/** y from p to 2^255 - 1, with either sign, where there is such a point. */
function unreducedSpellings(): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let y = prime; y < 2n ** 255n; y++) {
    for (const sign of [0n, 2n ** 255n]) {
      const bytes = encodeNumber(y + sign);
      if (decodeOrNull(bytes, true) !== null) found.push(bytes);
    }
  }
  return found;
}

/** x = 0 has no sign, so the sign bit is a second spelling of y = 1 and of y = -1. */
const signedZeros = (): Uint8Array[] => [1n, prime - 1n].map((y) => encodeNumber(y + 2n ** 255n));

function decodeOrNull(bytes: Uint8Array, lenient: boolean): Point | null {
  try {
    return Point.fromBytes(bytes, lenient);
  } catch {
    return null;
  }
}

const mod = (value: bigint, by: bigint): bigint => ((value % by) + by) % by;

// Last, because they are computed by the functions above.

/** The eight points of small order, each a multiple of the last. */
export const torsionPoints: readonly Point[] = multiplesOf(generator());

/** Every encoding that a lenient decoder takes and the canonical one is another. */
export const secondSpellings: readonly Uint8Array[] = [...unreducedSpellings(), ...signedZeros()];
