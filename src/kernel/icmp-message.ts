/** icmp-message encodes echo requests and recognises their answers (RFC 792, RFC 4443 section 4). */

export type Echo = {
  /** 16 bits. */
  readonly identifier: number;
  /** 16 bits. */
  readonly sequence: number;
  readonly payload: Uint8Array;
};

/** 4 or 16: how many bytes an address has, which tells ICMP from ICMPv6. */
export type AddressSize = 4 | 16;

/** A ping socket hands over the message alone; a raw IPv4 one hands over the packet. */
export type SocketKind = "datagram" | "raw";

const requestType = { 4: 8, 16: 128 } as const;
const replyType = { 4: 0, 16: 129 } as const;
const headerSizeBytes = 8;

/** The checksum is filled in for IPv4; the kernel does so for ICMPv6 (RFC 3542 section 3.1). */
export function encodeEchoRequest(size: AddressSize, echo: Echo): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(headerSizeBytes + echo.payload.length));
  const view = new DataView(bytes.buffer);
  bytes[0] = requestType[size];
  view.setUint16(4, echo.identifier);
  view.setUint16(6, echo.sequence);
  bytes.set(echo.payload, headerSizeBytes);
  if (size === 4) view.setUint16(2, internetChecksum(bytes));
  return bytes;
}

/**
 * True when the bytes answer this request. The kernel gives ping sockets an identifier of its own
 * and has compared it, so only raw sockets, which hear everybody's answers, look at it.
 */
export function isEchoReply(
  bytes: Uint8Array,
  kind: SocketKind,
  size: AddressSize,
  echo: Echo,
): boolean {
  const hasHeader = kind === "raw" && size === 4;
  // The low half of the first byte counts the IPv4 header in words of 32 bits (RFC 791 section 3.1).
  const message = hasHeader ? bytes.subarray(((bytes[0] ?? 0) & 0xf) * 4) : bytes;
  if (message.length !== headerSizeBytes + echo.payload.length) return false;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  if (message[0] !== replyType[size] || message[1] !== 0) return false;
  if (kind === "raw" && view.getUint16(4) !== echo.identifier) return false;
  if (view.getUint16(6) !== echo.sequence) return false;
  return echo.payload.every((byte, i) => message[headerSizeBytes + i] === byte);
}

/** RFC 1071: the one's complement of the one's complement sum. */
export function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
