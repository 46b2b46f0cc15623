/**
 * plan turns the difference between wanted and found into steps. What takes something away from
 * somebody comes first and is a part of its own: when granting fails and is undone, what was
 * withdrawn stays withdrawn.
 *
 * The order of granting is that of phase 10, section 8: device and peers, addresses and routes, then
 * the filter opens. The closed filter is there before all of it, so no packet ever meets an open one.
 */
import type { Cidr, IpAddress } from "../model/ip.ts";
import type { TunnelKey } from "../model/keys.ts";
import type { Peer, PrefixOwners, TunnelState } from "../model/tunnel.ts";
import type { Filter, FilterState } from "./filter.ts";
import type { Found, TunnelConfig, Wanted } from "./host-state.ts";
import type { Step } from "./step.ts";

export type Plan = {
  /** Steps that only take away. A fault among them closes the node. */
  readonly withdraw: readonly Step[];
  /** Steps that add or change. A fault among them is undone, and the node goes on as it was. */
  readonly grant: readonly Step[];
};

/** A lease this much shorter than wanted is renewed; the kernel counts while we look. */
const leaseSlackMs = 1_000;

/**
 * The steps to what is wanted. A device that is there but not yet ours is taken over first, and the
 * next plan, made from what is found in it, goes on from there.
 */
export function plan(wanted: Wanted, found: Found): Plan {
  const kept = keep(wanted, found);
  return { withdraw: withdraw(found, kept), grant: grant(wanted, kept) };
}

export const isEmpty = (plan: Plan): boolean =>
  plan.withdraw.length === 0 && plan.grant.length === 0;

/** The steps to nothing: the device goes before the filter that guards it. */
export function planRemoval(config: TunnelConfig, found: Found): readonly Step[] {
  if (found.tunnel === null && found.link !== "absent") return [{ kind: "adopt_tunnel", config }];
  const nothing: Found = {
    ...found,
    tunnel: found.tunnel === null ? null : withPeers(found.tunnel, new Map(), new Map()),
    addresses: new Set(),
    routes: new Set(),
  };
  return [
    ...withdraw(found, nothing),
    ...(found.link === "up" ? [{ kind: "link_down" } as const] : []),
    ...(found.tunnel === null ? [] : [{ kind: "remove_tunnel", config } as const]),
    ...(found.filter.kind === "absent"
      ? []
      : [{ kind: "set_filter", from: found.filter, to: null } as const]),
  ];
}

/** What is left of the found when all that is not wanted has gone. */
function keep(wanted: Wanted, found: Found): Found {
  const { tunnel } = found;
  return {
    link: found.link,
    tunnel: tunnel === null ? null : keepTunnel(wanted, tunnel),
    addresses: found.addresses.intersection(wanted.addresses),
    routes: found.routes.intersection(wanted.routes),
    filter: isGuarded(wanted, found) ? keepFilter(wanted, found.filter) : closed(wanted.filter),
  };
}

function keepTunnel({ peers, owners }: Wanted, tunnel: TunnelState): TunnelState {
  // A peer that goes takes its prefixes along, also those that somebody else is to get.
  const isKept = ([cidr, key]: [Cidr, TunnelKey]): boolean => owners.has(cidr) && peers.has(key);
  return withPeers(
    tunnel,
    new Map([...tunnel.peers].filter(([key]) => peers.has(key))),
    new Map([...tunnel.owners].filter(isKept)),
  );
}

const withPeers = (
  tunnel: TunnelState,
  peers: TunnelState["peers"],
  owners: PrefixOwners,
): TunnelState => ({ ...tunnel, peers, owners });

/**
 * A device without an intact filter of ours is open to all of its peers. To close it takes away from
 * them, so it belongs among the withdrawals: undone with a failed grant, it would be open again.
 */
function isGuarded({ filter: wanted }: Wanted, { link, filter }: Found): boolean {
  if (filter.kind === "loaded") return filter.filter.interface === wanted.interface;
  return filter.kind === "absent" && link === "absent";
}

const closed = (filter: Filter): FilterState => ({
  kind: "loaded",
  filter: { ...filter, sources: nobody },
  leaseMs: 0,
});

function keepFilter({ filter: wanted, leaseMs }: Wanted, found: FilterState): FilterState {
  if (found.kind !== "loaded") return found;
  const sources = found.filter.sources.intersection(wanted.sources);
  return {
    kind: "loaded",
    filter: { ...found.filter, sources },
    leaseMs: isFar(found.leaseMs, leaseMs) ? Math.min(found.leaseMs, leaseMs) : found.leaseMs,
  };
}

const isFar = (foundMs: number, wantedMs: number): boolean =>
  wantedMs === 0 ? foundMs > 0 : Math.abs(wantedMs - foundMs) > leaseSlackMs;

function withdraw(found: Found, kept: Found): readonly Step[] {
  return [
    ...withdrawFilter(found.filter, kept.filter),
    ...each(found.routes.difference(kept.routes), (cidr) => ({ kind: "remove_route", cidr })),
    ...withdrawPrefixes(found.tunnel?.owners ?? new Map(), kept.tunnel?.owners ?? new Map()),
    ...sorted(goneFrom(found, kept)).map((peer): Step => ({ kind: "remove_peer", peer })),
    ...each(found.addresses.difference(kept.addresses), (address) => ({
      kind: "remove_address",
      address,
    })),
  ];
}

function withdrawFilter(found: FilterState, kept: FilterState): readonly Step[] {
  if (kept.kind !== "loaded") return [];
  if (found.kind !== "loaded" || found.filter.interface !== kept.filter.interface)
    return [{ kind: "set_filter", from: found, to: kept.filter }];
  const remove = found.filter.sources.difference(kept.filter.sources);
  const [fromMs, toMs] = [found.leaseMs, kept.leaseMs];
  return [
    ...(remove.size === 0 ? [] : [{ kind: "change_sources", add: nobody, remove } as const]),
    ...(fromMs === toMs ? [] : [{ kind: "set_lease", fromMs, toMs } as const]),
  ];
}

function withdrawPrefixes(found: PrefixOwners, kept: PrefixOwners): readonly Step[] {
  return [...found]
    .filter(([cidr, from]) => kept.get(cidr) !== from)
    .sort(byPrefix)
    .map(([cidr, from]): Step => ({ kind: "move_prefix", cidr, from, to: null }));
}

function grant(wanted: Wanted, kept: Found): readonly Step[] {
  const guarded = guard(wanted, kept.filter);
  const { config } = wanted;
  if (kept.tunnel === null) {
    const kind = kept.link === "absent" ? "create_tunnel" : "adopt_tunnel";
    return [...guarded, { kind, config }];
  }
  return [
    ...guarded,
    ...grantPeers(wanted.peers, kept.tunnel.peers),
    ...grantPrefixes(wanted.owners, kept.tunnel.owners),
    ...each(wanted.addresses.difference(kept.addresses), (address) => ({
      kind: "add_address",
      address,
    })),
    ...(kept.link === "up" ? [] : [{ kind: "link_up" } as const]),
    ...each(wanted.routes.difference(kept.routes), (cidr) => ({ kind: "add_route", cidr })),
    ...openFilter(wanted, kept.filter),
  ];
}

/** The filter as it must be before anything else is: in place, and open to nobody new. */
function guard({ filter }: Wanted, from: FilterState): readonly Step[] {
  if (from.kind === "loaded" && isSameGuard(from.filter, filter)) return [];
  const sources = from.kind === "loaded" ? from.filter.sources : nobody;
  return [{ kind: "set_filter", from, to: { ...filter, sources } }];
}

const isSameGuard = (left: Filter, right: Filter): boolean =>
  left.interface === right.interface &&
  left.addresses.symmetricDifference(right.addresses).size === 0;

function openFilter({ filter, leaseMs: toMs }: Wanted, kept: FilterState): readonly Step[] {
  const isKept = kept.kind === "loaded";
  const add = filter.sources.difference(isKept ? kept.filter.sources : nobody);
  // A new filter has no lease yet: nothing passes until this step, the last.
  const fromMs = isKept && isSameGuard(kept.filter, filter) ? kept.leaseMs : 0;
  return [
    ...(add.size === 0 ? [] : [{ kind: "change_sources", add, remove: nobody } as const]),
    ...(isFar(fromMs, toMs) ? [{ kind: "set_lease", fromMs, toMs } as const] : []),
  ];
}

function grantPeers(wanted: Wanted["peers"], kept: TunnelState["peers"]): readonly Step[] {
  // Almost all are as they should be: only what is left is put in order.
  const unsettled = [...wanted.values()].filter((to) => !isSettled(kept.get(to.key), to));
  return sorted(unsettled).map((to): Step => {
    const from = kept.get(to.key);
    if (from === undefined) return { kind: "add_peer", peer: to };
    return { kind: "change_peer", from: settingsOf(from), to };
  });
}

/** A peer that may stay where it is, or is there already, needs no change. */
const isSettled = (from: Peer | undefined, to: Peer): boolean =>
  from?.keepaliveS === to.keepaliveS && (to.endpoint === null || to.endpoint === from.endpoint);

function grantPrefixes(wanted: PrefixOwners, kept: PrefixOwners): readonly Step[] {
  return [...wanted]
    .filter(([cidr, to]) => kept.get(cidr) !== to)
    .sort(byPrefix)
    .map(([cidr, to]): Step => ({ kind: "move_prefix", cidr, from: kept.get(cidr) ?? null, to }));
}

const nobody: ReadonlySet<IpAddress> = new Set();

const settingsOf = ({ key, endpoint, keepaliveS }: Peer): Peer => ({ key, endpoint, keepaliveS });

const goneFrom = (found: Found, kept: Found): readonly Peer[] =>
  [...(found.tunnel?.peers.values() ?? [])].filter(({ key }) => !kept.tunnel?.peers.has(key));

const sorted = (peers: readonly Peer[]): readonly Peer[] =>
  peers.map(settingsOf).sort((left, right) => (left.key < right.key ? -1 : 1));

const byPrefix = ([left]: [Cidr, TunnelKey], [right]: [Cidr, TunnelKey]): number =>
  left < right ? -1 : 1;

const each = <T extends string>(items: ReadonlySet<T>, step: (item: T) => Step): readonly Step[] =>
  [...items].sort((left, right) => (left < right ? -1 : 1)).map(step);
