/**
 * intent says what the host should look like, given what the node believes. It is the only place
 * where membership and policy turn into peers, prefixes, routes and the filter.
 */
import type { State } from "../membership/state.ts";
import { hostCidr, type IpAddress } from "../model/ip.ts";
import type { NodeId } from "../model/ids.ts";
import type { TunnelKey } from "../model/keys.ts";
import type { Cidr, Endpoint } from "../model/ip.ts";
import type { Peer } from "../model/tunnel.ts";
import { allows } from "../policy/access.ts";
import type { TunnelConfig, Wanted } from "./host-state.ts";

/** One other member that has said how it can be reached. */
export type Reachable = { readonly node: NodeId; readonly tunnelKey: TunnelKey };

/** Often enough to hold a NAT's mapping open: many forget one after 30 s without traffic. */
const keepaliveS = 25;

/**
 * Null when the node itself is no active member: then nothing of the tunnel is to be on the host.
 * `endpoints` says where to send first to peers that do not answer yet.
 */
export function intend(
  state: State,
  self: NodeId,
  reachable: Iterable<Reachable>,
  endpoints: ReadonlyMap<NodeId, Endpoint>,
  terms: {
    readonly config: TunnelConfig;
    readonly leaseMs: number;
    /** The key of this host's own device; null while there is none. */
    readonly ownKey: TunnelKey | null;
    /** Peers who are to make the first move: they are sent nothing unasked. */
    readonly awaited: ReadonlySet<NodeId>;
  },
): Wanted | null {
  const me = state.nodes.get(self);
  if (me?.status !== "active") return null;
  const peers = new Map<TunnelKey, Peer>();
  const owners = new Map<Cidr, TunnelKey>();
  const sources = new Set<IpAddress>();
  for (const { node: id, tunnelKey: key } of reachable) {
    // Whoever shows our key does not hold it, and no device takes itself for a peer.
    if (key === terms.ownKey) continue;
    const node = state.nodes.get(id);
    const isInbound = allows(state, id, self);
    // A flow needs its answers: a peer that only we may call is a peer all the same.
    if (node === undefined || !(isInbound || allows(state, self, id))) continue;
    const keepalive = terms.awaited.has(id) ? 0 : keepaliveS;
    peers.set(key, { key, endpoint: endpoints.get(id) ?? null, keepaliveS: keepalive });
    for (const address of [node.ipv4, node.ipv6]) {
      owners.set(hostCidr(address), key);
      if (isInbound) sources.add(address);
    }
  }
  const addresses = new Set<IpAddress>([me.ipv4, me.ipv6]);
  return {
    config: terms.config,
    peers,
    owners,
    addresses,
    // The whole ranges, so that a packet to nobody ends here and not at the default gateway.
    routes: new Set([state.ranges.ipv4, state.ranges.ipv6]),
    filter: { interface: terms.config.interface, addresses, sources },
    leaseMs: terms.leaseMs,
  };
}
