/** rtnetlink-routes lists, adds and removes routes of IPv4 and IPv6 (linux/rtnetlink.h). */
import type { Netlink } from "./netlink.ts";
import {
  attributeMap,
  type Message,
  MessageWriter,
  messageFlag,
  readU32,
  viewOf,
} from "./netlink-message.ts";
import { type AddressFamily, addressFamily, dump, routeMessage } from "./rtnetlink.ts";

export type RouteKind = "unicast" | "local" | "blackhole" | "unreachable" | "prohibit" | "other";

export type Route = {
  readonly family: AddressFamily;
  /** The destination's 4 or 16 bytes in network order: all zeros for a default route. */
  readonly destination: Uint8Array;
  readonly bits: number;
  readonly kind: RouteKind;
  readonly table: number;
  /** Who made the route (rt_protos). */
  readonly protocol: number;
  /** The interface; of a route with several ways out, the first. Null where packets end here. */
  readonly linkIndex: number | null;
  readonly gateway: Uint8Array | null;
  /** The source address that packets of this host's own take. */
  readonly source: Uint8Array | null;
};

/** Routing tables with a fixed number (RT_TABLE_*). */
export const routeTable = { main: 254, local: 255 } as const;

const kinds: Readonly<Record<number, RouteKind>> = {
  1: "unicast",
  2: "local",
  6: "blackhole",
  7: "unreachable",
  8: "prohibit",
};
const attribute = {
  destination: 1,
  linkIndex: 4,
  gateway: 5,
  source: 7,
  multipath: 9,
  table: 15,
} as const;
const kindUnicast = 1;
const scope = { universe: 0, link: 253, nowhere: 255 } as const;
const headerSizeBytes = 12;

/**
 * The routes of both families in all tables; of one maker alone when `protocol` is given, so that a
 * host with a full internet table is asked for ours only. Throws NetlinkError.
 */
export function listRoutes(netlink: Netlink, protocol?: number): readonly Route[] {
  const flags = messageFlag.request | messageFlag.dump;
  const ask = (family: AddressFamily) =>
    dump(netlink, "list routes", () =>
      header(new MessageWriter(routeMessage.getRoute, flags), { family, protocol: protocol ?? 0 }),
    );
  const routes = [...ask(addressFamily.ipv4), ...ask(addressFamily.ipv6)].flatMap(
    (message) => decodeRoute(message) ?? [],
  );
  return protocol === undefined ? routes : routes.filter((route) => route.protocol === protocol);
}

export type RouteChange = Pick<Route, "family" | "destination" | "bits" | "protocol"> & {
  readonly linkIndex: number;
  readonly source?: Uint8Array;
};

/**
 * Adds a unicast route of the main table to what is directly at the interface's other end. Throws
 * NetlinkError (EEXIST when anyone's route to that prefix with the same metric is there).
 */
export function addRoute(netlink: Netlink, wanted: RouteChange): void {
  netlink.request("add a route", encodeAddRoute(wanted));
}

export function encodeAddRoute(wanted: RouteChange): MessageWriter {
  const { request, acknowledge, create, exclusive } = messageFlag;
  const flags = request | acknowledge | create | exclusive;
  const message = new MessageWriter(routeMessage.newRoute, flags);
  // IPv6 knows no scopes of routes.
  const reach = wanted.family === addressFamily.ipv4 ? scope.link : scope.universe;
  return encodeRoute(message, wanted, { scope: reach, kind: kindUnicast });
}

/** Removes the route that matches in every field given. Throws NetlinkError (ESRCH when none does). */
export function removeRoute(netlink: Netlink, unwanted: RouteChange): void {
  const { request, acknowledge } = messageFlag;
  const message = new MessageWriter(routeMessage.removeRoute, request | acknowledge);
  const any = { scope: scope.nowhere, kind: 0 };
  netlink.request("remove a route", encodeRoute(message, unwanted, any));
}

/** Returns null for a message of another family than IP, or a clone that the kernel made itself. */
export function decodeRoute(message: Pick<Message, "payload">): Route | null {
  const { payload } = message;
  const family = payload[0];
  if (family !== addressFamily.ipv4 && family !== addressFamily.ipv6) return null;
  const isCloned = (viewOf(payload).getUint32(8, true) & 0x200) !== 0;
  if (isCloned) return null;
  const attributes = attributeMap(payload.subarray(headerSizeBytes));
  const table = attributes.get(attribute.table);
  const any = new Uint8Array(family === addressFamily.ipv4 ? 4 : 16);
  return {
    family,
    destination: attributes.get(attribute.destination)?.slice() ?? any,
    bits: payload[1] ?? 0,
    kind: kinds[payload[7] ?? 0] ?? "other",
    table: table === undefined ? (payload[4] ?? 0) : readU32(table),
    protocol: payload[5] ?? 0,
    linkIndex: wayOut(attributes),
    gateway: attributes.get(attribute.gateway)?.slice() ?? null,
    source: attributes.get(attribute.source)?.slice() ?? null,
  };
}

function wayOut(attributes: ReadonlyMap<number, Uint8Array>): number | null {
  const single = attributes.get(attribute.linkIndex);
  if (single !== undefined) return readU32(single);
  // struct rtnexthop: length, flags, hops, then the interface's index.
  const several = attributes.get(attribute.multipath);
  return several === undefined || several.length < 8 ? null : readU32(several.subarray(4));
}

function encodeRoute(
  message: MessageWriter,
  route: RouteChange,
  fixed: { readonly scope: number; readonly kind: number },
): MessageWriter {
  header(message, { ...fixed, ...route, table: routeTable.main });
  message.attribute(attribute.destination, route.destination);
  message.attributeU32(attribute.linkIndex, route.linkIndex);
  if (route.source !== undefined) message.attribute(attribute.source, route.source);
  return message;
}

type Header = {
  readonly family: number;
  readonly bits?: number;
  readonly table?: number;
  readonly protocol: number;
  readonly scope?: number;
  readonly kind?: number;
};

/** struct rtmsg. */
function header(message: MessageWriter, route: Header): MessageWriter {
  const { family, bits = 0, table = 0, protocol, scope: reach = 0, kind = 0 } = route;
  const noSource = 0;
  const noService = 0;
  message.u8(family).u8(bits).u8(noSource).u8(noService);
  return message.u8(table).u8(protocol).u8(reach).u8(kind).u32(0);
}
