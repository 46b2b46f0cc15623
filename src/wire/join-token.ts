/**
 * join-token is all that a node is told before its first contact (protocol.md section 6.1): where the
 * control server is and how to know it, which network it is, and what its log starts with.
 */
import * as v from "valibot";
import { NetworkId, StateRoot } from "../model/ids.ts";
import { TlsPin } from "../model/keys.ts";
import { textFormOf } from "./text-form.ts";

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

export const { encode: encodeJoinToken, parse: parseJoinToken } = textFormOf("rnjoin1.", JoinToken);

function isControlUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return url.protocol === "https:" && url.origin === text && url.username === "";
}
