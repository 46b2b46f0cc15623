/**
 * ip: addresses, prefixes and endpoints, each with one canonical spelling (RFC 5952 for IPv6).
 * A second spelling is refused, never repaired: two spellings of one prefix would be two entries.
 */
import { Address4, Address6 } from "ip-address";
import * as v from "valibot";

export const Ipv4Address = v.pipe(
  v.string(),
  v.check(isIpv4, "not an IPv4 address"),
  v.brand("Ipv4Address"),
);
export type Ipv4Address = v.InferOutput<typeof Ipv4Address>;

export const Ipv6Address = v.pipe(
  v.string(),
  v.check(isIpv6, "not an IPv6 address in its canonical spelling"),
  v.brand("Ipv6Address"),
);
export type Ipv6Address = v.InferOutput<typeof Ipv6Address>;

export const IpAddress = v.union([Ipv4Address, Ipv6Address]);
export type IpAddress = v.InferOutput<typeof IpAddress>;

/** A prefix with all host bits zero. */
export const Cidr = v.pipe(v.string(), v.check(isCidr, "not a canonical prefix"), v.brand("Cidr"));
export type Cidr = v.InferOutput<typeof Cidr>;

/** Where a datagram goes: `192.0.2.1:51820` or `[2001:db8::1]:51820`. Port 0 is no endpoint. */
export const Endpoint = v.pipe(
  v.string(),
  v.check(isEndpoint, "not an endpoint"),
  v.brand("Endpoint"),
);
export type Endpoint = v.InferOutput<typeof Endpoint>;

export type Family = 4 | 6;
export const familyOf = (text: IpAddress | Cidr | Endpoint): Family =>
  text.startsWith("[") || text.indexOf(":") !== text.lastIndexOf(":") ? 6 : 4;

const bitsOf = { 4: 32, 6: 128 } as const;

/** The address as 4 or 16 bytes in network order. */
export function encodeIp(address: IpAddress): Uint8Array {
  const bytes = new Uint8Array(familyOf(address) === 4 ? 4 : 16);
  let rest = numberOf(address);
  for (let i = bytes.length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** Returns null unless given 4 or 16 bytes. */
export function decodeIp(bytes: Uint8Array): IpAddress | null {
  const number = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  if (bytes.length === 4) return addressOfNumber(4, number);
  if (bytes.length === 16) return addressOfNumber(6, number);
  return null;
}

export function numberOf(address: IpAddress): bigint {
  return familyOf(address) === 4 ? new Address4(address).bigInt() : new Address6(address).bigInt();
}

export function addressOfNumber(family: 4, number: bigint): Ipv4Address;
export function addressOfNumber(family: 6, number: bigint): Ipv6Address;
export function addressOfNumber(family: Family, number: bigint): IpAddress;
export function addressOfNumber(family: Family, number: bigint): IpAddress {
  if (family === 4) return v.parse(Ipv4Address, Address4.fromBigInt(number).correctForm());
  return v.parse(Ipv6Address, Address6.fromBigInt(number).correctForm());
}

export function splitCidr(cidr: Cidr): { readonly address: IpAddress; readonly bits: number } {
  const [address = "", bits = ""] = cidr.split("/");
  return { address: v.parse(IpAddress, address), bits: Number(bits) };
}

/** The prefix of `bits` that holds the address: host bits are cleared. */
export function cidrOf(address: IpAddress, bits: number): Cidr {
  const family = familyOf(address);
  const host = BigInt(bitsOf[family] - bits);
  const base = addressOfNumber(family, (numberOf(address) >> host) << host);
  return v.parse(Cidr, `${base}/${bits}`);
}

/**
 * The prefix that holds this one address and no other. Not parsed again: an address in its one spelling,
 * and no host bits to be zero. Every look at the host asks for each peer's.
 */
export const hostCidr = (address: IpAddress): Cidr =>
  `${address}/${bitsOf[familyOf(address)]}` as Cidr;

export function containsIp(cidr: Cidr, address: IpAddress): boolean {
  const { address: base, bits } = splitCidr(cidr);
  const family = familyOf(base);
  if (family !== familyOf(address)) return false;
  const host = BigInt(bitsOf[family] - bits);
  return numberOf(base) >> host === numberOf(address) >> host;
}

/** True when the two share an address. Of two prefixes, one then holds the other. */
export function overlaps(left: Cidr, right: Cidr): boolean {
  return containsIp(left, splitCidr(right).address) || containsIp(right, splitCidr(left).address);
}

export function endpointOf(address: IpAddress, port: number): Endpoint {
  return v.parse(Endpoint, familyOf(address) === 4 ? `${address}:${port}` : `[${address}]:${port}`);
}

export function splitEndpoint(endpoint: Endpoint): {
  readonly address: IpAddress;
  readonly port: number;
} {
  const colon = endpoint.lastIndexOf(":");
  const host = endpoint.slice(0, colon).replace(/^\[|\]$/g, "");
  return { address: v.parse(IpAddress, host), port: Number(endpoint.slice(colon + 1)) };
}

/** Four numbers from 0 to 255 without leading zeros. Every record that is read passes here. */
const canonicalIpv4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?=\d)|$)){4}$/;

function isIpv4(text: string): boolean {
  return canonicalIpv4.test(text);
}

function isIpv6(text: string): boolean {
  return /^[0-9a-f:]{2,39}$/.test(text) && spelling6(text) === text;
}

/** Null where there is no address. The library's own `isValid` would parse it once more. */
function spelling6(text: string): string | null {
  try {
    return new Address6(text).correctForm();
  } catch {
    return null;
  }
}

function isCidr(text: string): boolean {
  const match = /^([0-9a-f.:]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const [, address = "", digits = ""] = match ?? [];
  const family = isIpv4(address) ? 4 : isIpv6(address) ? 6 : null;
  if (family === null || Number(digits) > bitsOf[family]) return false;
  const host = BigInt(bitsOf[family] - Number(digits));
  const number = numberOf(address as IpAddress);
  return (number >> host) << host === number;
}

function isEndpoint(text: string): boolean {
  const match = /^(?:\[([0-9a-f:]+)\]|([0-9.]+)):([1-9]\d{0,4})$/.exec(text);
  if (match === null || Number(match[3]) > 65_535) return false;
  return match[1] === undefined ? isIpv4(match[2] ?? "") : isIpv6(match[1]);
}
