/**
 * approver-card is the public half of an approver (protocol.md section 6.5): the key, and the name
 * that its holder goes by. It is public and unsigned: people compare its fingerprint.
 */
import * as v from "valibot";
import { admitKey } from "../crypto/ed25519.ts";
import { SigningKey } from "../model/keys.ts";
import { ApproverName } from "../model/names.ts";
import { textFormOf } from "./text-form.ts";

export const ApproverCard = v.strictObject({
  // No network takes a key that may not verify: whoever copies the card should hear of it first.
  key: v.pipe(
    SigningKey,
    v.check((key) => admitKey(key).ok, "not an admissible key"),
  ),
  name: ApproverName,
});
export type ApproverCard = v.InferOutput<typeof ApproverCard>;

export const { encode: encodeApproverCard, parse: parseApproverCard } = textFormOf(
  "rnapprover1.",
  ApproverCard,
);
