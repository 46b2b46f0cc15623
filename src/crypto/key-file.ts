/**
 * key-file: a private key at rest, as bytes. One line of canonical JSON says what follows and how it
 * is sealed; then comes the sealed key, with that line as associated data (protocol.md, key files).
 */
import * as native from "node:crypto";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import * as v from "valibot";
import { concatBytes, encodeHex, equalBytes } from "../base/bytes.ts";
import { err, ok, type Result } from "../base/result.ts";
import { Secret } from "../base/secret.ts";
import { isAllowed } from "./algorithms.ts";
import { decodeCanonical, encodeCanonical } from "./canonical.ts";
import type { Random } from "./ed25519.ts";
import { hashOf } from "./hash.ts";

export const keyKinds = ["identity", "tunnel", "approver", "control", "tls", "credential"] as const;
export type KeyKind = (typeof keyKinds)[number];

/** How the holder keeps the key: under a passphrase, or, only by explicit choice, in the plain. */
export type Custody =
  { readonly kind: "passphrase"; readonly passphrase: Secret } | { readonly kind: "plain" };

export type KeyFileRejection =
  | { readonly code: "key_file_malformed"; readonly issue: string }
  | { readonly code: "version_unknown"; readonly version: number }
  | { readonly code: "algorithm_denied"; readonly algorithm: string }
  | { readonly code: "key_kind_mismatch"; readonly expected: KeyKind; readonly found: KeyKind }
  | { readonly code: "passphrase_needed" }
  | { readonly code: "key_file_plain" }
  /** The wrong passphrase and a damaged file cannot be told apart. */
  | { readonly code: "unsealing_failed" };

/** Argon2id (RFC 9106). `memoryKib` per derivation, `passes` over it, `lanes` in parallel. */
export type KdfCost = {
  readonly memoryKib: number;
  readonly passes: number;
  readonly lanes: number;
};

/** What OWASP asks at least. A machine's passphrase is random, and its daemon has to stay small. */
export const machineCost: KdfCost = { memoryKib: 19_456, passes: 2, lanes: 1 };
/** RFC 9106 section 4, second choice: for a passphrase that somebody remembers. */
export const personCost: KdfCost = { memoryKib: 65_536, passes: 3, lanes: 4 };

/** Weaker is refused because it does not protect; stronger because a hostile file would stall us. */
const memoryMaxKib = 1_048_576;
const bounded = (least: number, most: number) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most));

export const keyFileMaxBytes = 16_384;
const saltSizeBytes = 16;
const nonceSizeBytes = 24;
const sealingKeySizeBytes = 32;
const newline = 0x0a;
const hexOf = (sizeBytes: number) =>
  v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${2 * sizeBytes}}$`), "not hex of its size"));

const SealedHeader = v.strictObject({
  version: v.literal(1),
  kind: v.picklist(keyKinds),
  kdf: v.strictObject({
    name: v.literal("argon2id"),
    memoryKib: bounded(machineCost.memoryKib, memoryMaxKib),
    passes: bounded(machineCost.passes, 10),
    lanes: bounded(1, 8),
    salt: hexOf(saltSizeBytes),
  }),
  aead: v.literal("xchacha20-poly1305"),
  nonce: hexOf(nonceSizeBytes),
});
const PlainHeader = v.strictObject({
  version: v.literal(1),
  kind: v.picklist(keyKinds),
  kdf: v.strictObject({ name: v.literal("none") }),
});
type SealedHeader = v.InferOutput<typeof SealedHeader>;
type Header = SealedHeader | v.InferOutput<typeof PlainHeader>;

/** What decides which schema reads the rest, so that a refusal names the reason and not the schema. */
const Outline = v.looseObject({
  version: v.number(),
  kdf: v.looseObject({ name: v.string() }),
  aead: v.optional(v.string()),
});

type Parts = { readonly header: Header; readonly line: Uint8Array; readonly body: Uint8Array };

/** Derives the sealing key from the passphrase. An argument in tests alone, where many files share one. */
export type Kdf = (passphrase: Secret, salt: Uint8Array, cost: KdfCost) => Secret;

export const argon2id: Kdf = (passphrase, nonce, { memoryKib, passes, lanes }) =>
  passphrase.expose(
    (message) =>
      new Secret(
        native.argon2Sync("argon2id", {
          message,
          nonce,
          memory: memoryKib,
          passes,
          parallelism: lanes,
          tagLength: sealingKeySizeBytes,
        }),
      ),
  );

/** Returns the bytes of a key file. The cost is a person's for an approver and a machine's otherwise. */
export function sealKeyFile(
  kind: KeyKind,
  secret: Secret,
  custody: Custody,
  random: Random,
  cost: KdfCost = kind === "approver" ? personCost : machineCost,
): Uint8Array {
  if (custody.kind === "plain") return plainFile(kind, secret);
  const salt = random(saltSizeBytes);
  const nonce = random(nonceSizeBytes);
  const header = v.parse(SealedHeader, {
    version: 1,
    kind,
    kdf: { name: "argon2id", ...cost, salt: encodeHex(salt) },
    aead: "xchacha20-poly1305",
    nonce: encodeHex(nonce),
  });
  const line = lineOf(header);
  const key = argon2id(custody.passphrase, salt, cost);
  const body = key.expose((keyBytes) =>
    secret.expose((bytes) => xchacha20poly1305(keyBytes, nonce, line).encrypt(bytes)),
  );
  key.wipe();
  return concatBytes(line, body);
}

/**
 * Returns the key of a file of this kind. A plain file is refused to a holder who has a passphrase:
 * whoever could put one there would otherwise choose the key.
 */
export function openKeyFile(
  bytes: Uint8Array,
  kind: KeyKind,
  custody: Custody,
  kdf: Kdf = argon2id,
): Result<Secret, KeyFileRejection> {
  const parts = parseParts(bytes);
  if (!parts.ok) return parts;
  const { header, line, body } = parts.value;
  if (header.kind !== kind) {
    return err({ code: "key_kind_mismatch", expected: kind, found: header.kind });
  }
  if (!("aead" in header)) {
    return custody.kind === "plain" ? openPlain(line, body) : err({ code: "key_file_plain" });
  }
  if (custody.kind === "plain") return err({ code: "passphrase_needed" });
  return unseal(header, line, body, custody.passphrase, kdf);
}

/** How the key in such a file is kept, which the file says without a passphrase. */
export function custodyKindOf(bytes: Uint8Array): Result<Custody["kind"], KeyFileRejection> {
  const parts = parseParts(bytes);
  if (!parts.ok) return parts;
  return ok("aead" in parts.value.header ? "passphrase" : "plain");
}

function unseal(
  header: SealedHeader,
  line: Uint8Array,
  body: Uint8Array,
  passphrase: Secret,
  kdf: Kdf,
): Result<Secret, KeyFileRejection> {
  const { salt, ...cost } = header.kdf;
  const key = kdf(passphrase, Uint8Array.fromHex(salt), cost);
  try {
    const nonce = Uint8Array.fromHex(header.nonce);
    return ok(
      new Secret(key.expose((bytes) => xchacha20poly1305(bytes, nonce, line).decrypt(body))),
    );
  } catch {
    return err({ code: "unsealing_failed" });
  } finally {
    key.wipe();
  }
}

/** A plain key has a digest after it, so that damage is seen; it proves nothing about who wrote it. */
function plainFile(kind: KeyKind, secret: Secret): Uint8Array {
  const line = lineOf({ version: 1, kind, kdf: { name: "none" } });
  return secret.expose((bytes) => concatBytes(line, bytes, digestOf(line, bytes)));
}

function openPlain(line: Uint8Array, body: Uint8Array): Result<Secret, KeyFileRejection> {
  const bytes = body.slice(0, -digestSizeBytes);
  const intact = equalBytes(body.subarray(-digestSizeBytes), digestOf(line, bytes));
  return intact ? ok(new Secret(bytes)) : err({ code: "unsealing_failed" });
}

const digestSizeBytes = 32;
const digestOf = (line: Uint8Array, bytes: Uint8Array): Uint8Array =>
  hashOf("rustynet/key-file/v1", line, bytes);

const lineOf = (header: Header): Uint8Array =>
  concatBytes(encodeCanonical(header), Uint8Array.of(newline));

function parseParts(bytes: Uint8Array): Result<Parts, KeyFileRejection> {
  if (bytes.length > keyFileMaxBytes) return malformed("the file is too large");
  const end = bytes.indexOf(newline);
  if (end === -1) return malformed("there is no header line");
  const decoded = decodeCanonical(bytes.subarray(0, end));
  if (!decoded.ok) return malformed(`the header is ${decoded.error.code}`);
  const outline = v.safeParse(Outline, decoded.value);
  if (!outline.success) return malformed(v.summarize(outline.issues));
  const refusal = refuseOutline(outline.output);
  if (refusal !== null) return err(refusal);
  const isPlain = outline.output.kdf.name === "none";
  const header = v.safeParse(isPlain ? PlainHeader : SealedHeader, decoded.value);
  if (!header.success) return malformed(v.summarize(header.issues));
  return ok({
    header: header.output,
    line: bytes.subarray(0, end + 1),
    body: bytes.subarray(end + 1),
  });
}

function refuseOutline({
  version,
  kdf,
  aead,
}: v.InferOutput<typeof Outline>): KeyFileRejection | null {
  if (version !== 1) return { code: "version_unknown", version };
  if (kdf.name === "none") return null;
  if (!isAllowed("kdf", kdf.name)) return { code: "algorithm_denied", algorithm: kdf.name };
  const sealing = aead ?? "none";
  return isAllowed("aead", sealing) ? null : { code: "algorithm_denied", algorithm: sealing };
}

const malformed = (issue: string): Result<never, KeyFileRejection> =>
  err({ code: "key_file_malformed", issue });
