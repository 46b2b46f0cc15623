/** addresses owns the tunnel's addresses on its interface, and knows the host's other ones. */
import { Fault } from "../base/fault.ts";
import { isNetlinkError } from "../kernel/netlink.ts";
import {
  type AddressChange,
  addLinkAddress,
  type LinkAddress,
  listLinkAddresses,
  removeLinkAddress,
} from "../kernel/rtnetlink-addresses.ts";
import { type Link, listLinks } from "../kernel/rtnetlink-links.ts";
import { type Cidr, cidrOf, decodeIp, encodeIp, familyOf, type IpAddress } from "../model/ip.ts";
import type { InterfaceName } from "../model/names.ts";
import type { RouteSocket } from "./route-socket.ts";

/** The single addresses (/32 and /128) of the interface: none when it is not there. */
export function listTunnelAddresses(
  socket: RouteSocket,
  name: InterfaceName,
): ReadonlySet<IpAddress> {
  const link = socket.findLink(name);
  if (link === null) return new Set();
  const all = socket.ask("list addresses", listLinkAddresses);
  const own = all.filter(({ linkIndex, bits, address }) => {
    return linkIndex === link.index && bits === 8 * address.length;
  });
  return new Set(own.flatMap(({ address }) => decodeIp(address) ?? []));
}

/** Adds the address alone, without a route. One that is there already is no error. */
export function addTunnelAddress(socket: RouteSocket, name: InterfaceName, address: IpAddress) {
  const change = changeOf(socket.getLink(name), address);
  socket.ask(`add ${address} to ${name}`, (netlink) => {
    try {
      addLinkAddress(netlink, change);
    } catch (error) {
      if (isNetlinkError(error, "accessDenied")) throw ipv6Disabled(name, error);
      if (!isNetlinkError(error, "exists")) throw error;
    }
  });
}

/** One that is not there is no error. */
export function removeTunnelAddress(socket: RouteSocket, name: InterfaceName, address: IpAddress) {
  const link = socket.findLink(name);
  if (link === null) return;
  socket.ask(`remove ${address} from ${name}`, (netlink) => {
    try {
      removeLinkAddress(netlink, changeOf(link, address));
    } catch (error) {
      if (!isNetlinkError(error, "addressNotAvailable")) throw error;
    }
  });
}

export type LocalAddress = { readonly address: IpAddress; readonly network: Cidr };

/**
 * Where other hosts may reach this one: addresses of global scope on interfaces that are up and have
 * somebody at the other end. Not those of the tunnel, nor those that the host is about to give up.
 */
export function listUnderlayAddresses(
  socket: RouteSocket,
  tunnel: InterfaceName,
): readonly LocalAddress[] {
  const links = new Map(socket.ask("list links", listLinks).map((link) => [link.index, link]));
  return socket.ask("list addresses", listLinkAddresses).flatMap((found) => {
    const link = links.get(found.linkIndex);
    if (link === undefined || link.name === tunnel) return [];
    return isReachable(found, link) ? describe(found) : [];
  });
}

function isReachable(found: LinkAddress, link: Link): boolean {
  if (!link.isUp || !link.hasCarrier || link.isLoopback) return false;
  return found.scope === "global" && !found.isUnusable && !found.isTemporary;
}

function describe({ address: bytes, bits }: LinkAddress): readonly LocalAddress[] {
  const address = decodeIp(bytes);
  // Some hosts give link-local IPv4 addresses (RFC 3927) global scope.
  const isLinkLocal = bytes.length === 4 && bytes[0] === 169 && bytes[1] === 254;
  return address === null || isLinkLocal ? [] : [{ address, network: cidrOf(address, bits) }];
}

function changeOf(link: Link, address: IpAddress): AddressChange {
  const bits = familyOf(address) === 4 ? 32 : 128;
  return { linkIndex: link.index, address: encodeIp(address), bits };
}

function ipv6Disabled(name: InterfaceName, cause: unknown): Fault {
  return new Fault("host_failed", `the host has IPv6 switched off on ${name}`, {
    cause,
    remedy: `sysctl -w net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.${name}.disable_ipv6=0`,
  });
}
