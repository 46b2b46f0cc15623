/**
 * pcap reads capture files: the classic libpcap format, and of each packet its addresses, ports and
 * payload. It owns nothing of how a capture is made. Sources: pcap-savefile(5), RFC 791, 8200, 768, 9293.
 */
import { Fault } from "../../src/base/fault.ts";
import { decodeIp } from "../../src/model/ip.ts";

export type Ip = {
  readonly version: 4 | 6;
  readonly source: string;
  readonly destination: string;
  /** IANA's number of what the packet carries, after any IPv6 extension headers. */
  readonly protocol: number;
  /** Time to live, or hop limit. */
  readonly hops: number;
};

type Ports = { readonly sourcePort: number; readonly destinationPort: number };
type Icmp = { readonly type: number; readonly code: number; readonly payload: Uint8Array };

/** `other` is what has no ports: an unknown protocol, a later fragment, a header cut short. */
export type Transport =
  | ({ readonly kind: "udp"; readonly payload: Uint8Array } & Ports)
  | ({ readonly kind: "tcp"; readonly flags: number; readonly payload: Uint8Array } & Ports)
  | ({ readonly kind: "icmp" } & Icmp)
  | ({ readonly kind: "icmpv6" } & Icmp)
  | { readonly kind: "other"; readonly payload: Uint8Array };

export type Packet = {
  /** Unix time, with the fraction that the file gives. */
  readonly timestampMs: number;
  /** All captured bytes, from the link layer on. */
  readonly frame: Uint8Array;
  /** What was on the wire, which may be more than was captured. */
  readonly wireBytes: number;
  /** Null for what is not IP, such as ARP. */
  readonly ip: Ip | null;
  readonly transport: Transport | null;
};

export type CaptureFile = { readonly linkType: number; readonly packets: readonly Packet[] };

/** The flag bits of TCP that tests ask about. */
export const tcpFlag = { fin: 1, syn: 2, reset: 4, push: 8, ack: 16 } as const;

const fileHeaderBytes = 24;
const recordHeaderBytes = 16;

/** Throws Fault unless the bytes are a capture. A last packet that was cut off is left out. */
export function parsePcap(file: Uint8Array): CaptureFile {
  const view = viewOf(file);
  const format = file.length < fileHeaderBytes ? undefined : formats[view.getUint32(0)];
  if (format === undefined) {
    throw new Fault(
      "store_corrupt",
      "not a libpcap file: its first bytes are not the magic number",
    );
  }
  const { isLittle, fractionsPerMs } = format;
  // The upper bits hold the length of a frame check sequence.
  const linkType = view.getUint32(20, isLittle) & 0xffff;
  const packets: Packet[] = [];
  for (let offset = fileHeaderBytes; offset + recordHeaderBytes <= file.length;) {
    const word = (index: number): number => view.getUint32(offset + 4 * index, isLittle);
    const end = offset + recordHeaderBytes + word(2);
    if (end > file.length) break;
    const frame = file.subarray(offset + recordHeaderBytes, end);
    const timestampMs = word(0) * 1_000 + word(1) / fractionsPerMs;
    packets.push({ timestampMs, frame, wireBytes: word(3), ...parseFrame(linkType, frame) });
    offset = end;
  }
  return { linkType, packets };
}

type Format = { readonly isLittle: boolean; readonly fractionsPerMs: number };

// The magic number, as it reads in big-endian order: in microseconds, then in nanoseconds.
const formats: Readonly<Record<number, Format>> = {
  0xa1b2c3d4: { isLittle: false, fractionsPerMs: 1e3 },
  0xd4c3b2a1: { isLittle: true, fractionsPerMs: 1e3 },
  0xa1b23c4d: { isLittle: false, fractionsPerMs: 1e6 },
  0x4d3cb2a1: { isLittle: true, fractionsPerMs: 1e6 },
};

const nothing = { ip: null, transport: null } as const;

function parseFrame(linkType: number, frame: Uint8Array): Pick<Packet, "ip" | "transport"> {
  const start = networkOffset(linkType, frame);
  if (start === null) return nothing;
  const packet = frame.subarray(start);
  const version = (packet[0] ?? 0) >> 4;
  if (version === 4 && packet.length >= 20) return parseIpv4(packet);
  if (version === 6 && packet.length >= 40) return parseIpv6(packet);
  return nothing;
}

/** Where the network layer begins; null when the frame carries no IP. Numbers from tcpdump.org. */
function networkOffset(linkType: number, frame: Uint8Array): number | null {
  const isIp = (etherTypeAt: number): boolean =>
    [0x0800, 0x86dd].includes(readUint16(frame, etherTypeAt));
  switch (linkType) {
    case 1: // Ethernet, perhaps with one VLAN tag.
      if (readUint16(frame, 12) === 0x8100) return isIp(16) ? 18 : null;
      return isIp(12) ? 14 : null;
    case 113: // Linux cooked capture.
      return isIp(14) ? 16 : null;
    case 276: // Linux cooked capture, version 2.
      return isIp(0) ? 20 : null;
    case 12:
    case 101:
    case 228:
    case 229: // Raw IP, as of a tunnel's interface.
      return 0;
    default:
      return null;
  }
}

function parseIpv4(packet: Uint8Array): Pick<Packet, "ip" | "transport"> {
  const headerBytes = ((packet[0] ?? 0) & 0x0f) * 4;
  // Ethernet pads short frames: the header says where the packet ends.
  const body = packet.subarray(headerBytes, readUint16(packet, 2) || packet.length);
  const protocol = packet[9] ?? 0;
  const isLaterFragment = (readUint16(packet, 6) & 0x1fff) !== 0;
  const ip = {
    version: 4,
    source: addressAt(packet, 12, 4),
    destination: addressAt(packet, 16, 4),
    protocol,
    hops: packet[8] ?? 0,
  } as const;
  return { ip, transport: isLaterFragment ? other(body) : parseTransport(protocol, body) };
}

function parseIpv6(packet: Uint8Array): Pick<Packet, "ip" | "transport"> {
  const end = 40 + readUint16(packet, 4);
  const { protocol, offset, isLaterFragment } = skipExtensions(packet);
  const body = packet.subarray(offset, end);
  const ip = {
    version: 6,
    source: addressAt(packet, 8, 16),
    destination: addressAt(packet, 24, 16),
    protocol,
    hops: packet[7] ?? 0,
  } as const;
  return { ip, transport: isLaterFragment ? other(body) : parseTransport(protocol, body) };
}

// RFC 8200 section 4: hop-by-hop options, routing, destination options; and the fragment header.
const extensions = new Set([0, 43, 60]);
const fragmentHeader = 44;

function skipExtensions(packet: Uint8Array): {
  protocol: number;
  offset: number;
  isLaterFragment: boolean;
} {
  let protocol = packet[6] ?? 0;
  let offset = 40;
  let isLaterFragment = false;
  while ((extensions.has(protocol) || protocol === fragmentHeader) && offset < packet.length) {
    const isFragment = protocol === fragmentHeader;
    if (isFragment && (readUint16(packet, offset + 2) & 0xfff8) !== 0) isLaterFragment = true;
    protocol = packet[offset] ?? 0;
    offset += isFragment ? 8 : ((packet[offset + 1] ?? 0) + 1) * 8;
  }
  return { protocol, offset, isLaterFragment };
}

function parseTransport(protocol: number, body: Uint8Array): Transport {
  const ports = { sourcePort: readUint16(body, 0), destinationPort: readUint16(body, 2) };
  if (protocol === 17 && body.length >= 8) {
    return { kind: "udp", ...ports, payload: body.subarray(8, readUint16(body, 4) || undefined) };
  }
  if (protocol === 6 && body.length >= 20) {
    const payload = body.subarray(((body[12] ?? 0) >> 4) * 4);
    return { kind: "tcp", ...ports, flags: body[13] ?? 0, payload };
  }
  if ((protocol === 1 || protocol === 58) && body.length >= 4) {
    const kind = protocol === 1 ? "icmp" : "icmpv6";
    return { kind, type: body[0] ?? 0, code: body[1] ?? 0, payload: body.subarray(4) };
  }
  return other(body);
}

const other = (payload: Uint8Array): Transport => ({ kind: "other", payload });

const addressAt = (bytes: Uint8Array, offset: number, sizeBytes: number): string =>
  decodeIp(bytes.subarray(offset, offset + sizeBytes)) ?? "";

/** Big-endian, as networks are. Bytes that are missing read as zero. */
const readUint16 = (bytes: Uint8Array, offset: number): number =>
  ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
