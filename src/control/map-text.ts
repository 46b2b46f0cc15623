/**
 * map-text writes maps: canonical JSON put together from pieces that are encoded once, because the
 * same entry goes to thousands of nodes, and the envelope around it.
 */
import { encodeBase64, encodeUtf8 } from "../base/bytes.ts";
import { type SigningSecret, sign } from "../crypto/ed25519.ts";
import { preAuthEncoding } from "../crypto/envelope.ts";
import type { NetworkId, NodeId } from "../model/ids.ts";
import type { UnixS } from "../model/time.ts";
import { mapType, type Presence } from "../wire/map.ts";
import type { MapPart } from "./map-since.ts";

export type MapTerms = {
  readonly network: NetworkId;
  readonly audience: NodeId;
  readonly signedAt: UnixS;
  readonly presence: readonly string[];
};

/** The payload, with keys in the order of RFC 8785 section 3.2.3. */
export function mapPayload(part: MapPart, terms: MapTerms): string {
  const { since, head } = part;
  return (
    `{"advertisements":[${part.advertisements.join(",")}]` +
    `,"audience":"${terms.audience}"` +
    `,"entries":[${part.entries.join(",")}]` +
    `,"generation":${part.generation}` +
    `,"head":{"epoch":${head.epoch},"root":"${head.root}"}` +
    `,"network":"${terms.network}"` +
    `,"presence":[${terms.presence.join(",")}]` +
    `,"signedAt":${terms.signedAt}` +
    `,"since":{"epoch":${since.epoch},"generation":${since.generation}}}`
  );
}

/** The signed envelope as JSON text, which is what goes over the stream. */
export function sealMap(payload: string, control: SigningSecret): string {
  const bytes = encodeUtf8(payload);
  const signature = encodeBase64(sign(control, preAuthEncoding(mapType, bytes)));
  return (
    `{"payload":"${encodeBase64(bytes)}","payloadType":"${mapType}"` +
    `,"signatures":[{"keyid":"${control.publicKey}","sig":"${signature}"}]}`
  );
}

export const presenceText = ({ node, state, since }: Presence): string =>
  `{"node":"${node}","since":${since},"state":"${state}"}`;
