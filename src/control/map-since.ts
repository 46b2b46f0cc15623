/**
 * map-since decides what one node is told next: what it lacks of the log, and the advertisements of
 * those whom policy lets it talk to. It signs nothing and sends nothing.
 */
import type { State } from "../membership/state.ts";
import type { NodeId } from "../model/ids.ts";
import type { Counter, UnixS } from "../model/time.ts";
import { allows } from "../policy/access.ts";
import type { Head } from "../wire/advertisement.ts";
import { type Held, mapItemsMax, mapSizeMaxBytes } from "../wire/map.ts";
import type { Network } from "./network.ts";

/** One map's worth. Strings are canonical JSON, shared by all maps that carry the same thing. */
export type MapPart = {
  readonly since: Held;
  readonly head: Head;
  /** What the receiver holds afterwards; another part follows unless this is the last. */
  readonly generation: Counter;
  readonly entries: readonly string[];
  readonly advertisements: readonly string[];
  readonly isLast: boolean;
};

/** Room for everything in a map that is not an entry or an advertisement. */
const frameMaxBytes = 64 * 1024;

/** Whether a node is told what another one advertises: when either may open flows to the other. */
export function maySee(state: State, viewer: NodeId, other: NodeId): boolean {
  return allows(state, viewer, other) || allows(state, other, viewer);
}

/** The next map for a node that holds this much. `held` is not ahead of the network. */
export function mapSince(network: Network, held: Held, audience: NodeId, now: UnixS): MapPart {
  const room = { items: mapItemsMax, bytes: mapSizeMaxBytes - frameMaxBytes };
  const entries: string[] = [];
  const last = network.lastEpochFor(audience);
  let { epoch } = held;
  for (; epoch < last; epoch++) {
    const text = network.entries[epoch]?.text ?? "";
    if (!take(room, text)) break;
    entries.push(text);
  }
  const head = network.headAt(epoch) ?? network.head;
  const log = { since: held, head, entries };
  // An advertisement is verified against the state that admits its node: the whole log goes first.
  if (epoch < last)
    return { ...log, generation: held.generation, advertisements: [], isLast: false };

  room.items = mapItemsMax;
  const advertisements: string[] = [];
  let { generation } = held;
  for (const item of network.advertisedAfter(held.generation)) {
    if (item.expiresAt > now && maySee(network.state, audience, item.node)) {
      if (!take(room, item.text)) return { ...log, generation, advertisements, isLast: false };
      advertisements.push(item.text);
    }
    ({ generation } = item);
  }
  return { ...log, generation: network.generation, advertisements, isLast: true };
}

/** Canonical texts here are ASCII: a character is a byte. */
function take(room: { items: number; bytes: number }, text: string): boolean {
  if (room.items < 1 || room.bytes < text.length) return false;
  room.items -= 1;
  room.bytes -= text.length;
  return true;
}
