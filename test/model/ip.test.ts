/** ip: one spelling for each address, prefix and endpoint, and arithmetic that agrees with its twin. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import {
  addressOfNumber,
  Cidr,
  cidrOf,
  containsIp,
  decodeIp,
  encodeIp,
  Endpoint,
  endpointOf,
  familyOf,
  hostCidr,
  IpAddress,
  Ipv4Address,
  Ipv6Address,
  numberOf,
  overlaps,
  splitCidr,
  splitEndpoint,
} from "../../src/model/ip.ts";
import {
  isPrefixOf,
  numberOfBits,
  randomBits,
  spell,
  spellIpv6,
  spellPrefix,
} from "../support/cidr-twin.ts";
import { forEachSeed } from "../support/prng.ts";

const ip = (text: string) => v.parse(IpAddress, text);
const cidr = (text: string) => v.parse(Cidr, text);
const endpoint = (text: string) => v.parse(Endpoint, text);

test.each(["0.0.0.0", "1.2.3.4", "100.64.0.1", "255.255.255.255"])("%p is an address", (text) => {
  expect(v.is(Ipv4Address, text)).toBe(true);
  expect(v.is(Ipv6Address, text)).toBe(false);
});

test.each(["::", "::1", "fd00::1", "2001:db8::1:0:0:1", "2001:db8:0:1:1:1:1:1", "::ffff:102:304"])(
  "%p is an address",
  (text) => {
    expect(v.is(Ipv6Address, text)).toBe(true);
    expect(v.is(Ipv4Address, text)).toBe(false);
  },
);

test.each([
  ["nothing", ""],
  ["a zero in front", "010.0.0.1"],
  ["hexadecimal", "0x7f.0.0.1"],
  ["three numbers", "127.0.1"],
  ["one number", "2130706433"],
  ["five numbers", "1.2.3.4.5"],
  ["a number too large", "256.0.0.1"],
  ["a missing number", "1..2.3"],
  ["a dot behind it", "1.2.3.4."],
  ["a blank before it", " 1.2.3.4"],
  ["a newline behind it", "1.2.3.4\n"],
  ["a length", "1.2.3.4/32"],
  ["a port", "1.2.3.4:5"],
  ["digits of another script", "１.2.3.4"],
  ["capitals", "FD00::1"],
  ["zeros in front of a group", "fd00::0001"],
  ["everything written out", "fd00:0:0:0:0:0:0:1"],
  ["the second run of zeros cut instead of the first", "2001:db8:0:0:1::1"],
  ["a single zero cut", "2001:db8::1:1:1:1:1"],
  ["the shorter run cut", "1::2:0:0:0:3"],
  ["two cuts", "1::2::3"],
  ["nine groups", "1:2:3:4:5:6:7:8:9"],
  ["a zone", "fe80::1%eth0"],
  ["an IPv4 tail", "::ffff:1.2.3.4"],
  ["brackets", "[::1]"],
  ["a group of five digits", "fd00::12345"],
  ["300 letters", "a".repeat(300)],
])("an address with %s is refused: %p", (_what, text) => {
  expect(v.is(IpAddress, text)).toBe(false);
});

test.each([
  "0.0.0.0/0",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "1.2.3.4/32",
  "::/0",
  "fd00::/8",
  "::1/128",
])("%p is a prefix", (text) => {
  expect(v.is(Cidr, text)).toBe(true);
});

test.each([
  ["host bits", "10.0.0.1/8"],
  ["host bits in the last place", "1.2.3.5/31"],
  ["host bits of IPv6", "fd00::1/64"],
  ["no length", "10.0.0.0"],
  ["an empty length", "10.0.0.0/"],
  ["a length too long", "10.0.0.0/33"],
  ["a length too long for IPv6", "::/129"],
  ["a zero in front of the length", "10.0.0.0/08"],
  ["a sign", "10.0.0.0/+8"],
  ["a negative length", "0.0.0.0/-1"],
  ["a fraction", "10.0.0.0/8.0"],
  ["an exponent", "10.0.0.0/1e1"],
  ["a mask", "10.0.0.0/255.0.0.0"],
  ["two lengths", "10.0.0.0/8/8"],
  ["a short address", "10/8"],
  ["a blank", "10.0.0.0 /8"],
  ["a newline", "10.0.0.0/8\n"],
  ["capitals", "FD00::/8"],
])("a prefix with %s is refused: %p", (_what, text) => {
  expect(v.is(Cidr, text)).toBe(false);
});

test.each(["192.0.2.1:51820", "192.0.2.1:1", "192.0.2.1:65535", "[2001:db8::1]:51820", "[::]:1"])(
  "%p is an endpoint",
  (text) => {
    expect(v.is(Endpoint, text)).toBe(true);
    const { address, port } = splitEndpoint(endpoint(text));
    expect(endpointOf(address, port)).toBe(endpoint(text));
  },
);

test.each([
  ["port 0", "192.0.2.1:0"],
  ["a port too large", "192.0.2.1:65536"],
  ["a zero in front of the port", "192.0.2.1:080"],
  ["no port", "192.0.2.1"],
  ["an empty port", "192.0.2.1:"],
  ["a name", "example.com:80"],
  ["IPv6 without brackets", "2001:db8::1:51820"],
  ["IPv4 in brackets", "[192.0.2.1]:80"],
  ["a zone", "[fe80::1%eth0]:80"],
  ["another spelling", "[2001:DB8::1]:80"],
  ["half a bracket", "[::1:80"],
  ["a newline", "192.0.2.1:80\n"],
  ["a path", "192.0.2.1:80/"],
])("an endpoint with %s is refused: %p", (_what, text) => {
  expect(v.is(Endpoint, text)).toBe(false);
});

test.each([
  [ip("1.2.3.4"), 4],
  [ip("::"), 6],
  [ip("::1"), 6],
  [cidr("10.0.0.0/8"), 4],
  [cidr("::/0"), 6],
  [endpoint("1.2.3.4:5"), 4],
  [endpoint("[::1]:5"), 6],
])("%p is of family %p", (text, family) => {
  expect(familyOf(text)).toBe(family as 4 | 6);
});

test("an address is its bits, whichever way it is spelled or counted", () => {
  forEachSeed(400, (prng) => {
    const family = prng.pick([4, 6] as const);
    const density = prng.pick([0.05, 0.5, 0.95]);
    const bits = randomBits(family, () => prng.chance(density));
    const address = ip(spell(family, bits));
    expect(numberOf(address)).toBe(numberOfBits(bits));
    expect(addressOfNumber(family, numberOfBits(bits))).toBe(address);
    expect(encodeIp(address)).toHaveLength(family === 4 ? 4 : 16);
    expect(decodeIp(encodeIp(address))).toBe(address);
  });
});

test("the spelling of an IPv6 address is the one that URLs have", () => {
  forEachSeed(200, (prng) => {
    const density = prng.pick([0.02, 0.1, 0.5]);
    const text = spellIpv6(randomBits(6, () => prng.chance(density)));
    expect(new URL(`http://[${text}]/`).hostname).toBe(`[${text}]`);
    expect(v.is(Ipv6Address, text)).toBe(true);
  });
});

test("only 4 or 16 bytes are an address", () => {
  for (const size of [0, 1, 3, 5, 8, 15, 17]) expect(decodeIp(new Uint8Array(size))).toBeNull();
  expect(decodeIp(Uint8Array.of(100, 64, 0, 1))).toBe(ip("100.64.0.1"));
});

test("prefixes hold and overlap as their bits say", () => {
  forEachSeed(600, (prng) => {
    const family = prng.pick([4, 6] as const);
    // Few bits set, so that prefixes that hold each other are common.
    const left = randomBits(family, () => prng.chance(0.03));
    const right = prng.chance(0.5) ? left : randomBits(family, () => prng.chance(0.03));
    const leftBits = left.slice(0, prng.integer(left.length + 1));
    const rightBits = right.slice(0, prng.integer(right.length + 1));
    const leftCidr = cidr(spellPrefix({ family, bits: leftBits }));
    const rightCidr = cidr(spellPrefix({ family, bits: rightBits }));
    const address = ip(spell(family, right));
    expect(containsIp(leftCidr, address)).toBe(isPrefixOf(leftBits, right));
    expect(cidrOf(address, rightBits.length)).toBe(rightCidr);
    expect(splitCidr(leftCidr).bits).toBe(leftBits.length);
    const isEither = isPrefixOf(leftBits, rightBits) || isPrefixOf(rightBits, leftBits);
    expect(overlaps(leftCidr, rightCidr)).toBe(isEither);
    expect(overlaps(rightCidr, leftCidr)).toBe(isEither);
  });
});

test("families never hold each other, not even where everything is held", () => {
  expect(containsIp(cidr("0.0.0.0/0"), ip("::1"))).toBe(false);
  expect(containsIp(cidr("::/0"), ip("1.2.3.4"))).toBe(false);
  expect(overlaps(cidr("0.0.0.0/0"), cidr("::/0"))).toBe(false);
});

test("the prefix of one address holds it and neither neighbour", () => {
  for (const text of ["100.64.0.9", "fd00::9"]) {
    const only = hostCidr(ip(text));
    const number = numberOf(ip(text));
    const at = (n: bigint) => addressOfNumber(familyOf(ip(text)), n);
    expect([number - 1n, number, number + 1n].map((n) => containsIp(only, at(n)))).toEqual([
      false,
      true,
      false,
    ]);
  }
});
