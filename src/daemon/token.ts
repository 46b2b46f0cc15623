/** token reads what a person was given so that this host may join. */
import { assert } from "../base/assert.ts";
import { decodeBase64Url } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import { Secret } from "../base/secret.ts";
import type { NodeName } from "../model/names.ts";
import type { UnixS } from "../model/time.ts";
import { type JoinToken, parseJoinToken } from "../wire/join-token.ts";
import type { NetworkCard } from "../wire/network-card.ts";
import { parseVoucherToken, type VoucherToken } from "../wire/voucher-token.ts";
import type { KeptRequest } from "./node-state.ts";

/** A secret that the control server knows by its hash, or a key that the membership knows. */
export type Token =
  | { readonly kind: "join"; readonly join: JoinToken }
  | { readonly kind: "voucher"; readonly voucher: VoucherToken };

export function readToken(text: string): Token {
  const join = parseJoinToken(text);
  if (join !== null) return { kind: "join", join };
  const voucher = parseVoucherToken(text);
  if (voucher !== null) return { kind: "voucher", voucher };
  throw new Fault("credential_invalid", "this is not a join token, or not the whole of one", {
    remedy: "copy it again, or make a new one: rustynet credential create",
  });
}

export const networkOf = (token: Token): NetworkCard["network"] =>
  token.kind === "join" ? token.join.network : token.voucher.card.network;

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
