/** history is the log as somebody new is given it: from genesis, over the last checkpoint, to the end. */
import type { Checkpoint } from "../membership/membership.ts";
import { type Snapshot, takeSnapshot } from "../membership/snapshot.ts";
import type { History } from "../wire/enrollment.ts";
import type { Network } from "./network.ts";
import { Spelled } from "./spelled.ts";

/** A checkpoint stays as it is, and many who are new ask for the same one. */
const snapshots = new WeakMap<Checkpoint, Snapshot>();
const snapshotTexts = new WeakMap<Checkpoint, string>();

export function historyOf({ genesis, membership, entries }: Network): History {
  const { checkpoint } = membership;
  const tail = entries.slice(checkpoint?.state.epoch ?? 0).map(({ entry }) => entry);
  return { genesis, snapshot: snapshotAt(membership), entries: tail };
}

function snapshotAt(membership: Network["membership"]): Snapshot | null {
  const { checkpoint } = membership;
  if (checkpoint === null) return null;
  const snapshot = snapshots.get(checkpoint) ?? takeSnapshot(membership);
  if (snapshot !== null) snapshots.set(checkpoint, snapshot);
  return snapshot;
}

/** The same, of pieces that are spelled once: a newcomer costs the server little more than sending it. */
export function spellHistory({ genesis, membership, entries }: Network): Spelled<History> {
  const { checkpoint } = membership;
  const tail = entries.slice(checkpoint?.state.epoch ?? 0).map(({ text }) => text);
  const snapshot = snapshotTextAt(membership);
  return new Spelled(
    `{"genesis":${JSON.stringify(genesis)},"snapshot":${snapshot},"entries":[${tail.join(",")}]}`,
  );
}

function snapshotTextAt(membership: Network["membership"]): string {
  const { checkpoint } = membership;
  if (checkpoint === null) return "null";
  const text = snapshotTexts.get(checkpoint) ?? JSON.stringify(snapshotAt(membership));
  snapshotTexts.set(checkpoint, text);
  return text;
}
