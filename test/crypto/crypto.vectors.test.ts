import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { concatBytes, encodeUtf8 } from "../../src/base/bytes.ts";
import { Secret } from "../../src/base/secret.ts";
import { type CanonicalValue, decodeCanonical } from "../../src/crypto/canonical.ts";
import { admitKey, SigningSecret, verify } from "../../src/crypto/ed25519.ts";
import { Envelope, openEnvelope, sealEnvelope } from "../../src/crypto/envelope.ts";
import { type Custody, keyKinds, openKeyFile } from "../../src/crypto/key-file.ts";

const Hex = v.pipe(
  v.string(),
  v.transform((text) => Uint8Array.fromHex(text)),
);
const Vector = v.variant("area", [
  v.strictObject({
    area: v.literal("canonical"),
    text: v.string(),
    expect: v.optional(v.string()),
  }),
  v.strictObject({
    area: v.literal("signature"),
    key: Hex,
    message: Hex,
    signature: Hex,
    expect: v.optional(v.string()),
  }),
  v.strictObject({
    area: v.literal("envelope"),
    payloadType: v.string(),
    seeds: v.optional(v.array(Hex)),
    value: v.optional(v.unknown()),
    envelope: v.unknown(),
    expect: v.optional(v.string()),
  }),
  v.strictObject({
    area: v.literal("key-file"),
    kind: v.picklist(keyKinds),
    passphrase: v.optional(v.string()),
    header: v.string(),
    body: Hex,
    secret: v.optional(v.string()),
    expect: v.optional(v.string()),
  }),
]);
type Vector = v.InferOutput<typeof Vector>;
type VectorOf<A extends Vector["area"]> = Extract<Vector, { area: A }>;

function vectorsOf(folder: string): { name: string; vector: Vector }[] {
  const path = join(import.meta.dir, "../vectors/crypto", folder);
  return readdirSync(path)
    .sort()
    .map((file) => ({
      name: file.replace(/\.json$/, "").replaceAll("-", " "),
      vector: v.parse(Vector, JSON.parse(readFileSync(join(path, file), "utf8"))),
    }));
}

/** "ok" and what it opened to, or the code of the refusal. */
function outcome(vector: Vector): { code: string; found?: unknown } {
  switch (vector.area) {
    case "canonical":
      return canonicalOutcome(vector);
    case "signature":
      return signatureOutcome(vector);
    case "envelope":
      return envelopeOutcome(vector);
    case "key-file":
      return keyFileOutcome(vector);
  }
}

function canonicalOutcome({ text }: VectorOf<"canonical">) {
  const decoded = decodeCanonical(encodeUtf8(text));
  return { code: decoded.ok ? "ok" : decoded.error.code };
}

function signatureOutcome({ key, message, signature }: VectorOf<"signature">) {
  const admitted = admitKey(key);
  if (!admitted.ok) return { code: admitted.error.code };
  return { code: verify(admitted.value, message, signature) ? "ok" : "signature_invalid" };
}

function envelopeOutcome({ envelope, payloadType }: VectorOf<"envelope">) {
  const parsed = v.safeParse(Envelope, envelope);
  if (!parsed.success) return { code: "malformed" };
  const opened = openEnvelope(parsed.output, payloadType);
  return opened.ok ? { code: "ok", found: opened.value.value } : { code: opened.error.code };
}

function keyFileOutcome({ kind, passphrase, header, body }: VectorOf<"key-file">) {
  const custody: Custody =
    passphrase === undefined
      ? { kind: "plain" }
      : { kind: "passphrase", passphrase: new Secret(encodeUtf8(passphrase)) };
  const opened = openKeyFile(concatBytes(encodeUtf8(`${header}\n`), body), kind, custody);
  if (!opened.ok) return { code: opened.error.code };
  return { code: "ok", found: opened.value.expose((bytes) => bytes.toHex()) };
}

test.each(vectorsOf("valid"))("takes: $name", ({ vector }) => {
  const { code, found } = outcome(vector);
  expect(code).toBe("ok");
  if (vector.area === "envelope") expect(found).toEqual(vector.value);
  if (vector.area === "key-file") expect(found).toBe(vector.secret);
});

test.each(vectorsOf("invalid"))("refuses: $name", ({ vector }) => {
  expect(outcome(vector).code).toBe(vector.expect ?? "the vector says what it expects");
});

test("sealing today gives the envelopes of the vectors", () => {
  for (const { vector } of vectorsOf("valid")) {
    if (vector.area !== "envelope") continue;
    const signers = (vector.seeds ?? []).map((seed) => new SigningSecret(new Secret(seed)));
    const value = vector.value as CanonicalValue;
    expect(sealEnvelope(vector.payloadType, value, signers)).toEqual(vector.envelope as Envelope);
  }
});
