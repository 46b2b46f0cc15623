/** overlap finds routes of the host that the network's ranges would take over, or lose packets to. */
import { type Cidr, overlaps, splitCidr } from "../model/ip.ts";

export type ForeignRoute = { readonly cidr: Cidr; readonly interface: string };

/**
 * A default route overlaps with everything and is no conflict: ours are more specific. Nor are the
 * two halves in which some tunnels write theirs, to leave the one that was there alone.
 */
const isDefault = (cidr: Cidr): boolean => splitCidr(cidr).bits <= 1;

export function findOverlap(
  ranges: readonly Cidr[],
  foreign: readonly ForeignRoute[],
): { readonly range: Cidr; readonly route: ForeignRoute } | null {
  for (const range of ranges)
    for (const route of foreign)
      if (!isDefault(route.cidr) && overlaps(range, route.cidr)) return { range, route };
  return null;
}
