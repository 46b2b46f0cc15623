/**
 * keys: the public keys of the network as text, each of its own type, so that none is taken for
 * another. One spelling each: 64 lower-case hex digits.
 */
import * as v from "valibot";

const hex32 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "not 64 lower-case hex digits"));

/** An Ed25519 key that signs: an approver's, a node's identity, or a control server's. */
export const SigningKey = v.pipe(hex32, v.brand("SigningKey"));
export type SigningKey = v.InferOutput<typeof SigningKey>;

/** The X25519 key under which a node's tunnel is known to its peers. */
export const TunnelKey = v.pipe(hex32, v.brand("TunnelKey"));
export type TunnelKey = v.InferOutput<typeof TunnelKey>;

/** SHA-256 of a TLS public key (SubjectPublicKeyInfo, DER), by which a server is known (RFC 7469). */
export const TlsPin = v.pipe(hex32, v.brand("TlsPin"));
export type TlsPin = v.InferOutput<typeof TlsPin>;
