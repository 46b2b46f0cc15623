/**
 * envelope: how every signed statement travels: a DSSE v1 envelope (Dead Simple Signing Envelope,
 * secure-systems-lab/dsse, protocol.md and envelope.md) around a payload of canonical JSON. What is
 * signed is the type and the payload as received; nothing is ever encoded again to verify it.
 */
import * as v from "valibot";
import { assert } from "../base/assert.ts";
import { concatBytes, decodeBase64, encodeBase64, encodeUtf8 } from "../base/bytes.ts";
import { err, ok, type Result } from "../base/result.ts";
import { SigningKey } from "../model/keys.ts";
import {
  type CanonicalRejection,
  type CanonicalValue,
  decodeCanonical,
  encodeCanonical,
} from "./canonical.ts";
import { admitKey, type KeyRejection, type SigningSecret, sign, verify } from "./ed25519.ts";

export const payloadMaxBytesDefault = 1_048_576;
/** 64 approvers may all have to sign, and one beside them whose key is to become an approver's. */
export const signaturesMax = 65;
const base64Size = (sizeBytes: number): number => 4 * Math.ceil(sizeBytes / 3);

const Signature = v.strictObject({
  /** The whole public key, in hex. DSSE calls it a hint; here it is the name and the key at once. */
  keyid: SigningKey,
  sig: v.pipe(
    v.string(),
    v.length(base64Size(64), "not 64 bytes in base64"),
    v.check((text) => decodeBase64(text)?.length === 64, "not 64 bytes in canonical base64"),
  ),
});
type Signature = v.InferOutput<typeof Signature>;

/** An envelope from outside, in its one spelling. Nothing in it is believed before `openEnvelope`. */
export const Envelope = v.strictObject({
  /** A media type that names kind and version, such as `application/vnd.rustynet.thing.v1+json`. */
  payloadType: v.pipe(v.string(), v.regex(/^[!-~]{1,128}$/, "not a payload type")),
  payload: v.pipe(
    v.string(),
    v.maxLength(base64Size(payloadMaxBytesDefault), "the payload is too large"),
    v.check((text) => decodeBase64(text) !== null, "not canonical base64"),
  ),
  signatures: v.pipe(
    v.array(Signature),
    v.minLength(1, "nobody signed"),
    v.maxLength(signaturesMax, "too many signatures"),
    v.check((signatures) => namesEachKeyOnce(signatures), "a key signed twice"),
    v.readonly(),
  ),
});
export type Envelope = v.InferOutput<typeof Envelope>;

export type EnvelopeRejection =
  | { readonly code: "payload_type_mismatch"; readonly expected: string; readonly found: string }
  | { readonly code: "payload_too_large"; readonly sizeMaxBytes: number }
  | { readonly code: "payload_malformed"; readonly why: CanonicalRejection }
  | { readonly code: "key_refused"; readonly key: SigningKey; readonly why: KeyRejection }
  | { readonly code: "signature_invalid"; readonly key: SigningKey };

export type Opened = {
  /** The signed bytes, as they arrived. */
  readonly payload: Uint8Array;
  /** What they say: canonical JSON, still to be parsed by the schema of its type. */
  readonly value: unknown;
  /** Distinct keys that signed. Who they are and whether they may is not known here. */
  readonly signers: ReadonlySet<SigningKey>;
};

/** DSSE v1 pre-authentication encoding: each field with its length, so that no field reaches into the next. */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = encodeUtf8(payloadType);
  const head = encodeUtf8(`DSSEv1 ${type.length} `);
  return concatBytes(head, type, encodeUtf8(` ${payload.length} `), payload);
}

/** Signs the canonical bytes of `payload` with each of `signers`: at least one, none twice. */
export function sealEnvelope(
  payloadType: string,
  payload: CanonicalValue,
  signers: readonly SigningSecret[],
): Envelope {
  assert(signers.length > 0, "an envelope has a signer");
  const bytes = encodeCanonical(payload);
  const message = preAuthEncoding(payloadType, bytes);
  const signatures = signers.map((signer) => signatureBy(signer, message));
  return v.parse(Envelope, { payloadType, payload: encodeBase64(bytes), signatures });
}

/** Returns the envelope with one signature more. A key that has signed already changes nothing. */
export function addSignature(envelope: Envelope, signer: SigningSecret): Envelope {
  if (envelope.signatures.some(({ keyid }) => keyid === signer.publicKey)) return envelope;
  const message = preAuthEncoding(envelope.payloadType, payloadOf(envelope));
  const signatures = [...envelope.signatures, signatureBy(signer, message)];
  return v.parse(Envelope, { ...envelope, signatures });
}

/** Verifies every signature over the bytes received and only then reads them. */
export function openEnvelope(
  envelope: Envelope,
  expectedPayloadType: string,
  payloadMaxBytes: number = payloadMaxBytesDefault,
): Result<Opened, EnvelopeRejection> {
  const { payloadType, signatures } = envelope;
  if (payloadType !== expectedPayloadType) {
    const code = "payload_type_mismatch";
    return err({ code, expected: expectedPayloadType, found: payloadType });
  }
  const payload = payloadOf(envelope);
  if (payload.length > payloadMaxBytes) {
    return err({ code: "payload_too_large", sizeMaxBytes: payloadMaxBytes });
  }
  const message = preAuthEncoding(payloadType, payload);
  for (const signature of signatures) {
    const rejection = rejectionOf(signature, message);
    if (rejection !== null) return err(rejection);
  }
  const value = decodeCanonical(payload, payloadMaxBytes);
  if (!value.ok) return err({ code: "payload_malformed", why: value.error });
  const signers = new Set(signatures.map(({ keyid }) => keyid));
  return ok({ payload, value: value.value, signers });
}

/**
 * One bad signature refuses the whole envelope, although DSSE would let the good ones stand. A bad
 * one is never made honestly; ignoring it would let anybody on the way append names that did not
 * sign, give one statement many spellings, and have us work for each of them.
 */
function rejectionOf(signature: Signature, message: Uint8Array): EnvelopeRejection | null {
  const { keyid: key, sig } = signature;
  const admitted = admitKey(key);
  if (!admitted.ok) return { code: "key_refused", key, why: admitted.error };
  const valid = verify(admitted.value, message, decodeBase64(sig) ?? new Uint8Array());
  return valid ? null : { code: "signature_invalid", key };
}

function signatureBy(signer: SigningSecret, message: Uint8Array): Signature {
  return { keyid: signer.publicKey, sig: encodeBase64(sign(signer, message)) };
}

// The schema has let the base64 in; what it could not decode would verify as empty, that is, not at all.
const payloadOf = ({ payload }: Envelope): Uint8Array => decodeBase64(payload) ?? new Uint8Array();

function namesEachKeyOnce(signatures: readonly Signature[]): boolean {
  return new Set(signatures.map(({ keyid }) => keyid)).size === signatures.length;
}
