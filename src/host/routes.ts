/** routes owns our routes into the tunnel, told from all others by their protocol number. */
import { Fault } from "../base/fault.ts";
import { isNetlinkError } from "../kernel/netlink.ts";
import { addressFamily } from "../kernel/rtnetlink.ts";
import { listLinkAddresses } from "../kernel/rtnetlink-addresses.ts";
import { listLinks } from "../kernel/rtnetlink-links.ts";
import {
  addRoute,
  listRoutes,
  type Route,
  type RouteChange,
  removeRoute,
  routeTable,
} from "../kernel/rtnetlink-routes.ts";
import { type Cidr, cidrOf, decodeIp, encodeIp, familyOf, splitCidr } from "../model/ip.ts";
import type { InterfaceName } from "../model/names.ts";
import type { RouteSocket } from "./route-socket.ts";

/** The `proto` of our routes: a number that rt_protos gives to nobody. */
export const routeProtocol = 82;

/** Our routes through the interface: none when it is not there. */
export function listTunnelRoutes(socket: RouteSocket, name: InterfaceName): ReadonlySet<Cidr> {
  const link = socket.findLink(name);
  if (link === null) return new Set();
  const ours = socket.ask("list routes", (netlink) => listRoutes(netlink, routeProtocol));
  const through = ours.filter(({ linkIndex, table }) => {
    return linkIndex === link.index && table === routeTable.main;
  });
  return new Set(through.flatMap((route) => destinationOf(route) ?? []));
}

/**
 * Sends the prefix into the tunnel. A route of ours that is there already is no error; one of
 * somebody else to the very prefix is Fault `route_overlap`.
 */
export function addTunnelRoute(socket: RouteSocket, name: InterfaceName, cidr: Cidr): void {
  const change = changeOf(socket.getLink(name).index, cidr);
  socket.ask(`add a route to ${cidr}`, (netlink) => {
    try {
      addRoute(netlink, change);
    } catch (error) {
      if (!isNetlinkError(error, "exists")) throw error;
      if (!listTunnelRoutes(socket, name).has(cidr)) throw occupied(cidr, error);
    }
  });
}

/** A route that is not there is no error. */
export function removeTunnelRoute(socket: RouteSocket, name: InterfaceName, cidr: Cidr): void {
  const link = socket.findLink(name);
  if (link === null) return;
  socket.ask(`remove the route to ${cidr}`, (netlink) => {
    try {
      removeRoute(netlink, changeOf(link.index, cidr));
    } catch (error) {
      if (!isNetlinkError(error, "noProcess")) throw error;
    }
  });
}

export type ForeignNetwork = {
  readonly cidr: Cidr;
  /** The interface it is behind; for a route that drops packets, how it does that. */
  readonly interface: string;
  readonly isDefault: boolean;
};

/**
 * Every prefix that the host already reaches or has without us: routes of all tables, and networks of
 * addresses, except those of the tunnel itself and of the loopback.
 */
export function listForeignNetworks(
  socket: RouteSocket,
  tunnel: InterfaceName,
): readonly ForeignNetwork[] {
  const links = new Map(socket.ask("list links", listLinks).map((link) => [link.index, link]));
  const found = new Map<string, ForeignNetwork>();
  const note = (cidr: Cidr | null, linkIndex: number | null, otherwise: string) => {
    const link = linkIndex === null ? undefined : links.get(linkIndex);
    if (cidr === null || link?.name === tunnel || link?.isLoopback === true) return;
    const behind = link?.name ?? otherwise;
    const isDefault = splitCidr(cidr).bits === 0;
    found.set(`${cidr} ${behind}`, { cidr, interface: behind, isDefault });
  };
  for (const { address, bits, linkIndex } of socket.ask("list addresses", listLinkAddresses))
    note(networkOf(address, bits), linkIndex, "unknown");
  for (const route of socket.ask("list routes", (netlink) => listRoutes(netlink)))
    if (isForeign(route)) note(destinationOf(route), route.linkIndex, route.kind);
  return [...found.values()];
}

/** The local table repeats the addresses; broadcasts and multicasts are nobody's network. */
function isForeign({ protocol, table, kind }: Route): boolean {
  if (protocol === routeProtocol) return false;
  return table !== routeTable.local && kind !== "local" && kind !== "other";
}

const destinationOf = ({ destination, bits }: Route): Cidr | null => networkOf(destination, bits);

function networkOf(bytes: Uint8Array, bits: number): Cidr | null {
  const address = decodeIp(bytes);
  return address === null ? null : cidrOf(address, bits);
}

function changeOf(linkIndex: number, cidr: Cidr): RouteChange {
  const { address, bits } = splitCidr(cidr);
  const family = familyOf(address) === 4 ? addressFamily.ipv4 : addressFamily.ipv6;
  return { family, destination: encodeIp(address), bits, protocol: routeProtocol, linkIndex };
}

function occupied(cidr: Cidr, cause: unknown): Fault {
  return new Fault("route_overlap", `the host already has a route to ${cidr}`, {
    cause,
    remedy: `see whose it is (ip route show exact ${cidr}), or give the network another range`,
  });
}
