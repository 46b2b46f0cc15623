/**
 * advertisement is what a node says of itself and signs with its identity key (protocol.md section 5):
 * the tunnel key it answers to, where it can be reached, and how much of the log it has seen.
 */
import * as v from "valibot";
import { err, ok, type Result } from "../base/result.ts";
import { type Envelope, type EnvelopeRejection, openEnvelope } from "../crypto/envelope.ts";
import { admitTunnelKey, type TunnelKeyRejection } from "../crypto/tunnel-key.ts";
import type { Node, State } from "../membership/state.ts";
import { NetworkId, NodeId, StateRoot } from "../model/ids.ts";
import { Cidr, Endpoint } from "../model/ip.ts";
import { firstIssueOnly, wordIssue } from "../model/issue.ts";
import { TunnelKey } from "../model/keys.ts";
import { Counter, skewMaxS, UnixS } from "../model/time.ts";

export const advertisementType = "application/vnd.rustynet.advertisement.v1+json";

/** Longer than a daemon trusts its last map, so that a control outage ends no tunnel by itself. */
export const advertisementLifetimeS = 2 * 86_400;

/** Shown to people, so held to printable ASCII. */
const Label = v.pipe(v.string(), v.regex(/^[\x20-\x7e]{1,64}$/, "not 1 to 64 printable letters"));

/** How much of the log somebody stands on. */
export const Head = v.strictObject({ epoch: Counter, root: StateRoot });
export type Head = v.InferOutput<typeof Head>;

export const Advertisement = v.strictObject({
  network: NetworkId,
  node: NodeId,
  sequence: Counter,
  issuedAt: UnixS,
  expiresAt: UnixS,
  tunnelKey: TunnelKey,
  endpoints: v.pipe(v.array(Endpoint), v.maxLength(16)),
  routes: v.pipe(v.array(Cidr), v.maxLength(64)),
  exit: v.picklist(["none", "offered"]),
  head: Head,
  os: Label,
  software: Label,
});
export type Advertisement = v.InferOutput<typeof Advertisement>;

export type Advertised = { readonly envelope: Envelope; readonly advertisement: Advertisement };

export type AdvertisementRejection =
  | { readonly code: "envelope_refused"; readonly why: EnvelopeRejection }
  | { readonly code: "payload_unknown"; readonly issue: string }
  | { readonly code: "network_mismatch" }
  | { readonly code: "advertiser_unknown"; readonly node: NodeId }
  | { readonly code: "advertiser_not_active"; readonly node: NodeId }
  | { readonly code: "not_signed_by_node"; readonly node: NodeId }
  | {
      readonly code: "tunnel_key_refused";
      readonly node: NodeId;
      readonly why: TunnelKeyRejection;
    }
  | { readonly code: "lifetime_invalid"; readonly node: NodeId }
  | { readonly code: "not_yet_valid"; readonly node: NodeId };

/**
 * An advertisement that an active member of this state signed itself. Whether it has expired is the
 * caller's question: what has run out is silence, not a lie.
 */
export function openAdvertisement(
  envelope: Envelope,
  state: State,
  now: UnixS,
): Result<Advertised & { readonly node: Node }, AdvertisementRejection> {
  const opened = openEnvelope(envelope, advertisementType);
  if (!opened.ok) return err({ code: "envelope_refused", why: opened.error });
  const parsed = v.safeParse(Advertisement, opened.value.value, firstIssueOnly);
  if (!parsed.success) return err({ code: "payload_unknown", issue: wordIssue(parsed.issues) });
  const advertisement = parsed.output;
  const { issuedAt, expiresAt } = advertisement;

  if (advertisement.network !== state.network) return err({ code: "network_mismatch" });
  const node = state.nodes.get(advertisement.node);
  if (node === undefined) return err({ code: "advertiser_unknown", node: advertisement.node });
  if (node.status !== "active") return err({ code: "advertiser_not_active", node: node.id });
  const { signers } = opened.value;
  if (signers.size !== 1 || !signers.has(node.key))
    return err({ code: "not_signed_by_node", node: node.id });
  const tunnelKey = admitTunnelKey(advertisement.tunnelKey);
  if (!tunnelKey.ok)
    return err({ code: "tunnel_key_refused", node: node.id, why: tunnelKey.error });
  if (expiresAt <= issuedAt || expiresAt - issuedAt > advertisementLifetimeS)
    return err({ code: "lifetime_invalid", node: node.id });
  if (issuedAt > now + skewMaxS) return err({ code: "not_yet_valid", node: node.id });
  return ok({ envelope, advertisement, node });
}
