/** rtnetlink-links lists, makes, changes and removes network interfaces (linux/if_link.h). */
import { isNetlinkError, type Netlink } from "./netlink.ts";
import {
  attributeMap,
  type Message,
  MessageWriter,
  messageFlag,
  readText,
  readU32,
  viewOf,
} from "./netlink-message.ts";
import { dump, routeMessage } from "./rtnetlink.ts";

export type Link = {
  readonly index: number;
  readonly name: string;
  /** What made it, such as `veth` or `tun`; null for hardware and the loopback. */
  readonly kind: string | null;
  /** The free text that an administrator, or we, gave it (`ip link set … alias`). */
  readonly alias: string | null;
  readonly mtuBytes: number;
  readonly isUp: boolean;
  /** Up, and with something at the other end (IFF_RUNNING). */
  readonly hasCarrier: boolean;
  readonly isLoopback: boolean;
};

const attribute = { name: 3, mtu: 4, info: 18, alias: 20 } as const;
const infoKind = 1;
const flag = { up: 0x1, loopback: 0x8, running: 0x40 } as const;
const headerSizeBytes = 16;

/** Every interface of this network namespace. Throws NetlinkError. */
export function listLinks(netlink: Netlink): readonly Link[] {
  const { request, dump: all } = messageFlag;
  const make = () => header(new MessageWriter(routeMessage.getLink, request | all));
  return dump(netlink, "list links", make).map(decodeLink);
}

/** Returns null when there is no interface of that name. Throws NetlinkError. */
export function findLink(netlink: Netlink, name: string): Link | null {
  const message = header(new MessageWriter(routeMessage.getLink, messageFlag.request));
  try {
    const [answer] = netlink.request(`find ${name}`, message.attributeText(attribute.name, name));
    return answer === undefined ? null : decodeLink(answer);
  } catch (error) {
    if (isNetlinkError(error, "noDevice")) return null;
    throw error;
  }
}

export type NewLink = {
  readonly name: string;
  readonly kind: string;
  readonly mtuBytes?: number;
  readonly alias?: string;
};

/**
 * Makes a virtual interface, down. The kernel takes no alias with the creation, so it follows at
 * once; when that fails the interface is removed again. Throws NetlinkError.
 */
export function createLink(netlink: Netlink, wanted: NewLink): Link {
  netlink.request(`create ${wanted.name} of kind ${wanted.kind}`, encodeCreateLink(wanted));
  const link = findLink(netlink, wanted.name);
  if (link === null) throw new Error(`${wanted.name} vanished right after it was made`);
  if (wanted.alias === undefined) return link;
  try {
    setLink(netlink, link, { alias: wanted.alias });
    return { ...link, alias: wanted.alias };
  } catch (error) {
    removeLink(netlink, link);
    throw error;
  }
}

export function encodeCreateLink(wanted: NewLink): MessageWriter {
  const { request, acknowledge, create, exclusive } = messageFlag;
  const flags = request | acknowledge | create | exclusive;
  const message = header(new MessageWriter(routeMessage.newLink, flags));
  message.attributeText(attribute.name, wanted.name);
  if (wanted.mtuBytes !== undefined) message.attributeU32(attribute.mtu, wanted.mtuBytes);
  return message.nest(attribute.info, (info) => info.attributeText(infoKind, wanted.kind));
}

export type LinkChange = {
  readonly isUp?: boolean;
  readonly mtuBytes?: number;
  readonly alias?: string;
};

/** Changes what is named, in one request. Throws NetlinkError. */
export function setLink(netlink: Netlink, link: Pick<Link, "index" | "name">, to: LinkChange) {
  netlink.request(`change ${link.name}`, encodeSetLink(link.index, to));
}

export function encodeSetLink(index: number, to: LinkChange): MessageWriter {
  const { request, acknowledge } = messageFlag;
  const message = new MessageWriter(routeMessage.setLink, request | acknowledge);
  const mask = to.isUp === undefined ? 0 : flag.up;
  header(message, { index, flags: to.isUp === true ? flag.up : 0, mask });
  if (to.mtuBytes !== undefined) message.attributeU32(attribute.mtu, to.mtuBytes);
  // The kernel wants the alias without its closing zero: one would be stored as part of it.
  if (to.alias !== undefined)
    message.attribute(attribute.alias, new TextEncoder().encode(to.alias));
  return message;
}

/** Removes an interface by its index, which no other interface gets later. Throws NetlinkError. */
export function removeLink(netlink: Netlink, link: Pick<Link, "index" | "name">): void {
  const { request, acknowledge } = messageFlag;
  const message = new MessageWriter(routeMessage.removeLink, request | acknowledge);
  netlink.request(`remove ${link.name}`, header(message, { index: link.index, flags: 0, mask: 0 }));
}

export function decodeLink(message: Pick<Message, "payload">): Link {
  const fixed = viewOf(message.payload);
  const attributes = attributeMap(message.payload.subarray(headerSizeBytes));
  const text = (value: Uint8Array | undefined) => (value === undefined ? null : readText(value));
  const info = attributes.get(attribute.info);
  const mtu = attributes.get(attribute.mtu);
  const flags = fixed.getUint32(8, true);
  return {
    index: fixed.getInt32(4, true),
    name: text(attributes.get(attribute.name)) ?? "",
    kind: info === undefined ? null : text(attributeMap(info).get(infoKind)),
    alias: text(attributes.get(attribute.alias)),
    mtuBytes: mtu === undefined ? 0 : readU32(mtu),
    isUp: (flags & flag.up) !== 0,
    hasCarrier: (flags & flag.running) !== 0,
    isLoopback: (flags & flag.loopback) !== 0,
  };
}

/** struct ifinfomsg. */
function header(message: MessageWriter, link = { index: 0, flags: 0, mask: 0 }): MessageWriter {
  return message.u8(0).u8(0).u16(0).u32(link.index).u32(link.flags).u32(link.mask);
}
