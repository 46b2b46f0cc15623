/**
 * voucher-token lets a machine in for which a quorum has signed in advance (protocol.md section 6.8): a
 * network card, and the seed of the voucher's key. Who has it admits the machine without anybody's word.
 */
import * as v from "valibot";
import { decodeBase64Url, encodeBase64Url } from "../base/bytes.ts";
import { Secret } from "../base/secret.ts";
import { keySizeBytes, SigningSecret } from "../crypto/ed25519.ts";
import { EnrollmentSecret } from "./join-token.ts";
import { NetworkCard } from "./network-card.ts";
import { textFormOf } from "./text-form.ts";

/** 32 bytes, spelled as the secret of a join token is. */
const VoucherText = v.strictObject({ ...NetworkCard.entries, seed: EnrollmentSecret });
const form = textFormOf("rnvouch1.", VoucherText);

export type VoucherToken = { readonly card: NetworkCard; readonly key: SigningSecret };

export const encodeVoucherToken = ({ card, key }: VoucherToken): string =>
  form.encode({ ...card, seed: v.parse(EnrollmentSecret, key.seed.expose(encodeBase64Url)) });

/** Null for anything but a whole token in its one spelling. Blanks around it are forgiven. */
export function parseVoucherToken(text: string): VoucherToken | null {
  const parsed = form.parse(text);
  if (parsed === null) return null;
  const { seed, ...card } = parsed;
  const bytes = decodeBase64Url(seed);
  if (bytes?.length !== keySizeBytes) return null;
  return { card, key: new SigningSecret(new Secret(bytes)) };
}
