/**
 * part is that of a network which differs between two views, as far as hosts are concerned: whoever is
 * not in it has the same peer, prefixes and place in the filter under both (docs/adr/0013).
 */
import type { NodeId } from "../model/ids.ts";
import type { UnixS } from "../model/time.ts";
import type { View } from "../trust/view.ts";
import type { Advertisement } from "../wire/advertisement.ts";

/** What the nodes concerned say of themselves, and is in force, under one view and under the other. */
export type Part = {
  readonly before: readonly Advertisement[];
  readonly after: readonly Advertisement[];
};

/** What the node's peers say, as far as it has not run out. */
export function reachableIn(view: View, nowS: UnixS): readonly Advertisement[] {
  return [...view.advertisements.values()]
    .map(({ advertisement }) => advertisement)
    .filter(({ node, expiresAt }) => node !== view.self && expiresAt > nowS);
}

/**
 * Null when the host has to be looked at as a whole: the change concerns everybody, or it concerns
 * somebody of whom only the tunnel knows how to reach it now. `wholeAtS` is when the host was last
 * looked at so, under the first view or an earlier one.
 */
export function partBetween(before: View, after: View, wholeAtS: UnixS, nowS: UnixS): Part | null {
  if (concernsAll(before, after)) return null;
  // The clock was set back: what was in force when it went to the host may be seen as long run out.
  if (nowS < wholeAtS) return null;
  const part = { before: [] as Advertisement[], after: [] as Advertisement[] };
  for (const node of nodesBetween(before, after)) {
    const from = before.advertisements.get(node)?.advertisement;
    const to = after.advertisements.get(node)?.advertisement;
    // It ran out since: whether it is still on the host depends on when that was looked at.
    if (from !== undefined && from.expiresAt > wholeAtS !== from.expiresAt > nowS) return null;
    if (to !== undefined && !isNewOrSame(before, to)) return null;
    if (from !== undefined && from.expiresAt > nowS) part.before.push(from);
    if (to !== undefined && to.expiresAt > nowS) part.after.push(to);
  }
  return part;
}

/** By identity: what is only equal is not worth telling from what differs. */
function concernsAll(before: View, after: View): boolean {
  const [from, to] = [before.membership.state, after.membership.state];
  const { self } = after;
  return (
    before.self !== self ||
    from.network !== to.network ||
    from.policy !== to.policy ||
    from.ranges !== to.ranges ||
    from.nodes.get(self) !== to.nodes.get(self)
  );
}

function nodesBetween(before: View, after: View): ReadonlySet<NodeId> {
  const nodes = new Set<NodeId>();
  for (const change of before.membership.state.nodes.changesTo(after.membership.state.nodes)) {
    const record = change.after ?? change.before;
    if (record !== undefined) nodes.add(record.id);
  }
  for (const change of before.advertisements.changesTo(after.advertisements)) {
    const said = change.after ?? change.before;
    if (said !== undefined) nodes.add(said.advertisement.node);
  }
  nodes.delete(after.self);
  return nodes;
}

/** A key that nobody held, or one that its holder goes on holding at the same endpoints. */
function isNewOrSame(before: View, { node, tunnelKey, endpoints }: Advertisement): boolean {
  const holder = before.nodeByTunnelKey.get(tunnelKey);
  if (holder === undefined) return true;
  const said = before.advertisements.get(node)?.advertisement;
  return holder === node && said?.endpoints.join() === endpoints.join();
}
