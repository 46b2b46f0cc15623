/** addresses hands out overlay addresses: the next free IPv4 one, and the IPv6 one that follows from it. */
import * as v from "valibot";
import { hashOf } from "../crypto/hash.ts";
import type { NetworkId } from "../model/ids.ts";
import {
  addressOfNumber,
  Cidr,
  cidrOf,
  decodeIp,
  type Ipv4Address,
  type Ipv6Address,
  numberOf,
  splitCidr,
} from "../model/ip.ts";
import { nodeAt, type Ranges, type State } from "./state.ts";

/** Shared address space (RFC 6598): private to the network, and seldom used on a home LAN. */
export const ipv4RangeDefault = v.parse(Cidr, "100.64.0.0/10");

/** The IPv6 range of a network: a unique local prefix (RFC 4193) whose 40 random bits are its id's. */
export function ipv6RangeOf(network: NetworkId): Cidr {
  const prefix = new Uint8Array(16);
  prefix[0] = 0xfd;
  prefix.set(hashOf("rustynet/ula/v1", Uint8Array.fromHex(network)).subarray(0, 5), 1);
  const address = decodeIp(prefix);
  if (address === null) throw new Error("16 bytes are an address");
  return cidrOf(address, 48);
}

export type AddressPair = { readonly ipv4: Ipv4Address; readonly ipv6: Ipv6Address };

/**
 * The lowest pair that no record of the state holds, revoked ones included; null when the range is
 * full. `from` skips host numbers that the caller knows to be taken.
 */
export function nextAddresses(state: State, from = 1): AddressPair | null {
  const { address, bits } = splitCidr(state.ranges.ipv4);
  const hosts = 2 ** (32 - bits);
  // The first and last address of a subnet name the subnet and everybody in it.
  for (let host = from; host < hosts - 1; host++) {
    const pair = pairAt(state.ranges, numberOf(address) + BigInt(host));
    if (nodeAt(state, pair.ipv4) === undefined && nodeAt(state, pair.ipv6) === undefined)
      return pair;
  }
  return null;
}

/** The IPv4 address stands in the last 32 bits of the IPv6 one, so that people can tell a pair. */
function pairAt(ranges: Ranges, ipv4: bigint): AddressPair {
  const base = numberOf(splitCidr(ranges.ipv6).address);
  return { ipv4: addressOfNumber(4, ipv4), ipv6: addressOfNumber(6, base | ipv4) };
}
