/** request-signature: who signed a request, and everything that must not pass for it. */
import { expect, test } from "bun:test";
import { createSignatureSync } from "http-message-sig";
import * as v from "valibot";
import { decodeBase64, encodeUtf8 } from "../../src/base/bytes.ts";
import { Secret } from "../../src/base/secret.ts";
import { keygen, SigningSecret, sign } from "../../src/crypto/ed25519.ts";
import { Nonce } from "../../src/model/ids.ts";
import {
  contentDigestOf,
  signatureTag,
  signRequest,
  verifyRequest,
} from "../../src/wire/request-signature.ts";

const identity = keygen((size) => new Uint8Array(size).fill(7));
const stranger = keygen((size) => new Uint8Array(size).fill(8));
const url = "https://control.example:8443/v1/advertisement";
const body = encodeUtf8('{"a":1}');
const nowS = 1_790_000_000;
const nonce = v.parse(Nonce, "00112233445566778899aabbccddeeff");

const signed = (changes: Partial<Parameters<typeof signRequest>[0]> = {}) =>
  signRequest({ method: "POST", url, body, identity, nowS, nonce, ...changes });

const verified = (
  fields: Record<string, string>,
  changes: Partial<Parameters<typeof verifyRequest>[0]> = {},
) =>
  verifyRequest({
    method: "POST",
    url,
    body,
    nowS,
    isKnown: (key) => key === identity.publicKey,
    headers: new Headers(fields),
    ...changes,
  });

async function codeOf(result: ReturnType<typeof verifyRequest>): Promise<string> {
  const outcome = await result;
  return outcome.ok ? "accepted" : outcome.error.code;
}

test("RFC 9421 appendix B.2.6 signs to the signature that the RFC prints", () => {
  const pkcs8 = decodeBase64("MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF");
  const key = new SigningSecret(new Secret(pkcs8?.slice(-32) ?? new Uint8Array()));
  const fields = Object.entries({
    date: "Tue, 20 Apr 2021 02:07:55 GMT",
    "content-type": "application/json",
    "content-length": "18",
  }).map(([name, value]) => ({ name, value }));
  const targetUri = "https://example.com/foo?param=Value&Pet=dog";
  const result = createSignatureSync(
    { kind: "request", method: "POST", targetUri, fields },
    {
      label: "sig-b26",
      components: ["date", "@method", "@path", "@authority", "content-type", "content-length"],
      parameters: { created: 1618884473, keyid: "test-key-ed25519" },
      signer: { algorithm: "ed25519", sign: (base) => sign(key, base) },
    },
  );
  expect(result).toEqual({
    signatureInput:
      'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"',
    signature:
      "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:",
  });
});

test("RFC 9530 appendix: the digest of an empty body", () => {
  expect(contentDigestOf(new Uint8Array())).toBe(
    "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
  );
});

test("a request that its sender signed names the sender, the nonce and the time", async () => {
  expect(await verified(signed())).toEqual({
    ok: true,
    value: { key: identity.publicKey, nonce, createdS: nowS },
  });
});

test("an empty body is signed like any other", async () => {
  const empty = new Uint8Array();
  const fields = signed({ method: "GET", body: empty });
  expect(await codeOf(verified(fields, { method: "GET", body: empty }))).toBe("accepted");
});

test.each([
  { what: "another method", changes: { method: "PUT" } },
  { what: "another path", changes: { url: "https://control.example:8443/v1/leave" } },
  { what: "another host", changes: { url: "https://other.example:8443/v1/advertisement" } },
  { what: "another scheme", changes: { url: "http://control.example:8443/v1/advertisement" } },
  { what: "a query added", changes: { url: `${url}?a=1` } },
])("$what is not what was signed", async ({ changes }) => {
  expect(await codeOf(verified(signed(), changes))).toBe("signature_invalid");
});

test("another body does not match the digest", async () => {
  expect(await codeOf(verified(signed(), { body: encodeUtf8('{"a":2}') }))).toBe("digest_mismatch");
});

test("another body with its own digest is not what was signed", async () => {
  const other = encodeUtf8('{"a":2}');
  const fields = { ...signed(), "content-digest": contentDigestOf(other) };
  expect(await codeOf(verified(fields, { body: other }))).toBe("signature_invalid");
});

test.each([-91, 91])("a clock that is %d seconds off is refused as such", async (offS) => {
  expect(await codeOf(verified(signed({ nowS: nowS + offS })))).toBe("clock_skew");
});

test.each([-90, 90])("a clock that is %d seconds off is still honest", async (offS) => {
  expect(await codeOf(verified(signed({ nowS: nowS + offS })))).toBe("accepted");
});

test("a key that nobody knows is refused before its signature is looked at", async () => {
  expect(await codeOf(verified(signed({ identity: stranger })))).toBe("key_unknown");
});

test("a stranger who names a victim's key has not the victim's signature", async () => {
  const fields = signed({ identity: stranger });
  const input = fields["signature-input"] ?? "";
  const forged = {
    ...fields,
    "signature-input": input.replace(stranger.publicKey, identity.publicKey),
  };
  expect(await codeOf(verified(forged))).toBe("signature_invalid");
});

test.each(["content-digest", "signature-input", "signature"])(
  "without %s there is no signature",
  async (name) => {
    const { [name]: _, ...rest } = signed();
    expect(await codeOf(verified(rest))).toBe("signature_missing");
  },
);

const digest = contentDigestOf(body);
const custom = (covered: string[], parameters: Record<string, string | number>) => {
  const message = { kind: "request", method: "POST", targetUri: url } as const;
  const fields = createSignatureSync(
    { ...message, fields: [{ name: "content-digest", value: digest }] },
    {
      label: "rustynet",
      components: covered,
      parameters,
      signer: { algorithm: "ed25519", sign: (base) => sign(identity, base) },
    },
  );
  return {
    "content-digest": digest,
    signature: fields.signature,
    "signature-input": fields.signatureInput,
  };
};
const all = ["@method", "@target-uri", "content-digest"];
const keyid = identity.publicKey;
const whole = { created: nowS, nonce, keyid, alg: "ed25519", tag: signatureTag };
const without = (name: keyof typeof whole) => {
  const { [name]: _, ...rest } = whole;
  return rest;
};

test("the same fields made by hand are accepted, so the refusals below are for their own reason", async () => {
  expect(await codeOf(verified(custom(all, whole)))).toBe("accepted");
});

test.each([
  ["no method", custom(["@target-uri", "content-digest"], whole)],
  ["no target", custom(["@method", "content-digest"], whole)],
  ["no digest", custom(["@method", "@target-uri"], whole)],
  ["a component too many", custom([...all, "@authority"], whole)],
  ["no created", custom(all, without("created"))],
  ["no nonce", custom(all, without("nonce"))],
  ["no keyid", custom(all, without("keyid"))],
  ["no alg", custom(all, without("alg"))],
  ["no tag", custom(all, without("tag"))],
  ["another tag", custom(all, { ...whole, tag: "rustynet-v2" })],
  ["a nonce in capitals", custom(all, { ...whole, nonce: "AA".repeat(16) })],
  ["a parameter too many", custom(all, { ...whole, expires: nowS + 9 })],
])("a signature with %s is malformed", async (_what, fields) => {
  expect(await codeOf(verified(fields))).toBe("signature_malformed");
});

test("fields that are no structured fields at all are malformed", async () => {
  for (const text of [
    "",
    "rustynet",
    "rustynet=()",
    "a=1, a=2",
    "rustynet=:AAAA:",
    '"',
    "(".repeat(999),
  ]) {
    const code = await codeOf(verified({ ...signed(), signature: text, "signature-input": text }));
    expect(["signature_malformed", "signature_missing"]).toContain(code);
  }
});
