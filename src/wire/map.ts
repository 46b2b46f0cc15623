/**
 * map is what the control server tells one node, signed with the control key (protocol.md section 7):
 * the log entries and advertisements that the node lacks, and until when all of it is fresh.
 */
import * as v from "valibot";
import { Envelope } from "../crypto/envelope.ts";
import { LogEntry } from "../membership/update.ts";
import { NetworkId, NodeId } from "../model/ids.ts";
import { Counter, UnixS } from "../model/time.ts";
import { Head } from "./advertisement.ts";

export const mapType = "application/vnd.rustynet.map.v1+json";

/** A map is believed when it was signed no longer ago than this. */
export const mapAgeMaxS = 300;
/** How often the control server signs a map for each node even when there is nothing new. */
export const heartbeatS = 60;
/** A node that lacks more than this gets several maps, one after the other. */
export const mapItemsMax = 200;
/** The payload of one map, below what an envelope may hold. */
export const mapSizeMaxBytes = 768 * 1024;
/** The text of an envelope around the largest payload that envelopes allow: more is not looked at. */
export const mapTextMaxLength = 2 << 20;

export const Presence = v.strictObject({
  node: NodeId,
  state: v.picklist(["online", "offline"]),
  since: UnixS,
});
export type Presence = v.InferOutput<typeof Presence>;

/** How much a node holds: the epoch of its log, and the generation of its last map. */
export const Held = v.strictObject({ epoch: Counter, generation: Counter });
export type Held = v.InferOutput<typeof Held>;

export const Map = v.strictObject({
  network: NetworkId,
  /** The one node that this map is for: it is no use to anybody else. */
  audience: NodeId,
  /**
   * Grows with every change of what control has to tell; the same when nothing changed. The word of
   * the keys that sign it, and void once none of them is a control key (protocol.md section 7.4).
   */
  generation: Counter,
  signedAt: UnixS,
  /** What the receiver must hold for this map to be complete. */
  since: Held,
  /** Where the log stands once the entries are appended. */
  head: Head,
  entries: v.pipe(v.array(LogEntry), v.maxLength(mapItemsMax)),
  advertisements: v.pipe(v.array(Envelope), v.maxLength(mapItemsMax)),
  presence: v.pipe(v.array(Presence), v.maxLength(mapItemsMax)),
});
export type Map = v.InferOutput<typeof Map>;

/** What a node sends over the stream: first what it holds, then how far it has come. */
export const StreamReport = v.variant("kind", [
  v.strictObject({ kind: v.literal("hello"), held: Held, head: Head }),
  v.strictObject({ kind: v.literal("applied"), generation: Counter, epoch: Counter }),
]);
export type StreamReport = v.InferOutput<typeof StreamReport>;

/** WebSocket close codes of the map stream (RFC 6455 section 7.4.2: 4000 to 4999 are ours). */
export const closeCode = {
  revoked: 4001,
  malformed: 4002,
  replaced: 4003,
  restarting: 4004,
  forked: 4005,
} as const;
