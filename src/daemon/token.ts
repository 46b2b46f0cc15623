/** token reads what a person was given so that this host may join. */
import { decodeBase64Url } from "../base/bytes.ts";
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import { Secret } from "../base/secret.ts";
import type { NodeName } from "../model/names.ts";
import type { UnixS } from "../model/time.ts";
import { type JoinToken, parseJoinToken } from "../wire/join-token.ts";
import type { KeptRequest } from "./node-state.ts";

export function readToken(text: string): JoinToken {
  const token = parseJoinToken(text);
  if (token !== null) return token;
  throw new Fault("credential_invalid", "this is not a join token, or not the whole of one", {
    remedy: "copy it again, or make a new one: rustynet credential create",
  });
}

/** What this host asks with by a join token. */
export function requestOf(
  { secret, ...card }: JoinToken,
  name: NodeName,
  askedAt: UnixS,
): KeptRequest {
  const bytes = decodeBase64Url(secret);
  assert(bytes !== null, "an enrollment secret is base64url");
  return { card, name, askedAt, wanted: "up", secret: new Secret(bytes) };
}
