/** host-state: what is wanted of the host's network, and what was found there, in the same words. */
import type { Cidr, IpAddress } from "../model/ip.ts";
import type { TunnelKey } from "../model/keys.ts";
import type { InterfaceName } from "../model/names.ts";
import type { Peer, PrefixOwners, TunnelState } from "../model/tunnel.ts";
import type { Filter, FilterState } from "./filter.ts";

export type TunnelConfig = {
  readonly interface: InterfaceName;
  readonly listenPort: number;
  readonly mtuBytes: number;
  /** Firewall mark of the tunnel's own datagrams; 0 sets none. */
  readonly mark: number;
};

/** The whole of what is wanted. Nothing of ours is to be there beyond it. */
export type Wanted = {
  readonly config: TunnelConfig;
  readonly peers: ReadonlyMap<TunnelKey, Peer>;
  readonly owners: PrefixOwners;
  readonly addresses: ReadonlySet<IpAddress>;
  /** Prefixes that the host sends into the tunnel. */
  readonly routes: ReadonlySet<Cidr>;
  readonly filter: Filter;
  /** How long the kernel may go on without hearing from the daemon. 0 closes the tunnel. */
  readonly leaseMs: number;
};

/** What was found, read from the kernel for this very plan. */
export type Found = {
  readonly link: "absent" | "down" | "up";
  /** Null when there is no device, or one that this process has not taken over yet. */
  readonly tunnel: TunnelState | null;
  readonly addresses: ReadonlySet<IpAddress>;
  readonly routes: ReadonlySet<Cidr>;
  readonly filter: FilterState;
};

/** What would be found on a host that is as wanted, and whose kernel goes on for so long. */
export function foundAs(wanted: Wanted, key: TunnelKey, leaseMs: number): Found {
  const { config, peers, owners, addresses, routes, filter } = wanted;
  const unheard = { lastHandshakeS: null, receivedBytes: 0, sentBytes: 0 };
  const states = [...peers].map(([of, peer]) => [of, { ...peer, ...unheard }] as const);
  return {
    link: "up",
    tunnel: { key, listenPort: config.listenPort, peers: new Map(states), owners },
    addresses,
    routes,
    filter: { kind: "loaded", filter, leaseMs },
  };
}
