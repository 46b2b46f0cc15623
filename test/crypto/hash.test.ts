import { expect, test } from "bun:test";
import { concatBytes, encodeHex, encodeUtf8 } from "../../src/base/bytes.ts";
import { hashDomains, hashOf, hashTextOf, sha256 } from "../../src/crypto/hash.ts";

test("plain SHA-256 is that of FIPS 180-4", () => {
  expect(encodeHex(sha256(encodeUtf8("abc")))).toBe(
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
});

test("a hash is over its domain, a zero byte and the bytes", () => {
  const bytes = encodeUtf8("{}");
  const whole = concatBytes(encodeUtf8("rustynet/membership-state/v1"), Uint8Array.of(0), bytes);
  expect(hashOf("rustynet/membership-state/v1", bytes)).toEqual(sha256(whole));
  expect(hashTextOf("rustynet/membership-state/v1", bytes)).toBe(encodeHex(sha256(whole)));
});

test("parts are hashed as one byte string", () => {
  const [a, b] = [encodeUtf8("ab"), encodeUtf8("c")];
  expect(hashOf("rustynet/index/v1", a, b)).toEqual(hashOf("rustynet/index/v1", concatBytes(a, b)));
});

test("no two domains hash anything alike", () => {
  const hashes = hashDomains.map((domain) => hashTextOf(domain, encodeUtf8("same")));
  expect(new Set(hashes).size).toBe(hashDomains.length);
  for (const domain of hashDomains) expect(domain).toMatch(/^rustynet\/[a-z-]+\/v[1-9]\d*$/);
});
