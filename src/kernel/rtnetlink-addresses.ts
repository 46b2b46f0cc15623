/** rtnetlink-addresses lists, adds and removes the addresses of interfaces (linux/if_addr.h). */
import type { Netlink } from "./netlink.ts";
import {
  attributeMap,
  type Message,
  MessageWriter,
  messageFlag,
  readU32,
  viewOf,
} from "./netlink-message.ts";
import { addressFamily, dump, familyOfBytes, routeMessage } from "./rtnetlink.ts";

export type LinkAddress = {
  readonly linkIndex: number;
  /** 4 or 16 bytes in network order. */
  readonly address: Uint8Array;
  readonly bits: number;
  readonly scope: "global" | "site" | "link" | "host" | "other";
  /** An IPv6 address that is not, or no longer, to be used: unproven, a duplicate, or deprecated. */
  readonly isUnusable: boolean;
  /** An IPv6 address that the host replaces every so often for privacy (RFC 8981). */
  readonly isTemporary: boolean;
};

const attribute = { address: 1, local: 2, flags: 8 } as const;
const flag = {
  temporary: 0x01,
  noDuplicateDetection: 0x02,
  duplicate: 0x08,
  deprecated: 0x20,
  tentative: 0x40,
  noPrefixRoute: 0x200,
} as const;
const scopes: Readonly<Record<number, LinkAddress["scope"]>> = {
  0: "global",
  200: "site",
  253: "link",
  254: "host",
};
const headerSizeBytes = 8;

/** Every address of every interface. Throws NetlinkError. */
export function listLinkAddresses(netlink: Netlink): readonly LinkAddress[] {
  const flags = messageFlag.request | messageFlag.dump;
  const make = () => header(new MessageWriter(routeMessage.getAddress, flags), 0, 0, 0);
  return dump(netlink, "list addresses", make).flatMap((message) => decodeAddress(message) ?? []);
}

export type AddressChange = Pick<LinkAddress, "linkIndex" | "address" | "bits">;

/**
 * Adds an address that is usable at once and brings no route of its own: what is reachable through
 * the interface is decided by routes alone. Throws NetlinkError (EEXIST when it is there).
 */
export function addLinkAddress(netlink: Netlink, wanted: AddressChange): void {
  netlink.request("add an address", encodeAddAddress(wanted));
}

export function encodeAddAddress(wanted: AddressChange): MessageWriter {
  const { request, acknowledge, create, exclusive } = messageFlag;
  const flags = request | acknowledge | create | exclusive;
  return encodeAddress(new MessageWriter(routeMessage.newAddress, flags), wanted).attributeU32(
    attribute.flags,
    flag.noPrefixRoute | flag.noDuplicateDetection,
  );
}

/** Throws NetlinkError (EADDRNOTAVAIL when it is not there). */
export function removeLinkAddress(netlink: Netlink, unwanted: AddressChange): void {
  const { request, acknowledge } = messageFlag;
  const message = new MessageWriter(routeMessage.removeAddress, request | acknowledge);
  netlink.request("remove an address", encodeAddress(message, unwanted));
}

/** Returns null for a message of another family than IP. */
export function decodeAddress(message: Pick<Message, "payload">): LinkAddress | null {
  const fixed = viewOf(message.payload);
  const family = fixed.getUint8(0);
  if (family !== addressFamily.ipv4 && family !== addressFamily.ipv6) return null;
  const attributes = attributeMap(message.payload.subarray(headerSizeBytes));
  // On a point-to-point link IFA_ADDRESS is the far end; IFA_LOCAL, if there, is always ours.
  const address = attributes.get(attribute.local) ?? attributes.get(attribute.address);
  if (address === undefined) return null;
  const wide = attributes.get(attribute.flags);
  const flags = wide === undefined ? fixed.getUint8(2) : readU32(wide);
  const isIpv6 = family === addressFamily.ipv6;
  return {
    linkIndex: fixed.getUint32(4, true),
    address: address.slice(),
    bits: fixed.getUint8(1),
    scope: scopes[fixed.getUint8(3)] ?? "other",
    isUnusable: isIpv6 && (flags & (flag.tentative | flag.duplicate | flag.deprecated)) !== 0,
    // The same bit means "secondary" in IPv4, which is no reason to avoid an address.
    isTemporary: isIpv6 && (flags & flag.temporary) !== 0,
  };
}

function encodeAddress(message: MessageWriter, change: AddressChange): MessageWriter {
  header(message, familyOfBytes(change.address), change.bits, change.linkIndex);
  message.attribute(attribute.local, change.address);
  return message.attribute(attribute.address, change.address);
}

/** struct ifaddrmsg, with scope global. */
function header(message: MessageWriter, family: number, bits: number, index: number) {
  return message.u8(family).u8(bits).u8(0).u8(0).u32(index);
}
