/**
 * tunnel-key: the X25519 keys (RFC 7748) under which tunnels are known. Making one, deriving its
 * public half, and refusing a peer's key that would make the shared secret known to everybody.
 */
import * as native from "node:crypto";
import * as v from "valibot";
import { assert } from "../base/assert.ts";
import { decodeHex, encodeHex } from "../base/bytes.ts";
import { err, ok, type Result } from "../base/result.ts";
import { Secret } from "../base/secret.ts";
import { TunnelKey } from "../model/keys.ts";
import { keySizeBytes, type Random } from "./ed25519.ts";

export type TunnelKeyRejection =
  | { readonly code: "tunnel_key_size" }
  | { readonly code: "tunnel_key_not_canonical" }
  | { readonly code: "tunnel_key_low_order" };

const prime = 2n ** 255n - 19n;

// RFC 8410: the constant bytes before the key in SubjectPublicKeyInfo and in PKCS #8.
const spkiPrefix = Uint8Array.fromHex("302a300506032b656e032100");
const pkcs8Prefix = Uint8Array.fromHex("302e020100300506032b656e04220420");

/** A clamped scalar with the public key that follows from it. */
export class TunnelSecret {
  readonly scalar: Secret;
  readonly publicKey: TunnelKey;

  /** A scalar of another size than 32 bytes is a bug: whoever reads one from outside looks first. */
  constructor(scalar: Secret) {
    assert(scalar.sizeBytes === keySizeBytes, "an X25519 scalar has 32 bytes");
    this.scalar = scalar;
    this.publicKey = tunnelKeyOf(scalar);
  }
}

/** `random` returns that many bytes of entropy; they are wiped after use. */
export function tunnelKeygen(random: Random): TunnelSecret {
  const scalar = random(keySizeBytes);
  clamp(scalar);
  return new TunnelSecret(new Secret(scalar));
}

/** The public key of a scalar, which is clamped on the way whether it was before or not. */
export function tunnelKeyOf(scalar: Secret): TunnelKey {
  const spki = native.createPublicKey(scalar.expose(openPrivateKey));
  const der = spki.export({ format: "der", type: "spki" });
  return v.parse(TunnelKey, encodeHex(der.subarray(-keySizeBytes)));
}

/**
 * Lets a peer's key in unless it is a second spelling of another or of low order. With a low-order
 * key every shared secret is zero (RFC 7748 section 6.1), and then the tunnel hides nothing.
 */
export function admitTunnelKey(key: TunnelKey | Uint8Array): Result<TunnelKey, TunnelKeyRejection> {
  const bytes = typeof key === "string" ? decodeHex(key) : key;
  if (bytes?.length !== keySizeBytes) return err({ code: "tunnel_key_size" });
  if (BigInt(`0x${encodeHex(bytes.toReversed())}`) >= prime) {
    return err({ code: "tunnel_key_not_canonical" });
  }
  if (isLowOrder(bytes)) return err({ code: "tunnel_key_low_order" });
  return ok(v.parse(TunnelKey, encodeHex(bytes)));
}

// Any clamped scalar is a multiple of eight and takes every low-order point to zero.
const anyScalar = Uint8Array.from({ length: keySizeBytes }, (_, i) => (i === 31 ? 64 : 0));

/** The native agreement refuses a shared secret of zeros by throwing. */
function isLowOrder(bytes: Uint8Array): boolean {
  const key = Buffer.concat([spkiPrefix, bytes]);
  const publicKey = native.createPublicKey({ key, format: "der", type: "spki" });
  try {
    const agreed = native.diffieHellman({ privateKey: openPrivateKey(anyScalar), publicKey });
    return agreed.every((byte) => byte === 0);
  } catch {
    return true;
  }
}

function openPrivateKey(scalar: Uint8Array): native.KeyObject {
  const key = Buffer.concat([pkcs8Prefix, scalar]);
  const opened = native.createPrivateKey({ key, format: "der", type: "pkcs8" });
  key.fill(0);
  return opened;
}

/** RFC 7748 section 5. Done at birth, because the kernel stores the clamped form and reports it back. */
function clamp(scalar: Uint8Array): void {
  assert(scalar.length === keySizeBytes, "random returned another number of bytes");
  scalar[0] = (scalar[0] ?? 0) & 248;
  scalar[31] = ((scalar[31] ?? 0) & 127) | 64;
}
