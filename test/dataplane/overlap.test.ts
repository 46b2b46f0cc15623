/** overlap: which routes of a host stand in the way of the network's ranges. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { findOverlap } from "../../src/dataplane/overlap.ts";
import { Cidr } from "../../src/model/ip.ts";

const cidr = (text: string) => v.parse(Cidr, text);
const ranges = [cidr("100.64.0.0/10"), cidr("fd75:7f19:6437::/48")];
const by = (text: string) => ({ cidr: cidr(text), interface: "eth0" });

test.each([
  ["the provider's address in shared space", "100.72.13.0/24"],
  ["the provider's gateway alone", "100.64.0.1/32"],
  ["the very same prefix", "100.64.0.0/10"],
  ["the last address", "100.127.255.255/32"],
  ["a prefix around it", "100.0.0.0/8"],
  ["a quarter of everything", "64.0.0.0/2"],
  ["the same IPv6 prefix", "fd75:7f19:6437::/48"],
  ["a network inside of it", "fd75:7f19:6437:1::/64"],
  ["all unique local addresses", "fd00::/8"],
])("%s is in the way: %s", (_what, text) => {
  expect(findOverlap(ranges, [by(text)])?.route).toEqual(by(text));
});

test.each([
  ["a default route", "0.0.0.0/0"],
  ["a default route of IPv6", "::/0"],
  ["the lower half of everything", "0.0.0.0/1"],
  ["the upper half", "128.0.0.0/1"],
  ["the upper half of IPv6", "8000::/1"],
  ["a home network", "192.168.1.0/24"],
  ["the address below", "100.63.255.255/32"],
  ["the address above", "100.128.0.0/32"],
  ["another network's unique local prefix", "fd75:7f19:6438::/48"],
  ["link-local addresses", "fe80::/64"],
  ["all public IPv6", "2000::/3"],
])("%s is not: %s", (_what, text) => {
  expect(findOverlap(ranges, [by(text)])).toBeNull();
});

test("the one in the way is named, with the range that it is in the way of", () => {
  const foreign = [by("0.0.0.0/0"), by("192.168.0.0/16"), by("fd00::/8")];
  expect(findOverlap(ranges, foreign)).toEqual({
    range: cidr("fd75:7f19:6437::/48"),
    route: by("fd00::/8"),
  });
  expect(findOverlap(ranges, [])).toBeNull();
});
