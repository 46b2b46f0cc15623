/** fingerprint: twelve letters of a hash, the same for everybody who has the key. */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import * as v from "valibot";
import { fingerprintOf } from "../../src/crypto/fingerprint.ts";
import { SigningKey } from "../../src/model/keys.ts";
import { forEachSeed, Prng } from "../support/prng.ts";

const alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/** The definition of protocol.md section 6.6 again, by arithmetic. */
function twin(key: string): string {
  const domain = Buffer.from("rustynet/fingerprint/v1\0");
  const digest = createHash("sha256").update(domain).update(Buffer.from(key, "hex")).digest("hex");
  let rest = BigInt(`0x${digest.slice(0, 15)}`);
  let letters = "";
  for (let i = 0; i < 12; i++) {
    letters = (alphabet[Number(rest % 32n)] ?? "") + letters;
    rest /= 32n;
  }
  return [letters.slice(0, 4), letters.slice(4, 8), letters.slice(8)].join("-");
}

test("it is the first 60 bits of the hash, in letters that look like no other", () => {
  forEachSeed(200, (prng) => {
    const key = v.parse(SigningKey, prng.bytes(32).toHex());
    expect(fingerprintOf(key)).toBe(twin(key));
    expect(fingerprintOf(key)).toMatch(/^[A-HJ-NP-Z2-9]{4}-[A-HJ-NP-Z2-9]{4}-[A-HJ-NP-Z2-9]{4}$/);
  });
});

test.each([
  ["d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "A3KQ-UHA2-A7GL"],
  ["00".repeat(32), "PM65-GQ2T-4AKY"],
])("that of %s does not change", (key, fingerprint) => {
  expect(fingerprintOf(v.parse(SigningKey, key))).toBe(fingerprint);
});

test("every bit of the key counts", () => {
  const bytes = new Prng(7).bytes(32);
  const seen = new Set<string>();
  for (let bit = 0; bit < 256; bit++) {
    const other = bytes.slice();
    other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    seen.add(fingerprintOf(v.parse(SigningKey, other.toHex())));
  }
  expect(seen.size).toBe(256);
});
