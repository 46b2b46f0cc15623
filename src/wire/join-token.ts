/**
 * join-token is all that a node is told before its first contact (protocol.md section 6.1): where the
 * control server is and how to know it, which network it is, and what its log starts with.
 */
import * as v from "valibot";
import { decodeBase64Url, decodeUtf8, encodeBase64Url } from "../base/bytes.ts";
import { decodeCanonical, encodeCanonical } from "../crypto/canonical.ts";
import { NetworkId, StateRoot } from "../model/ids.ts";
import { TlsPin } from "../model/keys.ts";

const prefix = "rnjoin1.";
const textMax = 2_000;

/** Where the HTTP API is: scheme, host and port, nothing behind it. */
export const ControlUrl = v.pipe(
  v.string(),
  v.maxLength(300),
  v.check(isControlUrl, "not an https:// address without a path"),
  v.brand("ControlUrl"),
);
export type ControlUrl = v.InferOutput<typeof ControlUrl>;

/** 32 random bytes in base64url: 43 digits, of which the last has only 16 values. */
export const EnrollmentSecret = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, "not an enrollment secret"),
  v.brand("EnrollmentSecret"),
);
export type EnrollmentSecret = v.InferOutput<typeof EnrollmentSecret>;

export const JoinToken = v.strictObject({
  url: ControlUrl,
  pin: TlsPin,
  network: NetworkId,
  genesis: StateRoot,
  secret: EnrollmentSecret,
});
export type JoinToken = v.InferOutput<typeof JoinToken>;

export const encodeJoinToken = (token: JoinToken): string =>
  prefix + encodeBase64Url(encodeCanonical(token));

/** Returns null for anything but a whole token in its one spelling. Blanks around it are forgiven. */
export function parseJoinToken(text: string): JoinToken | null {
  const trimmed = text.trim();
  if (!trimmed.startsWith(prefix) || trimmed.length > textMax) return null;
  const bytes = decodeBase64Url(trimmed.slice(prefix.length));
  if (bytes === null || decodeUtf8(bytes) === null) return null;
  const decoded = decodeCanonical(bytes);
  if (!decoded.ok) return null;
  const parsed = v.safeParse(JoinToken, decoded.value);
  return parsed.success ? parsed.output : null;
}

function isControlUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return url.protocol === "https:" && url.origin === text && url.username === "";
}
