/**
 * hash: SHA-256, always under a domain that names what is hashed and its version, so that the hash
 * of one kind of thing never stands for another.
 */
import { hash } from "node:crypto";
import { concatBytes, encodeHex, encodeUtf8 } from "../base/bytes.ts";

/** Every domain there is. A new kind or version of hashed thing adds its own. */
export const hashDomains = [
  "rustynet/append-log/v1",
  "rustynet/atomic-file/v1",
  "rustynet/audit-entry/v1",
  "rustynet/fingerprint/v1",
  "rustynet/index/v1",
  "rustynet/key-file/v1",
  "rustynet/membership-branch/v1",
  "rustynet/membership-node/v1",
  "rustynet/membership-state/v1",
  "rustynet/membership-update/v1",
  "rustynet/node-id/v1",
  "rustynet/policy-document/v1",
  "rustynet/retired-key/v1",
  "rustynet/ula/v1",
  "rustynet/voucher/v1",
] as const;
export type HashDomain = (typeof hashDomains)[number];

const prefixes = Object.fromEntries(
  // No domain holds a zero byte, so none followed by one is the beginning of another.
  hashDomains.map((domain) => [domain, encodeUtf8(`${domain}\0`)]),
) as Record<HashDomain, Uint8Array>;

/** SHA-256 of the domain, a zero byte, and the parts one after the other: 32 bytes. */
export const hashOf = (domain: HashDomain, ...parts: readonly Uint8Array[]): Uint8Array =>
  sha256(concatBytes(prefixes[domain], ...parts));

/** The same as 64 lower-case hex digits. */
export const hashTextOf = (domain: HashDomain, ...parts: readonly Uint8Array[]): string =>
  encodeHex(hashOf(domain, ...parts));

/**
 * Plain SHA-256 (FIPS 180-4), for what others define so: certificate pins, body digests, node ids.
 * Everything that we define goes through `hashOf`.
 */
export const sha256 = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(hash("sha256", bytes, "buffer"));
