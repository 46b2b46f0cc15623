/** fingerprint is a signing key in twelve letters, short enough for two people to compare by voice. */
import { decodeHex } from "../base/bytes.ts";
import { assert } from "../base/assert.ts";
import type { SigningKey } from "../model/keys.ts";
import { hashOf } from "./hash.ts";

/** 32 of the letters and digits: without 0 and O, 1 and I, which look alike. */
const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const letterCount = 12;
const bitsPerLetter = 5;

/**
 * `XXXX-XXXX-XXXX`: the first 60 bits of `H("rustynet/fingerprint/v1", key)`.
 *
 * It protects against a mistake, and against somebody in between who would have to find a key with the
 * same fingerprint while two people compare: 2^60 keys, decades for one fast machine. It does not
 * protect against a thousand such machines that search for weeks, so nothing but people ever compares
 * it: programs compare whole keys. Somebody can make two keys of their own that share a fingerprint
 * (2^30), which gains them nothing, since both are theirs.
 */
export function fingerprintOf(key: SigningKey): string {
  const bytes = decodeHex(key);
  assert(bytes !== null, "a signing key is hex");
  const hash = hashOf("rustynet/fingerprint/v1", bytes);
  const letters = Array.from({ length: letterCount }, (_, i) => alphabet[bitsAt(hash, i)]);
  return letters.join("").replace(/.{4}(?=.)/g, "$&-");
}

/** The five bits of the letter at `index`, the highest bit of the first byte being the first. */
function bitsAt(hash: Uint8Array, index: number): number {
  const first = index * bitsPerLetter;
  const at = first >> 3;
  const two = ((hash[at] ?? 0) << 8) | (hash[at + 1] ?? 0);
  return (two >> (16 - bitsPerLetter - (first & 7))) & 31;
}
