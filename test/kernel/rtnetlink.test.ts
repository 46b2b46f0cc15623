/** Requests and answers about links, addresses and routes, byte for byte (linux/rtnetlink.h). */
import { expect, test } from "bun:test";
import { genericMessage } from "../../src/kernel/generic-netlink.ts";
import { NetlinkError } from "../../src/kernel/netlink.ts";
import { MessageWriter } from "../../src/kernel/netlink-message.ts";
import { dump } from "../../src/kernel/rtnetlink.ts";
import { decodeAddress, encodeAddAddress } from "../../src/kernel/rtnetlink-addresses.ts";
import { decodeLink, encodeCreateLink, encodeSetLink } from "../../src/kernel/rtnetlink-links.ts";
import { decodeRoute, encodeAddRoute } from "../../src/kernel/rtnetlink-routes.ts";
import { golden } from "../support/golden.ts";

const sent = (message: MessageWriter) => message.finish(1).toHex();
const expected = (...lines: string[]) => golden(...lines).toHex();

test("a link is created by name, MTU and kind", () => {
  expect(sent(encodeCreateLink({ name: "rn0", kind: "veth", mtuBytes: 1420 }))).toBe(
    expected(
      "40000000 1000 0506 01000000 00000000  # RTM_NEWLINK: REQUEST ACK EXCL CREATE",
      "00 00 0000 00000000 00000000 00000000 # struct ifinfomsg",
      "0800 0300 726e3000                    # IFLA_IFNAME",
      "0800 0400 8c050000                    # IFLA_MTU",
      "1000 1280                             # IFLA_LINKINFO, nested",
      "0900 0100 76657468 00 000000          # IFLA_INFO_KIND",
    ),
  );
});

test("a link is changed by its index, and only in what is named", () => {
  expect(sent(encodeSetLink(5, { isUp: true }))).toBe(
    expected(
      "20000000 1300 0500 01000000 00000000  # RTM_SETLINK: REQUEST ACK",
      "00 00 0000 05000000 01000000 01000000 # index, flags IFF_UP, mask IFF_UP",
    ),
  );
  expect(sent(encodeSetLink(5, { isUp: false }))).toEndWith("0500000000000000" + "01000000");
  expect(sent(encodeSetLink(5, { alias: "ours" }))).toBe(
    expected(
      "28000000 1300 0500 01000000 00000000",
      "00 00 0000 05000000 00000000 00000000 # no flag is changed",
      "0800 1400 6f757273                    # IFLA_IFALIAS, not closed by zero",
    ),
  );
});

test("a link is read with its kind, alias and flags", () => {
  const payload = golden(
    "00 00 0100 07000000 43000000 00000000   # struct ifinfomsg: UP BROADCAST RUNNING",
    "0800 0300 726e3000                      # IFLA_IFNAME",
    "0800 0400 8c050000                      # IFLA_MTU",
    "0900 1400 6f75727300 000000             # IFLA_IFALIAS, closed by zero as the kernel does",
    "0c00 1200 0800 0100 74756e00            # IFLA_LINKINFO: kind tun",
  );
  expect(decodeLink({ payload })).toEqual({
    index: 7,
    name: "rn0",
    kind: "tun",
    alias: "ours",
    mtuBytes: 1420,
    isUp: true,
    hasCarrier: true,
    isLoopback: false,
  });
});

test("an address is added without a route and without waiting for duplicates", () => {
  const address = Uint8Array.of(100, 64, 0, 1);
  expect(sent(encodeAddAddress({ linkIndex: 5, address, bits: 32 }))).toBe(
    expected(
      "30000000 1400 0506 01000000 00000000  # RTM_NEWADDR: REQUEST ACK EXCL CREATE",
      "02 20 00 00 05000000                  # struct ifaddrmsg: AF_INET, 32 bits",
      "0800 0200 64400001                    # IFA_LOCAL",
      "0800 0100 64400001                    # IFA_ADDRESS",
      "0800 0800 02020000                    # IFA_FLAGS: NODAD NOPREFIXROUTE",
    ),
  );
});

const ip6 = (last: number) =>
  `fd000000 00000000 00000000 000000${last.toString(16).padStart(2, "0")}`;

test.each([
  ["usable", "80000000", { isUnusable: false, isTemporary: false }],
  ["tentative", "40000000", { isUnusable: true, isTemporary: false }],
  ["a duplicate", "08000000", { isUnusable: true, isTemporary: false }],
  ["deprecated", "20000000", { isUnusable: true, isTemporary: false }],
  ["temporary", "01000000", { isUnusable: false, isTemporary: true }],
])("an IPv6 address that is %s is read as such", (_what, flags, wanted) => {
  const payload = golden("0a 40 00 00 05000000", `1400 0100 ${ip6(1)}`, `0800 0800 ${flags}`);
  expect(decodeAddress({ payload })).toMatchObject({ ...wanted, bits: 64, scope: "global" });
});

test("of a point-to-point link the near end is ours, and a secondary IPv4 address is usable", () => {
  const payload = golden(
    "02 20 01 fd 05000000      # IFA_F_SECONDARY, scope link",
    "0800 0100 0a000002        # IFA_ADDRESS: the far end",
    "0800 0200 0a000001        # IFA_LOCAL",
  );
  expect(decodeAddress({ payload })).toEqual({
    linkIndex: 5,
    address: Uint8Array.of(10, 0, 0, 1),
    bits: 32,
    scope: "link",
    isUnusable: false,
    isTemporary: false,
  });
});

test("an address of another family than IP is passed over", () => {
  expect(decodeAddress({ payload: golden("1c 00 00 00 05000000") })).toBe(null);
});

test("a route is added to the main table with our protocol", () => {
  const destination = Uint8Array.of(100, 64, 0, 0);
  const route = { family: 2, destination, bits: 10, protocol: 82, linkIndex: 5 } as const;
  expect(sent(encodeAddRoute(route))).toBe(
    expected(
      "2c000000 1800 0506 01000000 00000000  # RTM_NEWROUTE: REQUEST ACK EXCL CREATE",
      "02 0a 00 00 fe 52 fd 01 00000000      # main table, protocol 82, scope link, unicast",
      "0800 0100 64400000                    # RTA_DST",
      "0800 0400 05000000                    # RTA_OIF",
    ),
  );
});

test("an IPv6 route has the scope of the universe and may name a source", () => {
  const destination = golden(ip6(0));
  const source = golden(ip6(1));
  const route = { family: 10, destination, bits: 64, protocol: 82, linkIndex: 5, source } as const;
  expect(sent(encodeAddRoute(route))).toEndWith(
    expected(
      "0a 40 00 00 fe 52 00 01 00000000",
      `1400 0100 ${ip6(0)}`,
      "0800 0400 05000000",
      `1400 0700 ${ip6(1)}                   # RTA_PREFSRC`,
    ),
  );
});

test("a default route has no destination, a large table its own attribute", () => {
  const payload = golden(
    "02 00 00 00 fc 03 00 01 00000000        # RT_TABLE_COMPAT, protocol boot",
    "0800 0f00 3e140000                      # RTA_TABLE 5182",
    "0800 0500 c00002fe                      # RTA_GATEWAY",
    "0800 0400 02000000                      # RTA_OIF",
  );
  expect(decodeRoute({ payload })).toEqual({
    family: 2,
    destination: new Uint8Array(4),
    bits: 0,
    kind: "unicast",
    table: 5182,
    protocol: 3,
    linkIndex: 2,
    gateway: Uint8Array.of(192, 0, 2, 254),
    source: null,
  });
});

test("a route with several ways out has the first interface, a blackhole none", () => {
  const several = golden(
    "02 18 00 00 fe 03 00 01 00000000",
    "0800 0100 cb007100",
    "1400 0900 1000 00 00 09000000 0800 0500 c0000209   # RTA_MULTIPATH: one struct rtnexthop",
  );
  expect(decodeRoute({ payload: several })?.linkIndex).toBe(9);
  const blackhole = golden("02 18 00 00 fe 03 00 06 00000000", "0800 0100 cb007100");
  expect(decodeRoute({ payload: blackhole })).toMatchObject({ linkIndex: null, kind: "blackhole" });
});

test("a clone that the kernel made, or another family's route, is passed over", () => {
  expect(decodeRoute({ payload: golden("0a 80 00 00 fe 02 00 01 00020000") })).toBe(null);
  expect(decodeRoute({ payload: golden("1c 00 00 00 fe 02 00 01 00000000") })).toBe(null);
});

test("a generic message has its command and version before the attributes", () => {
  const message = genericMessage({ id: 16, version: 2 }, 3, 1).attributeText(2, "abc");
  expect(sent(message)).toBe(
    expected(
      "1c000000 1000 0100 01000000 00000000",
      "03 02 0000                            # struct genlmsghdr: CTRL_CMD_GETFAMILY",
      "0800 0200 61626300                    # CTRL_ATTR_FAMILY_NAME",
    ),
  );
});

test("a dump that was interrupted is asked for again, with a new message, and not for ever", () => {
  const asked: MessageWriter[] = [];
  const interruptedUntil = (attempt: number) => ({
    request(_what: string, message: MessageWriter) {
      asked.push(message);
      if (asked.length < attempt) throw new NetlinkError(4, "list", "the table changed");
      return [];
    },
  });
  const make = () => new MessageWriter(18, 0);
  expect(dump(interruptedUntil(3), "list", make)).toEqual([]);
  expect(new Set(asked).size).toBe(3);
  asked.length = 0;
  expect(() => dump(interruptedUntil(1_000), "list", make)).toThrow("EINTR");
});

test("a dump that is refused for another reason is not repeated", () => {
  const refusing = {
    request() {
      throw new NetlinkError(1, "list", "");
    },
  };
  expect(() => dump(refusing, "list", () => new MessageWriter(18, 0))).toThrow("EPERM");
});
