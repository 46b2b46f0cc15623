/**
 * filter-change plans the smallest change from the filter that the kernel holds to another one. It
 * performs nothing.
 *
 * A filter that is loaded is changed in place and not built anew: while two tables of the same place
 * are exchanged, a packet that is between the two at that instant would meet the new one before its
 * rules count and the old one after they ceased to.
 */
import type { Filter, FilterState } from "../dataplane/filter.ts";
import type { Element, Statement } from "../kernel/nftables.ts";
import { encodeIp, type Family, familyOf, type IpAddress } from "../model/ip.ts";
import type { InterfaceName } from "../model/names.ts";
import {
  encodeName,
  filterChains,
  filterSets,
  leaseSet,
  ownSets,
  rulesOf,
  sourceSets,
} from "./filter-ruleset.ts";

/** `leaseMs` is how long the kernel lets packets pass unless renewed; at 0 it lets none pass. */
export type LeasedFilter = { readonly filter: Filter; readonly leaseMs: number };

export type SourceChange = {
  readonly add: Iterable<IpAddress>;
  readonly remove: Iterable<IpAddress>;
};

/** Returns nothing when there is nothing to change. */
export function planFilter(from: FilterState, to: LeasedFilter | null): readonly Statement[] {
  if (to === null) return from.kind === "absent" ? [] : removeTable;
  if (from.kind !== "loaded") return [...removeTable, ...buildTable(to)];
  return [
    ...(from.filter.interface === to.filter.interface ? [] : exchangeRules(to.filter.interface)),
    ...exchangeElements(ownSets, from.filter.addresses, to.filter.addresses),
    ...exchangeElements(sourceSets, from.filter.sources, to.filter.sources),
    ...planLease(to.filter.interface, to.leaseMs),
  ];
}

/**
 * Afterwards the sources of `add` are in and those of `remove` are out, whatever was there before: a
 * source to remove is added first, since the kernel would refuse to remove one that is not there, and
 * with it the rest of the change. One that is named in both is out.
 */
export function planSources({ add, remove }: SourceChange): readonly Statement[] {
  const removed = [...remove];
  return [
    ...changeElements("add_elements", sourceSets, [...add, ...removed]),
    ...changeElements("delete_elements", sourceSets, removed),
  ];
}

/** The lease is one element that the kernel forgets in time. An expired one is gone already. */
export function planLease(tunnel: InterfaceName, leaseMs: number): readonly Statement[] {
  const renewal: Statement = {
    kind: "add_elements",
    set: leaseSet,
    elements: [{ key: encodeName(tunnel), timeoutMs: leaseMs }],
  };
  return [{ kind: "flush_set", set: leaseSet }, ...(leaseMs > 0 ? [renewal] : [])];
}

/** Adding first makes the removal of a table that is not there no error. */
const removeTable: readonly Statement[] = [{ kind: "add_table" }, { kind: "delete_table" }];

function buildTable({ filter, leaseMs }: LeasedFilter): readonly Statement[] {
  return [
    { kind: "add_table" },
    ...filterSets.map((set): Statement => ({ kind: "add_set", set })),
    ...filterChains.map((chain): Statement => ({ kind: "add_chain", chain })),
    ...addRules(filter.interface),
    ...changeElements("add_elements", ownSets, filter.addresses),
    ...changeElements("add_elements", sourceSets, filter.sources),
    ...planLease(filter.interface, leaseMs),
  ];
}

const exchangeRules = (tunnel: InterfaceName): readonly Statement[] => [
  ...filterChains.map(({ name }): Statement => ({ kind: "flush_chain", chain: name })),
  ...addRules(tunnel),
];

const addRules = (tunnel: InterfaceName): readonly Statement[] =>
  rulesOf(tunnel).map(({ chain, rule }) => ({ kind: "add_rule", chain, rule }));

type SetByFamily = Readonly<Record<Family, string>>;

const exchangeElements = (
  sets: SetByFamily,
  from: ReadonlySet<IpAddress>,
  to: ReadonlySet<IpAddress>,
): readonly Statement[] => [
  ...changeElements("add_elements", sets, to.difference(from)),
  ...changeElements("delete_elements", sets, from.difference(to)),
];

function changeElements(
  kind: "add_elements" | "delete_elements",
  sets: SetByFamily,
  addresses: Iterable<IpAddress>,
): readonly Statement[] {
  const elements: Record<Family, Element[]> = { 4: [], 6: [] };
  for (const address of addresses)
    elements[familyOf(address)].push({ key: encodeIp(address), timeoutMs: null });
  return ([4, 6] as const)
    .filter((family) => elements[family].length > 0)
    .map((family) => ({ kind, set: sets[family], elements: elements[family] }));
}
