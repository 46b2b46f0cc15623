import { expect, test } from "bun:test";
import { concatBytes, decodeUtf8, encodeUtf8, equalBytes } from "../../src/base/bytes.ts";
import { Secret } from "../../src/base/secret.ts";
import { encodeCanonical } from "../../src/crypto/canonical.ts";
import {
  argon2id,
  type Custody,
  type Kdf,
  keyKinds,
  machineCost,
  openKeyFile,
  sealKeyFile,
} from "../../src/crypto/key-file.ts";
import { Prng } from "../support/prng.ts";

const marker = "5ec7e7".repeat(10);
const words = (text: string): Custody => ({
  kind: "passphrase",
  passphrase: new Secret(encodeUtf8(text)),
});
const plain: Custody = { kind: "plain" };
const right = words("correct horse");
const seeded = (seed: number) => {
  const prng = new Prng(seed);
  return (size: number) => prng.bytes(size);
};
const secret = (): Secret => new Secret(Uint8Array.fromHex(marker));

const sealed = sealKeyFile("identity", secret(), right, seeded(1));
const unsealed = sealKeyFile("identity", secret(), plain, seeded(1));

/** Argon2id, computed once for each passphrase, salt and cost: thousands of files below share them. */
const derived = new Map<string, Uint8Array>();
const nameOf = (...[passphrase, salt, cost]: Parameters<Kdf>): string =>
  `${passphrase.expose((bytes) => bytes.toHex())} ${salt.toHex()} ${JSON.stringify(cost)}`;
const remembering: Kdf = (...given) => {
  const key = derived.get(nameOf(...given)) ?? argon2id(...given).expose((bytes) => bytes.slice());
  derived.set(nameOf(...given), key);
  return new Secret(key.slice());
};
/** The right key where it has been derived before, and otherwise some other key at no cost. */
const recalling: Kdf = (...given) => {
  const [, salt] = given;
  return new Secret(derived.get(nameOf(...given))?.slice() ?? concatBytes(salt, salt));
};
/** For inputs that must be refused before anybody works for them. */
const forbidden: Kdf = () => {
  throw new Error("derived a key for a file that was to be refused");
};
function outcome(file: Uint8Array, custody = right, kdf = remembering): string {
  const opened = openKeyFile(file, "identity", custody, kdf);
  return opened.ok ? opened.value.expose((bytes) => bytes.toHex()) : opened.error.code;
}

type Header = Record<string, unknown> & { kdf: Record<string, unknown> };
const headerEnd = sealed.indexOf(0x0a);

/** The sealed file with another header. */
function headed(change: (header: Header) => void): Uint8Array {
  const header = JSON.parse(decodeUtf8(sealed.subarray(0, headerEnd)) ?? "") as Header;
  change(header);
  const line = encodeCanonical(header as Parameters<typeof encodeCanonical>[0]);
  return concatBytes(line, sealed.subarray(headerEnd));
}

test("a sealed key opens under its passphrase and a plain one without", () => {
  expect(outcome(sealed)).toBe(marker);
  expect(outcome(unsealed, plain)).toBe(marker);
  expect(sealed.toHex()).not.toContain("5ec7e75ec7e7");
});

test("every kind and size of key comes back", () => {
  for (const kind of keyKinds) {
    for (const custody of [plain, right]) {
      const key = new Prng(5).bytes(kind === "tls" ? 1_200 : 32);
      const file = sealKeyFile(kind, new Secret(key.slice()), custody, seeded(2), machineCost);
      const opened = openKeyFile(file, kind, custody, remembering);
      expect(opened.ok && opened.value.expose((bytes) => equalBytes(bytes, key))).toBe(true);
    }
  }
});

test("an approver's key is sealed for a passphrase that a person remembers", () => {
  const file = sealKeyFile("approver", secret(), right, seeded(1));
  expect(decodeUtf8(file.subarray(0, file.indexOf(0x0a)))).toContain('"memoryKib":65536');
});

test("two files of one key under one passphrase share nothing but their form", () => {
  const other = sealKeyFile("identity", secret(), right, seeded(2));
  expect(other.subarray(other.indexOf(0x0a)).toHex()).not.toBe(sealed.subarray(headerEnd).toHex());
});

test("the wrong passphrase opens nothing", () => {
  for (const text of ["correct horsf", "correct horse ", "", "Correct horse"]) {
    expect(outcome(sealed, words(text))).toBe("unsealing_failed");
  }
});

test("a sealed file is not opened plain, nor a plain one where a passphrase is kept", () => {
  expect(outcome(sealed, plain)).toBe("passphrase_needed");
  expect(outcome(unsealed, right)).toBe("key_file_plain");
});

test("a key of one kind is none of another", () => {
  for (const kind of keyKinds.filter((name) => name !== "identity")) {
    const opened = openKeyFile(sealed, kind, right, forbidden);
    expect(opened.ok ? "opened" : opened.error.code).toBe("key_kind_mismatch");
  }
  const relabelled = headed((header) => {
    header["kind"] = "tunnel";
  });
  const opened = openKeyFile(relabelled, "tunnel", right, remembering);
  expect(opened.ok ? "opened" : opened.error.code).toBe("unsealing_failed");
});

const files: [string, Uint8Array, Custody][] = [
  ["sealed", sealed, right],
  ["plain", unsealed, plain],
];

test.each(files)("a %s file cut short at any byte is refused", (_name, file, custody) => {
  for (let size = 0; size < file.length; size++) {
    expect(outcome(file.subarray(0, size), custody), `${size} bytes`).toBeOneOf([
      "key_file_malformed",
      "unsealing_failed",
    ]);
  }
});

test.each(files)("a %s file with any bit flipped is refused", (_name, file, custody) => {
  expect(outcome(file, custody)).toBe(marker);
  const codes = new Set<string>();
  for (let bit = 0; bit < file.length * 8; bit++) {
    const bent = file.slice();
    bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    // A changed salt or cost gives another key, and any other key will do.
    codes.add(outcome(bent, custody, recalling));
  }
  expect(codes).not.toContain(marker);
  expect(codes).toContain("key_file_malformed");
  expect(codes).toContain("unsealing_failed");
});

test.each(files)("a %s file with bytes added is refused", (_name, file, custody) => {
  for (const byte of [0, 0x0a, 0xff]) {
    expect(outcome(Uint8Array.of(...file, byte), custody)).toBe("unsealing_failed");
    expect(outcome(Uint8Array.of(byte, ...file), custody)).toBe("key_file_malformed");
  }
});

const hostile: [string, (header: Header) => void, string][] = [
  ["100 GiB of memory", ({ kdf }) => Object.assign(kdf, { memoryKib: 104_857_600 }), "malformed"],
  [
    "a little over 1 GiB of memory",
    ({ kdf }) => Object.assign(kdf, { memoryKib: 1_048_577 }),
    "malformed",
  ],
  ["too little memory", ({ kdf }) => Object.assign(kdf, { memoryKib: 19_455 }), "malformed"],
  ["a million passes", ({ kdf }) => Object.assign(kdf, { passes: 1_000_000 }), "malformed"],
  ["one pass", ({ kdf }) => Object.assign(kdf, { passes: 1 }), "malformed"],
  ["no lanes", ({ kdf }) => Object.assign(kdf, { lanes: 0 }), "malformed"],
  ["a thousand lanes", ({ kdf }) => Object.assign(kdf, { lanes: 1_000 }), "malformed"],
  ["a short salt", ({ kdf }) => Object.assign(kdf, { salt: "00" }), "malformed"],
  ["a short nonce", (header) => Object.assign(header, { nonce: "00" }), "malformed"],
  ["a field that nobody knows", (header) => Object.assign(header, { hint: "horse" }), "malformed"],
  ["a kind that nobody knows", (header) => Object.assign(header, { kind: "root" }), "malformed"],
  ["another version", (header) => Object.assign(header, { version: 2 }), "version_unknown"],
  ["a denied kdf", ({ kdf }) => Object.assign(kdf, { name: "pbkdf2-sha1" }), "algorithm_denied"],
  ["an unknown kdf", ({ kdf }) => Object.assign(kdf, { name: "scrypt" }), "algorithm_denied"],
  ["a denied cipher", (header) => Object.assign(header, { aead: "rc4" }), "algorithm_denied"],
  [
    "another allowed cipher",
    (header) => Object.assign(header, { aead: "aes-256-gcm" }),
    "malformed",
  ],
  ["no kdf, and yet a cipher", ({ kdf }) => Object.assign(kdf, { name: "none" }), "malformed"],
];
test.each(hostile)(
  "a header that asks for %s is refused before any work",
  (_name, change, code) => {
    const expected = code === "malformed" ? "key_file_malformed" : code;
    expect(outcome(headed(change), right, forbidden)).toBe(expected);
  },
);

test("a file that is too large is refused unread", () => {
  const opened = openKeyFile(
    concatBytes(sealed, new Uint8Array(16_384)),
    "identity",
    right,
    forbidden,
  );
  expect(opened.ok ? "opened" : opened.error).toEqual({
    code: "key_file_malformed",
    issue: "the file is too large",
  });
});
