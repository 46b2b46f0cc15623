/** kernel-request encodes what is asked of the kernel's device (linux/wireguard.h). */
import { unreachable } from "../../base/assert.ts";
import { genericMessage } from "../../kernel/generic-netlink.ts";
import { type MessageWriter, messageFlag, viewOf } from "../../kernel/netlink-message.ts";
import { addressFamily } from "../../kernel/rtnetlink.ts";
import {
  type Cidr,
  type Endpoint,
  encodeIp,
  familyOf,
  splitCidr,
  splitEndpoint,
} from "../../model/ip.ts";
import type { TunnelKey } from "../../model/keys.ts";
import { type DeviceChange, nobody, type PeerChange } from "./device.ts";
import {
  command,
  deviceAttribute as device,
  familyVersion,
  peerAttribute as peer,
  peerFlag,
  prefixAttribute as prefix,
} from "./kernel-attributes.ts";

/** An attribute holds at most 65 535 bytes; a prefix takes up to 40 and a peer up to 100 besides. */
const messageSizeMaxBytes = 40 * 1024;
const prefixesPerEntryMax = 500;

export function encodeGetDevice(family: number, name: string): MessageWriter {
  const { request, dump } = messageFlag;
  const message = genericMessage(withVersion(family), command.get, request | dump);
  return message.attributeText(device.name, name);
}

/** The change as messages to be sent in this order; each is small enough for the kernel to take. */
export function encodeSetDevice(
  family: number,
  name: string,
  change: DeviceChange,
): readonly MessageWriter[] {
  const entries = change.peers.flatMap(peerEntries);
  const messages: MessageWriter[] = [];
  do {
    const message = startSet(family, name);
    if (messages.length === 0) writeSettings(message, change.settings);
    writeEntries(message, entries);
    messages.push(message);
  } while (entries.length > 0);
  return messages;
}

function startSet(family: number, name: string): MessageWriter {
  const { request, acknowledge } = messageFlag;
  const message = genericMessage(withVersion(family), command.set, request | acknowledge);
  return message.attributeText(device.name, name);
}

function writeSettings(message: MessageWriter, settings: DeviceChange["settings"]): void {
  const { secret, listenPort, mark } = settings;
  if (secret !== undefined) secret.expose((bytes) => message.attribute(device.secret, bytes));
  if (listenPort !== undefined) message.attributeU16(device.listenPort, listenPort);
  if (mark !== undefined) message.attributeU32(device.mark, mark);
}

/** Moves entries from the list into the message until it is full. */
function writeEntries(message: MessageWriter, entries: PeerEntry[]): void {
  if (entries.length === 0) return;
  message.nest(device.peers, (list) => {
    while (list.sizeBytes < messageSizeMaxBytes) {
      const entry = entries.shift();
      if (entry === undefined) return;
      list.nest(0, (inner) => writeEntry(inner, entry));
    }
  });
}

/** One peer as it stands in a message. A peer may stand in it several times. */
type PeerEntry = {
  readonly key: TunnelKey;
  readonly flags: number;
  readonly endpoint?: Endpoint | null;
  readonly keepaliveS?: number;
  readonly cidrs?: readonly Cidr[];
};

function peerEntries(change: PeerChange): readonly PeerEntry[] {
  switch (change.kind) {
    case "set":
      return [{ ...change, flags: 0 }];
    case "remove":
      return [{ key: change.key, flags: peerFlag.remove }];
    case "give":
      return giveEntries(change.key, peerFlag.updateOnly, change.cidrs);
    case "drop":
      return [...giveEntries(nobody, 0, change.cidrs), { key: nobody, flags: peerFlag.remove }];
    default:
      return unreachable(change);
  }
}

function giveEntries(key: TunnelKey, flags: number, cidrs: readonly Cidr[]): PeerEntry[] {
  const entries: PeerEntry[] = [];
  for (let from = 0; from < cidrs.length; from += prefixesPerEntryMax)
    entries.push({ key, flags, cidrs: cidrs.slice(from, from + prefixesPerEntryMax) });
  return entries;
}

function writeEntry(message: MessageWriter, entry: PeerEntry): void {
  message.attribute(peer.publicKey, Uint8Array.fromHex(entry.key));
  if (entry.flags !== 0) message.attributeU32(peer.flags, entry.flags);
  const { endpoint, keepaliveS, cidrs } = entry;
  if (endpoint !== undefined && endpoint !== null)
    message.attribute(peer.endpoint, encodeEndpoint(endpoint));
  if (keepaliveS !== undefined) message.attributeU16(peer.keepalive, keepaliveS);
  if (cidrs === undefined) return;
  message.nest(peer.prefixes, (list) => {
    for (const cidr of cidrs) list.nest(0, (inner) => writePrefix(inner, cidr));
  });
}

function writePrefix(message: MessageWriter, cidr: Cidr): void {
  const { address, bits } = splitCidr(cidr);
  const family = familyOf(address) === 4 ? addressFamily.ipv4 : addressFamily.ipv6;
  message.attributeU16(prefix.family, family);
  message.attribute(prefix.address, encodeIp(address));
  message.attributeU8(prefix.bits, bits);
}

/** struct sockaddr_in or sockaddr_in6: the family in host order, port and address in network order. */
function encodeEndpoint(endpoint: Endpoint): Uint8Array {
  const { address, port } = splitEndpoint(endpoint);
  const isIpv4 = familyOf(address) === 4;
  const bytes = new Uint8Array(isIpv4 ? 16 : 28);
  const view = viewOf(bytes);
  view.setUint16(0, isIpv4 ? addressFamily.ipv4 : addressFamily.ipv6, true);
  view.setUint16(2, port);
  bytes.set(encodeIp(address), isIpv4 ? 4 : 8);
  return bytes;
}

const withVersion = (id: number) => ({ id, version: familyVersion });
