/**
 * request-signature is how a node proves that a request is its own: HTTP Message Signatures (RFC 9421)
 * with Ed25519 over method, target, body digest (RFC 9530), time and nonce (protocol.md section 6.1).
 * It knows no time and no randomness of its own, and does not remember nonces.
 */
import { createSignatureSync, isSignatureError, verifySignature } from "http-message-sig";
import * as v from "valibot";
import { encodeBase64 } from "../base/bytes.ts";
import { err, ok, type Result } from "../base/result.ts";
import { admitKey, type SigningSecret, sign, verify } from "../crypto/ed25519.ts";
import { sha256 } from "../crypto/hash.ts";
import { Nonce } from "../model/ids.ts";
import { SigningKey } from "../model/keys.ts";
import { skewMaxS, UnixS } from "../model/time.ts";

/** RFC 9421 section 2.3: tells our signatures from those of any other use of the same key. */
export const signatureTag = "rustynet-v1";

const label = "rustynet";
const algorithm = "ed25519";
const components = ["@method", "@target-uri", "content-digest"];
const parameters = ["created", "nonce", "keyid", "alg", "tag"];

export type RequestRejection =
  | { readonly code: "signature_missing" }
  | { readonly code: "signature_malformed"; readonly why: string }
  | { readonly code: "signature_invalid" }
  | { readonly code: "digest_mismatch" }
  | { readonly code: "key_unknown"; readonly key: SigningKey }
  | { readonly code: "clock_skew"; readonly createdS: UnixS; readonly nowS: UnixS };

export type SignedRequest = {
  readonly key: SigningKey;
  readonly nonce: Nonce;
  readonly createdS: UnixS;
};

/** The value of a Content-Digest field: SHA-256 of the body, which may be empty. */
export const contentDigestOf = (body: Uint8Array): string =>
  `sha-256=:${encodeBase64(sha256(body))}:`;

/** The fields to send with a request. `url` is the whole target, as the receiver will rebuild it. */
export function signRequest(request: {
  readonly method: string;
  readonly url: string;
  readonly body: Uint8Array;
  readonly identity: SigningSecret;
  readonly nowS: UnixS;
  readonly nonce: Nonce;
}): Record<string, string> {
  const { identity, nonce, nowS } = request;
  const digest = contentDigestOf(request.body);
  const message = descriptorOf(request.method, request.url, { "content-digest": digest });
  const keyid = identity.publicKey;
  const fields = createSignatureSync(message, {
    label,
    components,
    parameters: { created: nowS, nonce, keyid, alg: algorithm, tag: signatureTag },
    signer: { algorithm, sign: (base) => sign(identity, base) },
  });
  return {
    "content-digest": digest,
    "signature-input": fields.signatureInput,
    signature: fields.signature,
  };
}

/**
 * Who signed this request. A key that `isKnown` denies is not worth the arithmetic. Whether the nonce
 * was seen before is the caller's question.
 */
export async function verifyRequest(request: {
  readonly method: string;
  readonly url: string;
  readonly headers: { get(name: string): string | null };
  readonly body: Uint8Array;
  readonly nowS: UnixS;
  readonly isKnown: (key: SigningKey) => boolean;
}): Promise<Result<SignedRequest, RequestRejection>> {
  const fields: Record<string, string> = {};
  for (const name of ["content-digest", "signature-input", "signature"]) {
    const value = request.headers.get(name);
    if (value === null) return err({ code: "signature_missing" });
    fields[name] = value;
  }
  // One spelling, of one algorithm: a list of digests would let the sender choose what is compared.
  if (fields["content-digest"] !== contentDigestOf(request.body))
    return err({ code: "digest_mismatch" });
  const verified = await verifyFields(request.method, request.url, fields, request.isKnown);
  if (!verified.ok) return verified;
  const { createdS } = verified.value;
  const { nowS } = request;
  const skew = Math.abs(nowS - createdS);
  return skew <= skewMaxS ? verified : err({ code: "clock_skew", createdS, nowS });
}

async function verifyFields(
  method: string,
  url: string,
  fields: Record<string, string>,
  isKnown: (key: SigningKey) => boolean,
): Promise<Result<SignedRequest, RequestRejection>> {
  let unknown: SigningKey | null = null;
  try {
    const verified = await verifySignature(descriptorOf(method, url, fields), {
      label,
      policy: {
        algorithms: [algorithm],
        requiredComponents: components,
        requiredParameters: parameters,
        now: 0,
        // The moment is compared afterwards, so that a wrong clock is told from a wrong signature.
        clockSkew: Number.MAX_SAFE_INTEGER,
      },
      resolveVerifier: ({ parameters: { keyid } }) => {
        const key = v.parse(SigningKey, keyid);
        if (!isKnown(key)) unknown = key;
        return verifierOf(unknown === null ? key : null);
      },
    });
    return parametersOf(verified.components.length, verified.parameters);
  } catch (error) {
    if (unknown !== null) return err({ code: "key_unknown", key: unknown });
    if (!isSignatureError(error)) throw error;
    if (error.code === "VerificationFailed") return err({ code: "signature_invalid" });
    return err({ code: "signature_malformed", why: error.message });
  }
}

/** Refuses every signature of a key that must not verify anything. */
function verifierOf(key: SigningKey | null) {
  const admitted = key === null ? null : admitKey(key);
  return {
    algorithm,
    verify: (base: Uint8Array, signature: Uint8Array) =>
      admitted?.ok === true && verify(admitted.value, base, signature),
  };
}

const Parameters = v.strictObject({
  created: UnixS,
  nonce: Nonce,
  keyid: SigningKey,
  alg: v.literal(algorithm),
  tag: v.literal(signatureTag),
});

function parametersOf(covered: number, given: unknown): Result<SignedRequest, RequestRejection> {
  if (covered !== components.length)
    return err({ code: "signature_malformed", why: "covers other components than it should" });
  const parsed = v.safeParse(Parameters, given);
  if (!parsed.success) return err({ code: "signature_malformed", why: v.summarize(parsed.issues) });
  const { keyid: key, nonce, created: createdS } = parsed.output;
  return ok({ key, nonce, createdS });
}

function descriptorOf(method: string, targetUri: string, fields: Record<string, string>) {
  const occurrences = Object.entries(fields).map(([name, value]) => ({ name, value }));
  return { kind: "request", method, targetUri, fields: occurrences } as const;
}
