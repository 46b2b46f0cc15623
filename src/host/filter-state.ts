/**
 * filter-state reads a Filter back from what the kernel holds, and tells a table of ours from one that
 * somebody changed. It performs nothing.
 */
import * as v from "valibot";
import { decodeUtf8, equalBytes } from "../base/bytes.ts";
import type { FilterState } from "../dataplane/filter.ts";
import type { Rule } from "../kernel/nftables.ts";
import type { HeldElement, HeldTable } from "../kernel/nftables-dump.ts";
import { decodeIp, type IpAddress } from "../model/ip.ts";
import { InterfaceName } from "../model/names.ts";
import {
  arrivalChain,
  count,
  type DropReason,
  encodeName,
  filterChains,
  filterSets,
  type FilterSetName,
  leaseSet,
  ownSets,
  rulesOf,
  sourceSets,
} from "./filter-ruleset.ts";

/** The interface whose filter the table is, or null if it is not what we would have written. */
export function tunnelOf(held: HeldTable): InterfaceName | null {
  const named = held.rules.get(arrivalChain)?.[0]?.[1];
  if (named?.kind !== "cmp") return null;
  const end = named.value.indexOf(0);
  const name = v.safeParse(InterfaceName, decodeUtf8(named.value.subarray(0, end)));
  return name.success && isIntact(held, name.output) ? name.output : null;
}

function isIntact(held: HeldTable, tunnel: InterfaceName): boolean {
  const rules = rulesOf(tunnel);
  return (
    held.foreign.length === 0 &&
    areSame(byName(held.sets), byName(filterSets)) &&
    areSame(byName(held.chains), byName(filterChains)) &&
    [...held.rules.keys()].every((name) => filterChains.some((chain) => chain.name === name)) &&
    filterChains.every(({ name }) =>
      areSame(
        held.rules.get(name)?.map(withoutCounts) ?? [],
        rules.filter(({ chain }) => chain === name).map(({ rule }) => rule),
      ),
    )
  );
}

const areSame = (left: unknown, right: unknown): boolean => Bun.deepEquals(left, right, true);
const byName = <T extends { readonly name: string }>(items: readonly T[]): readonly T[] =>
  items.toSorted((left, right) => (left.name < right.name ? -1 : 1));
const withoutCounts = (rule: Rule): Rule =>
  rule.map((expression) => (expression.kind === "counter" ? count : expression));

/** What the table and the elements of its sets amount to. A null list is one with foreign elements. */
export function decodeFilter(
  held: HeldTable,
  elements: Readonly<Record<FilterSetName, readonly HeldElement[] | null>>,
): FilterState {
  const tunnel = tunnelOf(held);
  const addresses = decodeAddresses(elements[ownSets[4]], elements[ownSets[6]]);
  const sources = decodeAddresses(elements[sourceSets[4]], elements[sourceSets[6]]);
  if (tunnel === null || addresses === null || sources === null) return { kind: "damaged" };
  const leaseMs = decodeLease(tunnel, elements[leaseSet]);
  if (leaseMs === null) return { kind: "damaged" };
  return { kind: "loaded", filter: { interface: tunnel, addresses, sources }, leaseMs };
}

function decodeAddresses(
  ...lists: readonly (readonly HeldElement[] | null)[]
): ReadonlySet<IpAddress> | null {
  const addresses = new Set<IpAddress>();
  for (const elements of lists) {
    for (const { key } of elements ?? []) {
      const found = decodeIp(key);
      if (found === null) return null;
      addresses.add(found);
    }
  }
  return lists.includes(null) ? null : addresses;
}

/** The lease that is left: 0 once it has expired, null if it is not a lease of ours. */
function decodeLease(
  tunnel: InterfaceName,
  elements: readonly HeldElement[] | null,
): number | null {
  if (elements === null || elements.length > 1) return null;
  const [element] = elements;
  if (element === undefined) return 0;
  // One that never expires is the opposite of a lease.
  return equalBytes(element.key, encodeName(tunnel)) ? element.remainingMs : null;
}

/** The packets dropped since the table was loaded, by reason; null if the table is not ours. */
export function decodeDrops(held: HeldTable): Readonly<Record<DropReason, bigint>> | null {
  const tunnel = tunnelOf(held);
  if (tunnel === null) return null;
  const counts = {
    lease_expired: 0n,
    address_foreign: 0n,
    source_denied: 0n,
    address_outside_tunnel: 0n,
    source_spoofed: 0n,
    source_outside_tunnel: 0n,
    forwarded: 0n,
  };
  const next = new Map<string, number>();
  for (const { chain, drops: reason } of rulesOf(tunnel)) {
    const index = next.get(chain) ?? 0;
    next.set(chain, index + 1);
    const counter = held.rules.get(chain)?.[index]?.find(({ kind }) => kind === "counter");
    if (reason !== undefined && counter?.kind === "counter") counts[reason] += counter.packets;
  }
  return counts;
}
