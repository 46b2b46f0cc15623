/** tunnel-key derives the public X25519 key (RFC 7748) by which peers know a tunnel's secret. */
import { createPrivateKey, createPublicKey } from "node:crypto";
import * as v from "valibot";
import { encodeHex } from "../../base/bytes.ts";
import { Fault } from "../../base/fault.ts";
import type { Secret } from "../../base/secret.ts";
import { TunnelKey } from "../../model/keys.ts";

export const keySizeBytes = 32;

/** PKCS #8 of an X25519 private key (RFC 8410 section 7), up to the key itself. */
const pkcs8Prefix = Uint8Array.fromHex("302e020100300506032b656e04220420");

/** Throws Fault `backend_invalid_input` unless the secret is 32 bytes long and not all zeros. */
export function tunnelKeyOf(secret: Secret): TunnelKey {
  return secret.expose((bytes) => {
    if (bytes.length !== keySizeBytes || bytes.every((byte) => byte === 0))
      throw new Fault("backend_invalid_input", "a tunnel secret is 32 bytes that are not all zero");
    return publicKeyOf(bytes);
  });
}

/** Takes 32 bytes. Leaves no copy of them behind. */
export function publicKeyOf(secretBytes: Uint8Array): TunnelKey {
  const der = Buffer.alloc(pkcs8Prefix.length + keySizeBytes);
  der.set(pkcs8Prefix);
  der.set(secretBytes, pkcs8Prefix.length);
  try {
    const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    const whole = createPublicKey(key).export({ format: "der", type: "spki" });
    return v.parse(TunnelKey, encodeHex(whole.subarray(-keySizeBytes)));
  } finally {
    der.fill(0);
  }
}
