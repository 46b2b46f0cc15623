/** history is the log as somebody new is given it: from genesis, over the last checkpoint, to the end. */
import { type Snapshot, takeSnapshot } from "../membership/snapshot.ts";
import type { Checkpoint } from "../membership/membership.ts";
import type { History } from "../wire/enrollment.ts";
import type { Network } from "./network.ts";

/** A checkpoint stays as it is, and many who are new ask for the same one. */
const snapshots = new WeakMap<Checkpoint, Snapshot>();

export function historyOf({ genesis, membership, entries }: Network): History {
  const { checkpoint } = membership;
  if (checkpoint === null) return { genesis, snapshot: null, entries: entriesOf(entries, 0) };
  const snapshot = snapshots.get(checkpoint) ?? takeSnapshot(membership);
  if (snapshot !== null) snapshots.set(checkpoint, snapshot);
  return { genesis, snapshot, entries: entriesOf(entries, checkpoint.state.epoch) };
}

const entriesOf = (items: Network["entries"], after: number): History["entries"] =>
  items.slice(after).map(({ entry }) => entry);
