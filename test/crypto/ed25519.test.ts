import { expect, test } from "bun:test";
import * as native from "node:crypto";
import * as noble from "@noble/ed25519";
import { encodeHex, encodeUtf8 } from "../../src/base/bytes.ts";
import { Secret } from "../../src/base/secret.ts";
import {
  admitKey,
  admittedMax,
  keygen,
  publicKeyOf,
  SigningSecret,
  sign,
  VerifyingKey,
  verify,
} from "../../src/crypto/ed25519.ts";
import { forEachSeed, Prng } from "../support/prng.ts";
import {
  challengeOf,
  decodeNumber,
  encodeNumber,
  encodeScalar,
  forge,
  multiply,
  scalarOf,
  secondSpellings,
  torsionPoints,
} from "../support/torsion.ts";

noble.hashes.sha512 = (message) =>
  new Uint8Array(native.createHash("sha512").update(message).digest());

const { n: order } = noble.Point.CURVE();
const message = encodeUtf8("add_node");
const seed = new Prng(7).bytes(32);
const honest = new SigningSecret(new Secret(seed.slice()));
const honestKey = Uint8Array.fromHex(honest.publicKey);
const scalar = scalarOf(seed);

/** Whether the one rule takes the signature, or why it does not take the key. */
function judge(key: Uint8Array, text: Uint8Array, signature: Uint8Array): boolean | string {
  const admitted = admitKey(key);
  return admitted.ok ? verify(admitted.value, text, signature) : admitted.error.code;
}

/** What the native verifier says when nobody looks at the key first. */
function nativeSays(key: Uint8Array, text: Uint8Array, signature: Uint8Array): boolean {
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), key]);
  const opened = native.createPublicKey({ key: spki, format: "der", type: "spki" });
  return native.verify(null, text, opened, signature);
}

const rfc8032 = [
  {
    name: "test 1",
    seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    key: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    text: "",
    signature:
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  },
  {
    name: "test 2",
    seed: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    key: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    text: "72",
    signature:
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  },
  {
    name: "test 3",
    seed: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    key: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    text: "af82",
    signature:
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  },
  {
    name: "test SHA(abc)",
    seed: "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
    key: "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
    text: native.createHash("sha512").update("abc").digest("hex"),
    signature:
      "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
  },
];

test.each(rfc8032)("RFC 8032 section 7.1, $name", (vector) => {
  const secret = new SigningSecret(new Secret(Uint8Array.fromHex(vector.seed)));
  const text = Uint8Array.fromHex(vector.text);
  expect(secret.publicKey as string).toBe(vector.key);
  expect(encodeHex(sign(secret, text))).toBe(vector.signature);
  const key = Uint8Array.fromHex(vector.key);
  expect(judge(key, text, Uint8Array.fromHex(vector.signature))).toBe(true);
});

test("a signature of another message, key or length is none", () => {
  const signature = sign(honest, message);
  const other = Uint8Array.fromHex(keygen((n) => new Prng(8).bytes(n)).publicKey);
  expect(judge(honestKey, message, signature)).toBe(true);
  expect(judge(honestKey, encodeUtf8("add_nodf"), signature)).toBe(false);
  expect(judge(other, message, signature)).toBe(false);
  for (const size of [0, 1, 63, 65, 128]) {
    const resized = new Uint8Array(size);
    resized.set(signature.subarray(0, size));
    expect(judge(honestKey, message, resized), `${size} bytes`).toBe(false);
  }
});

test("any flipped bit of a signature is refused", () => {
  const signature = sign(honest, message);
  for (let bit = 0; bit < 512; bit++) {
    const bent = signature.slice();
    bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(judge(honestKey, message, bent), `bit ${bit}`).toBe(false);
  }
});

test("S plus any multiple of the order is refused", () => {
  const signature = sign(honest, message);
  const s = decodeNumber(signature.subarray(32));
  for (let more = s + order; more < 2n ** 256n; more += order) {
    const bent = Uint8Array.of(...signature.subarray(0, 32), ...encodeNumber(more));
    expect(judge(honestKey, message, bent)).toBe(false);
  }
  for (const edge of [0n, order - 1n, order, order + 1n, 2n ** 252n, 2n ** 256n - 1n]) {
    const bent = Uint8Array.of(...signature.subarray(0, 32), ...encodeNumber(edge));
    expect(judge(honestKey, message, bent), `${edge}`).toBe(false);
  }
});

test("there are eight points of small order and their spellings are all refused as keys", () => {
  expect(new Set(torsionPoints.map((point) => point.toHex())).size).toBe(8);
  for (const point of torsionPoints) {
    expect(judge(point.toBytes(), message, new Uint8Array(64))).toBe("key_small_order");
  }
  expect(secondSpellings.length).toBeGreaterThanOrEqual(20);
  for (const key of secondSpellings) {
    expect(judge(key, message, new Uint8Array(64)), encodeHex(key)).toBe("key_not_canonical");
  }
});

test("a key of small order would let anybody sign, were it let in", () => {
  const identity = noble.Point.ZERO.toBytes();
  const forged = Uint8Array.of(...identity, ...new Uint8Array(32));
  expect(nativeSays(identity, message, forged)).toBe(true);
  expect(judge(identity, message, forged)).toBe("key_small_order");
});

test("a key with a part of small order is refused, although a signature by it verifies natively", () => {
  const point = noble.Point.fromBytes(honestKey);
  for (const torsion of torsionPoints.slice(1)) {
    const mixed = point.add(torsion).toBytes();
    const nonce = 12_345n;
    const r = noble.Point.BASE.multiply(nonce).toBytes();
    // The part of small order vanishes for one challenge in eight, and then nothing shows.
    const texts = Array.from({ length: 200 }, (_, i) => encodeUtf8(`text ${i}`));
    const quiet = texts.find((text) => challengeOf(r, mixed, text) % 8n === 0n) ?? message;
    const forged = forge(scalar, nonce, mixed, r, quiet);
    expect(nativeSays(mixed, quiet, forged)).toBe(true);
    expect(judge(mixed, quiet, forged)).toBe("key_mixed_order");
  }
});

test("bytes that are no point, or no 32 bytes, are no key", () => {
  expect(judge(encodeNumber(2n), message, new Uint8Array(64))).toBe("key_not_a_point");
  for (const size of [0, 1, 31, 33, 64]) {
    expect(judge(new Uint8Array(size), message, new Uint8Array(64))).toBe("key_size");
  }
});

test("R of small order is refused in every spelling, but for the one that RFC 8032 computes", () => {
  const spellings = [...torsionPoints.map((point) => point.toBytes()), ...secondSpellings];
  for (const r of spellings) {
    // S = k a: the equation holds if R is taken for the identity, or multiplied by the cofactor.
    const forged = forge(scalar, 0n, honestKey, r, message);
    const isIdentity = encodeHex(r) === noble.Point.ZERO.toHex();
    // Only the holder of the key can make this one, by choosing zero for a nonce.
    expect(judge(honestKey, message, forged), encodeHex(r)).toBe(isIdentity);
  }
});

test("R with a part of small order is refused, although the cofactored rule takes it", () => {
  const nonce = 54_321n;
  for (const torsion of torsionPoints.slice(1)) {
    const r = multiply(noble.Point.BASE, nonce).add(torsion).toBytes();
    const forged = forge(scalar, nonce, honestKey, r, message);
    expect(noble.verify(forged, message, honestKey, { zip215: false })).toBe(true);
    expect(judge(honestKey, message, forged)).toBe(false);
  }
  const plain = multiply(noble.Point.BASE, nonce).toBytes();
  expect(judge(honestKey, message, forge(scalar, nonce, honestKey, plain, message))).toBe(true);
});

test("a second verifier agrees on every generated case", () => {
  let taken = 0;
  forEachSeed(120, (prng) => {
    const secret = keygen((n) => prng.bytes(n));
    const text = prng.bytes(prng.integer(80));
    const [signature, key] = [sign(secret, text), Uint8Array.fromHex(secret.publicKey)];
    const bent = prng.pick([signature, signature, key, text]);
    const at = prng.integer(bent.length);
    if (prng.chance(0.6) && bent.length > 0) bent[at] = (bent[at] ?? 0) ^ (1 << prng.integer(8));
    if (prng.chance(0.1)) {
      signature.set(encodeNumber(decodeNumber(signature.subarray(32)) + order), 32);
    }
    const ours = judge(key, text, signature) === true;
    expect(ours).toBe(isTaken(key, text, signature));
    if (ours) taken++;
  });
  expect(taken).toBeGreaterThan(20);
});

/** The same rule by the slow library alone. */
function isTaken(key: Uint8Array, text: Uint8Array, signature: Uint8Array): boolean {
  try {
    const isPrimeOrder = noble.Point.fromBytes(key).isTorsionFree();
    return isPrimeOrder && noble.verify(signature, text, key, { zip215: false });
  } catch {
    return false;
  }
}

test("signing is deterministic and the library signs the same", () => {
  expect(sign(honest, message)).toEqual(noble.sign(message, seed));
  expect(publicKeyOf(honest.seed) as string).toBe(encodeHex(noble.getPublicKey(seed)));
  expect(encodeScalar(scalar)).toEqual(encodeScalar(noble.utils.getExtendedPublicKey(seed).scalar));
});

test("a new key is made of the randomness given, which is wiped", () => {
  const given = seed.slice();
  const secret = keygen((n) => {
    expect(n).toBe(32);
    return given;
  });
  expect(secret.publicKey).toBe(honest.publicKey);
  expect(given).toEqual(new Uint8Array(32));
  expect(JSON.stringify(secret) + Bun.inspect(secret)).not.toContain(encodeHex(seed).slice(0, 8));
});

test("a key is admitted once and the memory of keys has an end", () => {
  const first = admitKey(honest.publicKey);
  const second = admitKey(honestKey);
  if (!first.ok || !second.ok) throw new Error("an honest key was refused");
  expect(first.value).toBe(second.value);
  expect(first.value).toBeInstanceOf(VerifyingKey);
  expect(admittedMax).toBeLessThanOrEqual(16_384);
});
