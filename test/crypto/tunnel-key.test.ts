import { expect, test } from "bun:test";
import { Secret } from "../../src/base/secret.ts";
import { admitTunnelKey, tunnelKeyOf, tunnelKeygen } from "../../src/crypto/tunnel-key.ts";
import { forEachSeed, Prng } from "../support/prng.ts";
import { encodeNumber } from "../support/torsion.ts";

const prime = 2n ** 255n - 19n;
const secretOf = (hex: string) => new Secret(Uint8Array.fromHex(hex));

function outcome(key: Uint8Array): string {
  const admitted = admitTunnelKey(key);
  return admitted.ok ? "admitted" : admitted.error.code;
}

const rfc7748 = [
  {
    name: "Alice",
    scalar: "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
    key: "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
  },
  {
    name: "Bob",
    scalar: "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
    key: "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
  },
];
test.each(rfc7748)("$name has the public key of RFC 7748 section 6.1", ({ scalar, key }) => {
  expect(tunnelKeyOf(secretOf(scalar)) as string).toBe(key);
});

test("a new scalar is clamped, and the randomness it is made of is wiped", () => {
  forEachSeed(50, (prng) => {
    const given = prng.bytes(32);
    const unclamped = new Secret(given.slice());
    const { scalar, publicKey } = tunnelKeygen(() => given);
    const [first = 1, last = 0] = scalar.expose((bytes) => [bytes[0], bytes[31]]);
    expect(first & 7).toBe(0);
    expect(last & 0xc0).toBe(0x40);
    expect(given).toEqual(new Uint8Array(32));
    // Clamping happens on the way in any case, so the public key is the same.
    expect(tunnelKeyOf(unclamped)).toBe(publicKey);
    expect(admitTunnelKey(publicKey)).toEqual({ ok: true, value: publicKey });
  });
});

/** The points of low order on the curve and its twist, by their u coordinate (RFC 7748, cr.yp.to/ecdh). */
const lowOrder = [
  0n,
  1n,
  325606250916557431795983626356110631294008115727848805560023387167927233504n,
  39382357235489614581723060781553021112529911719440698176882885853963445705823n,
  prime - 1n,
];

test("a key of low order is refused", () => {
  for (const u of lowOrder) expect(outcome(encodeNumber(u)), `${u}`).toBe("tunnel_key_low_order");
});

test("a second spelling of a key is refused", () => {
  for (let u = prime; u < 2n ** 255n; u++) {
    expect(outcome(encodeNumber(u)), `${u}`).toBe("tunnel_key_not_canonical");
  }
  const spelled = tunnelKeygen((n) => new Prng(3).bytes(n)).publicKey;
  const bytes = Uint8Array.fromHex(spelled);
  expect(outcome(bytes)).toBe("admitted");
  bytes[31] = (bytes[31] ?? 0) | 0x80;
  expect(outcome(bytes)).toBe("tunnel_key_not_canonical");
  for (const u of lowOrder) {
    expect(outcome(encodeNumber(u + 2n ** 255n))).toBe("tunnel_key_not_canonical");
  }
});

test("only 32 bytes are a key", () => {
  for (const size of [0, 31, 33]) expect(outcome(new Uint8Array(size))).toBe("tunnel_key_size");
});

test("a tunnel secret shows nothing of itself", () => {
  const secret = tunnelKeygen((n) => new Uint8Array(n).fill(0x5c));
  const hex = secret.scalar.expose((bytes) => bytes.toHex());
  expect(JSON.stringify(secret) + Bun.inspect(secret)).not.toContain(hex.slice(2, 10));
});
