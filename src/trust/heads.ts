/**
 * heads compares where this node stands in the log with where others say that they stand. Who is shown
 * an old log by the control server, or another one, learns it from what the others sign.
 */
import type { NodeId } from "../model/ids.ts";
import type { Advertised } from "../wire/advertisement.ts";
import type { View } from "./view.ts";

export type Heads = {
  /** They have seen changes that this node was not shown. */
  readonly ahead: readonly NodeId[];
  /** They have seen as many changes, and others. */
  readonly forked: readonly NodeId[];
};

/** It is their word: one that lies makes noise, and nothing more. */
export function compareHeads({ membership, self }: View, advertised: Iterable<Advertised>): Heads {
  const { state, root } = membership;
  const ahead: NodeId[] = [];
  const forked: NodeId[] = [];
  for (const { advertisement } of advertised) {
    const { node, head } = advertisement;
    if (node === self) continue;
    if (head.epoch > state.epoch) ahead.push(node);
    if (head.epoch === state.epoch && head.root !== root) forked.push(node);
  }
  return { ahead, forked };
}
