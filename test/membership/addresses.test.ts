/** addresses: the lowest free pair, each of the two told from the other, until the range is full. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { ipv4RangeDefault, ipv6RangeOf, nextAddresses } from "../../src/membership/addresses.ts";
import { genesisState } from "../../src/membership/state.ts";
import { NetworkId } from "../../src/model/ids.ts";
import { Cidr, containsIp, encodeIp, splitCidr } from "../../src/model/ip.ts";
import { genesisOf, Ledger, network } from "../support/world.ts";

const ipv6 = ipv6RangeOf(network);
const withRange = (ipv4: string) => genesisOf({ ranges: { ipv4: v.parse(Cidr, ipv4), ipv6 } });

test("the first node gets the first address that is a host's", () => {
  const next = nextAddresses(genesisState(genesisOf()));
  expect(next as unknown).toEqual({ ipv4: "100.64.0.1", ipv6: "fd75:7f19:6437::6440:1" });
});

test("the IPv4 address stands at the end of the IPv6 one", () => {
  for (const from of [1, 255, 256, 70_000, 4_194_302]) {
    const next = nextAddresses(genesisState(genesisOf()), from);
    if (next === null) throw new Error("the range has room");
    expect(encodeIp(next.ipv6).subarray(12)).toEqual(encodeIp(next.ipv4));
    expect(containsIp(ipv6, next.ipv6) && containsIp(ipv4RangeDefault, next.ipv4)).toBe(true);
  }
});

test("the last address names the whole subnet and is nobody's", () => {
  expect(nextAddresses(genesisState(genesisOf()), 4_194_303)).toBeNull();
});

test.each([
  ["100.64.0.0/30", 2],
  ["100.64.0.8/29", 6],
])("%s has room for %i nodes, revoked ones included", (range, room) => {
  const ledger = new Ledger(withRange(range));
  for (let i = 0; i < room; i++) ledger.admit(`n${i}`);
  expect(nextAddresses(ledger.membership.state)).toBeNull();
  ledger.revoke("n0");
  expect(nextAddresses(ledger.membership.state)).toBeNull();
});

test("a gap is filled, and a revoked node's address is no gap", () => {
  const ledger = new Ledger()
    .admit("a")
    .admit("b", { ipv4: "100.64.0.3", ipv6: "fd75:7f19:6437::3" });
  const next = () => nextAddresses(ledger.membership.state)?.ipv4 as string;
  expect(next()).toBe("100.64.0.2");
  ledger.revoke("a");
  expect(next()).toBe("100.64.0.2");
  ledger.admit("c");
  expect(next()).toBe("100.64.0.4");
});

test("a pair of which the IPv6 half is taken is skipped", () => {
  const taken = { ipv4: "100.64.0.9", ipv6: "fd75:7f19:6437::6440:1" };
  const ledger = new Ledger().admit("a", taken);
  expect(nextAddresses(ledger.membership.state)?.ipv4 as string).toBe("100.64.0.2");
});

test("each network has its own unique local prefix of 48 bits", () => {
  const ids = ["00", "01", "ff"].map((byte) => v.parse(NetworkId, byte.repeat(16)));
  const prefixes = ids.map(ipv6RangeOf);
  expect(new Set<string>(prefixes).size).toBe(3);
  for (const prefix of prefixes) {
    expect(splitCidr(prefix).bits).toBe(48);
    expect(prefix.startsWith("fd")).toBe(true);
  }
});
