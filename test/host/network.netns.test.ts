/**
 * What the daemon reads and changes of links, addresses and routes, in a network of its own:
 *
 *   lo    up0 --- up1    (192.0.2.1/24, 2001:db8::1/64 on up0)    rnt0 --- rnt1 (stands for the tunnel)
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import * as v from "valibot";
import { Fault } from "../../src/base/fault.ts";
import {
  addTunnelAddress,
  listTunnelAddresses,
  listUnderlayAddresses,
  removeTunnelAddress,
} from "../../src/host/addresses.ts";
import { readLinkState, setLinkUp } from "../../src/host/links.ts";
import { PacketFilter } from "../../src/host/filter.ts";
import { type NetworkChange, openNetworkMonitor } from "../../src/host/network-monitor.ts";
import { RouteSocket } from "../../src/host/route-socket.ts";
import {
  addTunnelRoute,
  listForeignNetworks,
  listTunnelRoutes,
  removeTunnelRoute,
  routeProtocol,
} from "../../src/host/routes.ts";
import { Cidr, IpAddress } from "../../src/model/ip.ts";
import { InterfaceName } from "../../src/model/names.ts";
import { waitFor } from "../lab/wait-for.ts";
import { isInPrivateNamespace, run } from "../support/private-namespace.ts";

const ip = (...words: string[]) => run("/sbin/ip", ...words);
const tunnel = v.parse(InterfaceName, "rnt0");
const nowhere = v.parse(InterfaceName, "rnnone");
const [own4, own6] = [v.parse(IpAddress, "100.64.0.1"), v.parse(IpAddress, "fd00::1")];
const [range4, range6] = [v.parse(Cidr, "100.64.0.0/10"), v.parse(Cidr, "fd00::/48")];

let socket: RouteSocket;

function codeOf(call: () => void): string {
  try {
    call();
    return "done";
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}

const foreign = () =>
  listForeignNetworks(socket, tunnel).map(({ cidr, interface: name }) => `${cidr} ${name}`);

if (isInPrivateNamespace(import.meta.path)) {
  beforeEach(() => {
    socket = new RouteSocket();
    ip("link", "add", "up0", "type", "veth", "peer", "name", "up1");
    ip("link", "add", tunnel, "type", "veth", "peer", "name", "rnt1");
    for (const name of ["up0", "up1", "rnt1"]) ip("link", "set", name, "up");
    ip("address", "add", "192.0.2.1/24", "dev", "up0");
    ip("address", "add", "2001:db8::1/64", "dev", "up0", "nodad");
  });
  afterEach(() => {
    for (const name of ["up0", tunnel])
      if (ip("-o", "link").includes(name)) ip("link", "del", name);
    socket.close();
  });

  test("a link is absent, down or up", () => {
    expect(readLinkState(socket, nowhere)).toBe("absent");
    expect(readLinkState(socket, tunnel)).toBe("down");
    setLinkUp(socket, tunnel, true);
    expect(readLinkState(socket, tunnel)).toBe("up");
    setLinkUp(socket, tunnel, false);
    expect(readLinkState(socket, tunnel)).toBe("down");
    expect(codeOf(() => setLinkUp(socket, nowhere, true))).toBe("host_failed");
  });

  test("tunnel addresses come and go, twice without harm, and bring no routes", () => {
    setLinkUp(socket, tunnel, true);
    for (const address of [own4, own6, own4, own6]) addTunnelAddress(socket, tunnel, address);
    expect(listTunnelAddresses(socket, tunnel)).toEqual(new Set([own4, own6]));
    expect(ip("address", "show", tunnel)).toMatch(/fd00::1\/128 scope global nodad noprefixroute/);
    expect(ip("route", "show", "dev", tunnel)).toBe("");
    expect(ip("-6", "route", "show", "dev", tunnel)).not.toContain("fd00::1");
    for (const address of [own4, own6, own4, own6]) removeTunnelAddress(socket, tunnel, address);
    expect(listTunnelAddresses(socket, tunnel)).toEqual(new Set());
  });

  test("an address on a missing interface is refused, and its removal is nothing to do", () => {
    expect(codeOf(() => addTunnelAddress(socket, nowhere, own4))).toBe("host_failed");
    removeTunnelAddress(socket, nowhere, own4);
    expect(listTunnelAddresses(socket, nowhere)).toEqual(new Set());
  });

  test("an IPv6 address where IPv6 is off is refused with the sysctl to set", () => {
    run("/sbin/sysctl", "-qw", `net.ipv6.conf.${tunnel}.disable_ipv6=1`);
    try {
      addTunnelAddress(socket, tunnel, own6);
      throw new Error("it was added");
    } catch (error) {
      expect(error).toMatchObject({ code: "host_failed" });
      expect(error).toHaveProperty("remedy", expect.stringContaining("disable_ipv6=0"));
    }
  });

  test("our routes come and go, twice without harm, and are told from others'", () => {
    setLinkUp(socket, tunnel, true);
    addTunnelAddress(socket, tunnel, own4);
    for (const cidr of [range4, range6, range4, range6]) addTunnelRoute(socket, tunnel, cidr);
    ip("route", "add", "10.7.0.0/16", "dev", tunnel);
    ip("route", "add", "10.8.0.0/16", "dev", "up0", "proto", `${routeProtocol}`);
    expect(listTunnelRoutes(socket, tunnel)).toEqual(new Set([range4, range6]));
    expect(ip("route", "get", "100.100.1.1")).toContain(`dev ${tunnel} src ${own4}`);
    for (const cidr of [range4, range6, range4, range6]) removeTunnelRoute(socket, tunnel, cidr);
    expect(listTunnelRoutes(socket, tunnel)).toEqual(new Set());
    expect(ip("route", "show", "dev", tunnel)).toContain("10.7.0.0/16");
  });

  test("somebody else's route to the same prefix is refused and left alone", () => {
    setLinkUp(socket, tunnel, true);
    ip("route", "add", range4, "dev", "up0");
    expect(codeOf(() => addTunnelRoute(socket, tunnel, range4))).toBe("route_overlap");
    removeTunnelRoute(socket, tunnel, range4);
    expect(ip("route", "show", range4)).toContain("dev up0");
  });

  test("foreign networks are routes of every table and networks of addresses, ours excepted", () => {
    setLinkUp(socket, tunnel, true);
    addTunnelAddress(socket, tunnel, own4);
    addTunnelRoute(socket, tunnel, range4);
    ip("route", "add", "default", "via", "192.0.2.254");
    ip("route", "add", "100.80.0.0/16", "via", "192.0.2.254", "table", "77");
    ip("route", "add", "blackhole", "100.81.0.0/16");
    ip("address", "add", "100.82.0.5/32", "dev", "up1");
    const found = foreign();
    expect(found).toContain("0.0.0.0/0 up0");
    expect(found).toContain("100.80.0.0/16 up0");
    expect(found).toContain("100.81.0.0/16 blackhole");
    expect(found).toContain("100.82.0.5/32 up1");
    expect(found).toContain("192.0.2.0/24 up0");
    expect(found).toContain("2001:db8::/64 up0");
    expect(found.filter((line) => /rnt0| lo$/.test(line))).toEqual([]);
    const defaults = listForeignNetworks(socket, tunnel).filter(({ isDefault }) => isDefault);
    expect(defaults.map(({ cidr }) => cidr)).toContain(v.parse(Cidr, "0.0.0.0/0"));
    expect(new Set(found).size).toBe(found.length);
  });

  test("a route with several ways out counts for its first interface", () => {
    ip("address", "add", "198.51.100.1/24", "dev", "up1");
    const ways = ["nexthop", "via", "192.0.2.9", "nexthop", "via", "198.51.100.9"];
    ip("route", "add", "203.0.113.0/24", ...ways);
    expect(foreign()).toContain("203.0.113.0/24 up0");
  });

  test("underlay addresses are global ones of other links that are up, with their networks", async () => {
    setLinkUp(socket, tunnel, true);
    addTunnelAddress(socket, tunnel, own4);
    ip("address", "add", "169.254.3.4/16", "dev", "up0");
    ip("address", "add", "2001:db8::dead/64", "dev", "up0", "preferred_lft", "0", "nodad");
    const expected = [
      { address: "192.0.2.1", network: "192.0.2.0/24" },
      { address: "2001:db8::1", network: "2001:db8::/64" },
    ];
    expect(listUnderlayAddresses(socket, tunnel) as unknown).toEqual(expected);
    ip("link", "set", "up1", "down");
    // The kernel tells the other end a little later.
    await waitFor("no address", () => listUnderlayAddresses(socket, tunnel).length === 0);
  });

  test("the monitor tells of links, addresses and routes, and is silent once closed", async () => {
    const seen = new Set<NetworkChange>();
    const monitor = await openNetworkMonitor((change) => seen.add(change));
    setLinkUp(socket, tunnel, true);
    await waitFor("news of a link", () => seen.has("link"));
    addTunnelAddress(socket, tunnel, own6);
    await waitFor("news of an address", () => seen.has("address"));
    seen.delete("route");
    addTunnelRoute(socket, tunnel, range6);
    await waitFor("news of a route", () => seen.has("route"));
    monitor.close();
    seen.clear();
    const others: NetworkChange[] = [];
    const second = await openNetworkMonitor((change) => void others.push(change));
    removeTunnelRoute(socket, tunnel, range6);
    await waitFor("news by another monitor", () => others.includes("route"));
    expect([...seen]).toEqual([]);
    second.close();
  });

  test("the monitor tells of our packet filter, and of no other table", async () => {
    const seen: NetworkChange[] = [];
    const nft = (...argv: readonly string[]) => run("/usr/sbin/nft", ...argv);
    const monitor = await openNetworkMonitor((change) => void seen.push(change));
    nft("add", "table", "inet", "docker");
    nft("add", "set", "inet", "docker", "names", "{ type ipv4_addr; }");
    setLinkUp(socket, tunnel, true);
    await waitFor("news of a link", () => seen.includes("link"));
    expect(seen).not.toContain("filter");
    nft("add", "table", "inet", "rustynet");
    await waitFor("news of our table", () => seen.includes("filter"));
    seen.length = 0;
    nft("flush", "ruleset");
    await waitFor("news of its end", () => seen.includes("filter"));
    monitor.close();
  });

  test("the monitor does not tell of our own changes to the filter, and does of another's", async () => {
    const [ours, theirs] = [new PacketFilter(), new PacketFilter()];
    const filter = { interface: tunnel, addresses: new Set([own4]), sources: new Set([own6]) };
    ours.replaceFilter({ filter, leaseMs: 30_000 });
    let news = 0;
    const monitor = await openNetworkMonitor((change) => {
      if (change === "filter") news++;
    }, ours.port);
    theirs.renewLease(30_000);
    await waitFor("news of the filter", () => news > 0);
    const newsOfOne = news;
    for (let i = 0; i < 10; i++) ours.renewLease(60_000);
    ours.changeSources({ add: [own4], remove: [own6] });
    // Told in the order in which it was done: when this is heard, the rest would have been.
    theirs.renewLease(30_000);
    await waitFor("more news of the filter", () => news > newsOfOne);
    expect(news).toBe(2 * newsOfOne);
    for (const one of [ours, theirs, monitor]) one.close();
  });

  test("an overflow of changes is told as lost, and the monitor goes on", async () => {
    const seen: NetworkChange[] = [];
    const monitor = await openNetworkMonitor((change) => void seen.push(change));
    setLinkUp(socket, tunnel, true);
    // Made while the event loop stands still: nobody reads, and the kernel's queue of 4 MB fills.
    for (let i = 0; i < 12_000; i++) {
      const cidr = v.parse(Cidr, `10.${i >> 8}.${i & 255}.0/24`);
      addTunnelRoute(socket, tunnel, cidr);
    }
    await waitFor("the loss to be told", () => seen.includes("lost"));
    seen.length = 0;
    setLinkUp(socket, tunnel, false);
    await waitFor("news after the loss", () => seen.includes("link"));
    monitor.close();
  });

  test("monitors and sockets give their descriptors back", async () => {
    const openFiles = () => readdirSync("/proc/self/fd").length;
    const before = openFiles();
    for (let i = 0; i < 20; i++) {
      new RouteSocket().close();
      (await openNetworkMonitor(() => {})).close();
    }
    await waitFor("descriptors to be closed", () => openFiles() <= before);
  });
}
