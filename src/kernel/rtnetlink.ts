/** rtnetlink owns what links, addresses and routes share: numbers of linux/rtnetlink.h, and dumps. */
import { isNetlinkError, type Netlink } from "./netlink.ts";
import type { Message, MessageWriter } from "./netlink-message.ts";

export const routeMessage = {
  newLink: 16,
  removeLink: 17,
  getLink: 18,
  setLink: 19,
  newAddress: 20,
  removeAddress: 21,
  getAddress: 22,
  newRoute: 24,
  removeRoute: 25,
  getRoute: 26,
} as const;

/** Multicast groups that tell of changes (RTMGRP_*), to be combined with `|`. */
export const routeGroup = {
  link: 0x1,
  ipv4Address: 0x10,
  ipv4Route: 0x40,
  ipv6Address: 0x100,
  ipv6Route: 0x400,
} as const;

/** Address families as the kernel numbers them (linux/socket.h). */
export const addressFamily = { any: 0, ipv4: 2, ipv6: 10 } as const;
export type AddressFamily = typeof addressFamily.ipv4 | typeof addressFamily.ipv6;

/** The address family of 4 or 16 address bytes. */
export function familyOfBytes(address: Uint8Array): AddressFamily {
  return address.length === 4 ? addressFamily.ipv4 : addressFamily.ipv6;
}

const attemptsMax = 20;

/**
 * Asks for a whole table, again when it changed under the reading, so that the answer is one moment's.
 * `make` builds the request anew for each attempt. Throws NetlinkError.
 */
export function dump(
  netlink: Pick<Netlink, "request">,
  what: string,
  make: () => MessageWriter,
): readonly Message[] {
  for (let attempt = 1; ; attempt++) {
    try {
      return netlink.request(what, make());
    } catch (error) {
      if (!isNetlinkError(error, "interrupted") || attempt === attemptsMax) throw error;
    }
  }
}
