/**
 * network-card says which network it is and how to know its server (protocol.md section 6.4): a join
 * token without the secret. It is public, and whoever acts on one has to know whom it came from.
 */
import * as v from "valibot";
import { JoinToken } from "./join-token.ts";
import { textFormOf } from "./text-form.ts";

export const NetworkCard = v.omit(JoinToken, ["secret"]);
export type NetworkCard = v.InferOutput<typeof NetworkCard>;

export const { encode: encodeNetworkCard, parse: parseNetworkCard } = textFormOf(
  "rnnet1.",
  NetworkCard,
);
