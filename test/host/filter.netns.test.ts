/**
 * The packet filter on a real kernel, judged by real packets and by the nft program. A veth plays the
 * tunnel, since the filter knows nothing of it but its name. Its ends share one link address and ask
 * for no neighbours: like a tunnel, it carries nothing but what the ends send.
 *
 *   rnmesh: far0 100.64.0.2, .3 ═══ rn0 100.64.0.1 :here: lan0 192.0.2.1 ─── far1 192.0.2.2 :rnlan
 *                fd00::2, ::3           fd00::1                2001:db8::1        2001:db8::2
 *
 * rnlan also owns 100.64.0.2 and fd00::2, to speak as somebody else.
 */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import * as v from "valibot";
import { Fault } from "../../src/base/fault.ts";
import type { Filter, FilterState } from "../../src/dataplane/filter.ts";
import { PacketFilter } from "../../src/host/filter.ts";
import { type DropReason, filterTable } from "../../src/host/filter-ruleset.ts";
import { Netlink, NetlinkError, protocol } from "../../src/kernel/netlink.ts";
import { readConsistently } from "../../src/kernel/nftables-dump.ts";
import { encodeTransaction } from "../../src/kernel/nftables-encode.ts";
import {
  addressOfNumber,
  IpAddress,
  Ipv4Address,
  Ipv6Address,
  numberOf,
} from "../../src/model/ip.ts";
import { InterfaceName } from "../../src/model/names.ts";
import { waitFor } from "../lab/wait-for.ts";
import { isInPrivateNamespace, run } from "../support/private-namespace.ts";

const ip = (...words: string[]) => run("/sbin/ip", ...words);
const nft = (...words: string[]) => run("/usr/sbin/nft", ...words);
const nftOurs = (change: string) => nft(...change.split(" "));
const address = (text: string) => v.parse(IpAddress, text);

const tunnel = v.parse(InterfaceName, "rn0");
const leaseMs = 600_000;
/** How long a test with much to do may take on a busy machine. */
const slowMs = 60_000;
const families = [
  { family: "IPv4", own: "100.64.0.1", allowed: "100.64.0.2", denied: "100.64.0.3" },
  { family: "IPv6", own: "fd00::1", allowed: "fd00::2", denied: "fd00::3" },
] as const;
const ofLan = { IPv4: ["192.0.2.1", "192.0.2.2"], IPv6: ["2001:db8::1", "2001:db8::2"] } as const;
const allowed = families.map((family) => family.allowed);

let filter: PacketFilter;

function filterOf(sources: readonly string[]): Filter {
  return {
    interface: tunnel,
    addresses: new Set(families.map(({ own }) => address(own))),
    sources: new Set(sources.map(address)),
  };
}

const load = (sources: readonly string[]) =>
  filter.replaceFilter({ filter: filterOf(sources), leaseMs });

function drops(reason: DropReason): bigint {
  const counters = filter.readDropCounters();
  if (counters === null) throw new Error("no filter of ours is loaded");
  return counters[reason];
}

/** From which namespace, null for this one; from and to which address; further options of ping(8). */
type Ping = readonly [space: string | null, from: string, to: string, ...more: string[]];

/** Whether one echo request is answered, within a time that only matters when it is not. */
function pings(...[space, from, to, ...more]: Ping): boolean {
  const where = space === null ? [] : ["/sbin/ip", "netns", "exec", space];
  const argv = [...where, "/usr/bin/ping", "-nqc1", "-W5", ...more, "-I", from, to];
  return Bun.spawnSync(argv, { env: {}, cwd: "/" }).exitCode === 0;
}

/** Expects that an echo request goes unanswered, since it was dropped, once, for this reason. */
function expectDropped(reason: DropReason, ...ping: Ping): void {
  const before = drops(reason);
  expect(pings(...ping, "-W0.1")).toBe(false);
  expect(drops(reason) - before).toBe(1n);
}

async function startPeer(...args: readonly string[]) {
  const child = Bun.spawn(
    [
      ...["/sbin/ip", "netns", "exec", "rnmesh", process.execPath],
      ...[`${import.meta.dir}/echo-peer.ts`, ...args],
    ],
    { env: {}, stdio: ["pipe", "pipe", "inherit"] },
  );
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  expect((await lines.read()).value?.trim()).toBe("ready");
  return {
    async send(line: string) {
      await child.stdin.write(`${line}\n`);
      await child.stdin.flush();
    },
    async stop() {
      await child.stdin.end();
      await child.exited;
    },
  };
}

/** Everything nft has to say about every table but ours, handles included. */
function othersTables(): string {
  return nft("-a", "list", "tables")
    .split("\n")
    .filter((line) => line !== "" && !line.includes(filterTable.name))
    .map((line) => {
      const [, family = "", name = ""] = line.split(" ");
      return nft("-a", "list", "table", family, name);
    })
    .join("\n");
}

/** Our table as nft prints it, without what changes by itself. */
const listing = () =>
  nft("list", "table", "inet", "rustynet")
    .replaceAll(/ packets \d+ bytes \d+/g, "")
    .replaceAll(/ expires [0-9a-z]+/g, "");

function codeOf(call: () => void): string {
  try {
    call();
    return "done";
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}

function layTheNetwork(): void {
  ip("link", "add", "rn0", "type", "veth", "peer", "name", "far0");
  for (const name of ["rn0", "far0"])
    ip("link", "set", name, "address", "02:00:00:00:00:01", "arp", "off");
  ip("link", "add", "lan0", "type", "veth", "peer", "name", "far1");
  for (const [space, here, far, host] of [
    ["rnmesh", "rn0", "far0", "100.64.0.1/10 fd00::1/64 100.64.0.2/10 fd00::2/64"],
    ["rnlan", "lan0", "far1", "192.0.2.1/24 2001:db8::1/64 192.0.2.2/24 2001:db8::2/64"],
  ] as const) {
    const [here4 = "", here6 = "", far4 = "", far6 = ""] = host.split(" ");
    ip("netns", "add", space);
    ip("link", "set", far, "netns", space);
    const sysctl = `net.ipv6.conf.${far}.router_solicitations=0`;
    ip("netns", "exec", space, "/sbin/sysctl", "-qw", sysctl);
    ip("address", "add", here4, "dev", here);
    ip("address", "add", here6, "dev", here, "nodad");
    ip("-n", space, "address", "add", far4, "dev", far);
    ip("-n", space, "address", "add", far6, "dev", far, "nodad");
    ip("link", "set", here, "up");
    ip("-n", space, "link", "set", far, "up");
    ip("-n", space, "link", "set", "lo", "up");
    ip("-n", space, "route", "add", "default", "via", here4.replace(/\/.*/, ""));
    ip("-n", space, "route", "add", "default", "via", here6.replace(/\/.*/, ""));
  }
  for (const text of ["100.64.0.3/10", "fd00::3/64"])
    ip(
      "-n",
      "rnmesh",
      "address",
      "add",
      text,
      "dev",
      "far0",
      ...(text.includes(":") ? ["nodad"] : []),
    );
  for (const text of allowed) ip("-n", "rnlan", "address", "add", text, "dev", "lo");
  for (const name of ["all", "rn0", "lan0"])
    run("/sbin/sysctl", "-qw", `net.ipv4.conf.${name}.rp_filter=0`);
  run("/sbin/sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
}

if (isInPrivateNamespace(import.meta.path)) {
  beforeAll(layTheNetwork);
  beforeEach(() => {
    filter = new PacketFilter();
  });
  afterEach(() => {
    filter.close();
    nft("flush", "ruleset");
  });

  test("nft reads what we wrote as these rules", () => {
    load(allowed);
    expect(
      listing()
        .split("\n")
        .map((line) => line.trim()),
    ).toEqual([
      "table inet rustynet {",
      ...["set self4 {", "type ipv4_addr", "elements = { 100.64.0.1 }", "}", ""],
      ...["set self6 {", "type ipv6_addr", "elements = { fd00::1 }", "}", ""],
      ...["set peers4 {", "type ipv4_addr", "elements = { 100.64.0.2 }", "}", ""],
      ...["set peers6 {", "type ipv6_addr", "elements = { fd00::2 }", "}", ""],
      ...["set lease {", "type ifname", "flags timeout"],
      ...['elements = { "rn0" timeout 10m }', "}", ""],
      "chain from_mesh {",
      "iifname != @lease counter drop",
      "ip daddr != @self4 counter drop",
      "ip6 daddr != @self6 counter drop",
      "ct state established,related ct direction reply accept",
      "ip saddr @peers4 accept",
      "ip6 saddr @peers6 accept",
      "counter drop",
      ...["}", ""],
      "chain mesh_in {",
      "type filter hook input priority filter; policy accept;",
      'iifname "rn0" jump from_mesh',
      'iifname "lo" accept',
      "ip daddr @self4 counter drop",
      "ip6 daddr @self6 counter drop",
      "ip saddr @peers4 counter drop",
      "ip6 saddr @peers6 counter drop",
      ...["}", ""],
      "chain mesh_forward {",
      "type filter hook forward priority filter; policy accept;",
      'iifname "rn0" counter drop',
      'oifname "rn0" counter drop',
      ...["}", ""],
      "chain mesh_out {",
      "type filter hook output priority filter; policy accept;",
      'oifname "rn0" oifname != @lease counter drop',
      'oifname "rn0" accept',
      'oifname "lo" accept',
      "ip daddr @peers4 counter drop",
      "ip6 daddr @peers6 counter drop",
      ...["}", "}", ""],
    ]);
  });

  describe.each(families)("$family", ({ family, own, allowed: friend, denied: stranger }) => {
    const [here, outside] = ofLan[family];

    test("nobody is let in by default, and who is named is", () => {
      load([]);
      expectDropped("source_denied", "rnmesh", friend, own);
      load([friend]);
      expect(pings("rnmesh", friend, own)).toBe(true);
      expectDropped("source_denied", "rnmesh", stranger, own);
    });

    test("a source is let in and taken out without the rest noticing", () => {
      load([friend]);
      const before = filter.observeFilter();
      filter.changeSources({ add: [address(stranger)], remove: [address(friend)] });
      expect(pings("rnmesh", stranger, own)).toBe(true);
      expectDropped("source_denied", "rnmesh", friend, own);
      filter.changeSources({ add: [address(friend)], remove: [address(stranger)] });
      filter.changeSources({ add: [address(friend)], remove: [address(stranger)] });
      expect(filter.observeFilter()).toMatchObject({ ...before, leaseMs: expect.any(Number) });
    });

    test("answers to what this host asked come back, from anybody", () => {
      load([]);
      expect(pings(null, own, stranger)).toBe(true);
    });

    test("a packet in fragments is judged as the whole that it is", () => {
      load([friend]);
      expect(pings("rnmesh", friend, own, "-s4000")).toBe(true);
      expectDropped("source_denied", "rnmesh", stranger, own, "-s4000");
    });

    test("an ICMP error about a flow of ours passes", async () => {
      load([]);
      nft("add", "table", "inet", "judge");
      nft("add", "chain", "inet", "judge", "c", "{ type filter hook input priority 10; }");
      nft(
        "add",
        "rule",
        "inet",
        "judge",
        "c",
        "icmp",
        "type",
        "destination-unreachable",
        "counter",
      );
      nft(
        "add",
        "rule",
        "inet",
        "judge",
        "c",
        "icmpv6",
        "type",
        "destination-unreachable",
        "counter",
      );
      const socket = await Bun.udpSocket({ hostname: own });
      socket.send("to a closed port", 9, friend);
      await waitFor("the error to arrive", () => nft("list", "table", "inet", "judge"), {
        until: (text) => text.includes("packets 1 "),
      });
      socket.close();
    });

    test("the tunnel leads to this host's own tunnel addresses alone", () => {
      load([friend]);
      expectDropped("address_foreign", "rnmesh", friend, here);
    });

    test("nobody reaches a tunnel address by another interface", () => {
      load([friend]);
      expectDropped("address_outside_tunnel", "rnlan", outside, own);
      expect(pings("rnlan", outside, here)).toBe(true);
      expect(pings(null, own, own)).toBe(true);
    });

    test("nobody speaks as a source of ours by another interface", () => {
      load([friend]);
      expectDropped("source_spoofed", "rnlan", friend, here);
    });

    test("a route that lies before the tunnel's takes nothing in the clear to a source of ours", () => {
      const bits = family === "IPv4" ? 32 : 128;
      const route = [`${friend}/${bits}`, "via", outside, "dev", "lan0"];
      load([friend]);
      expect(pings(null, own, friend)).toBe(true);
      ip("route", "add", ...route);
      expectDropped("source_outside_tunnel", null, own, friend);
      ip("route", "del", ...route);
      expect(pings(null, own, friend)).toBe(true);
    });

    test("nothing is forwarded into the tunnel or out of it", () => {
      expect(pings("rnlan", outside, stranger)).toBe(true);
      expect(pings("rnmesh", stranger, outside)).toBe(true);
      load([friend]);
      expectDropped("forwarded", "rnlan", outside, stranger);
      expectDropped("forwarded", "rnmesh", stranger, outside);
    });

    test("an expired lease closes the tunnel in both directions, and a renewed one opens it", async () => {
      load([friend]);
      expect(pings("rnmesh", friend, own)).toBe(true);
      filter.renewLease(30);
      await waitFor("the lease to expire", () => leaseOf(filter.observeFilter()), {
        until: (left) => left === 0,
      });
      expectDropped("lease_expired", "rnmesh", friend, own);
      expectDropped("lease_expired", null, own, friend);
      filter.renewLease(leaseMs);
      expect(pings("rnmesh", friend, own)).toBe(true);
      expect(pings(null, own, friend)).toBe(true);
      filter.renewLease(0);
      expectDropped("lease_expired", "rnmesh", friend, own);
    });

    test("a source that is taken out is cut off with its next packet, and our own flow goes on", async () => {
      load([friend]);
      let heard = "";
      const server = Bun.listen({
        hostname: own,
        port: 7000,
        socket: { data: (_socket, bytes) => void (heard += bytes.toString()), error() {} },
      });
      const theirs = await startPeer("connect", own, "7000", friend);
      const echo = await startPeer("listen", friend, "7001");
      let echoed = "";
      const ours = await Bun.connect({
        hostname: friend,
        port: 7001,
        socket: { data: (_socket, bytes) => void (echoed += bytes.toString()), error() {} },
      });
      await theirs.send("one");
      await waitFor("the first line", () => heard, { until: (text) => text === "one" });

      const before = drops("source_denied");
      filter.changeSources({ add: [], remove: [address(friend)] });
      await theirs.send("two");
      await waitFor("the next packet to be dropped", () => drops("source_denied") > before);
      ours.write("still there");
      await waitFor("our own flow", () => echoed, { until: (text) => text === "still there" });
      expect(heard).toBe("one");

      filter.changeSources({ add: [address(friend)], remove: [] });
      await waitFor("the line to be sent again", () => heard, {
        until: (text) => text === "onetwo",
      });
      ours.end();
      await Promise.all([theirs.stop(), echo.stop()]);
      server.stop(true);
    });
  });

  describe("what is there is read back", () => {
    test("absent, loaded with the lease that is left, and absent again", () => {
      expect(filter.observeFilter()).toEqual({ kind: "absent" });
      expect(filter.readDropCounters()).toBeNull();
      load(allowed);
      const state = filter.observeFilter();
      expect(state).toEqual({
        kind: "loaded",
        filter: filterOf(allowed),
        leaseMs: expect.any(Number),
      });
      expect(leaseOf(state)).toBeWithin(leaseMs - 60_000, leaseMs + 1);
      filter.replaceFilter(null);
      expect(filter.observeFilter()).toEqual({ kind: "absent" });
      filter.replaceFilter(null);
    });

    test.each([
      "delete chain inet rustynet mesh_forward",
      "flush chain inet rustynet mesh_in",
      "add rule inet rustynet mesh_forward accept",
      "insert rule inet rustynet from_mesh accept",
      "insert rule inet rustynet from_mesh limit rate 1/second accept",
      "add chain inet rustynet more",
      "add set inet rustynet more { type ipv4_addr; }",
      "add map inet rustynet more { type ipv4_addr : verdict; }",
      "add table inet rustynet { flags dormant; }",
      "add chain inet rustynet mesh_in { policy drop; }",
    ])("damaged after: nft %s, and whole again after one replacement", (change) => {
      load(allowed);
      const whole = listing();
      nftOurs(change);
      expect(filter.observeFilter()).toEqual({ kind: "damaged" });
      expect(filter.readDropCounters()).toBeNull();
      expect(codeOf(() => filter.renewLease(leaseMs))).toBe("host_failed");
      load(allowed);
      expect(listing()).toBe(whole);
    });

    test.each(["forever0", "other0 timeout 10s"])("damaged with a second lease: %s", (lease) => {
      load(allowed);
      const whole = listing();
      nftOurs(`add element inet rustynet lease { ${lease} }`);
      expect(filter.observeFilter()).toEqual({ kind: "damaged" });
      filter.renewLease(leaseMs);
      expect(listing()).toBe(whole);
    });

    test("as the changed set, when somebody changed a set", () => {
      load(allowed);
      nftOurs("add element inet rustynet peers4 { 100.64.0.7 }");
      nftOurs("delete element inet rustynet peers6 { fd00::2 }");
      nftOurs("add element inet rustynet self6 { fd00::7 }");
      expect(filter.observeFilter()).toMatchObject({
        filter: {
          sources: new Set(["100.64.0.2", "100.64.0.7"].map(address)),
          addresses: new Set([...filterOf([]).addresses, address("fd00::7")]),
        },
      });
    });

    test("by reason, as nft counts", () => {
      load([]);
      for (const { own, denied } of families) expectDropped("source_denied", "rnmesh", denied, own);
      const seen = nft("list", "chain", "inet", "rustynet", "from_mesh").match(/packets 2 /g);
      expect(seen).toHaveLength(1);
      expect(drops("source_denied")).toBe(2n);
    });
  });

  describe("a change is whole", () => {
    test("and leaves every other table as it was, byte for byte", () => {
      nft("add", "table", "ip", "rustynet");
      nft("add", "table", "inet", "other");
      nft("add", "set", "inet", "other", "peers4", "{ type ipv4_addr; elements = { 192.0.2.7 }; }");
      nft("add", "chain", "inet", "other", "mesh_in", "{ type filter hook input priority 5; }");
      nft("add", "rule", "inet", "other", "mesh_in", "ip", "saddr", "@peers4", "counter", "drop");
      const before = othersTables();
      expect(before).toContain("192.0.2.7");
      load(allowed);
      filter.changeSources({ add: [address("100.64.0.8")], remove: [address("100.64.0.2")] });
      filter.renewLease(5_000);
      load([]);
      nftOurs("flush chain inet rustynet mesh_in");
      load(allowed);
      expect(othersTables()).toBe(before);
      filter.replaceFilter(null);
      expect(othersTables()).toBe(before);
    });

    test("or is none: a set that is missing leaves the other as it was", () => {
      nftOurs(
        "add table inet rustynet { set peers4 { type ipv4_addr; elements = { 100.64.0.7 }; }; }",
      );
      const before = nft("-a", "list", "ruleset");
      const change = {
        add: ["100.64.0.8", "fd00::8"].map(address),
        remove: [address("100.64.0.7")],
      };
      expect(codeOf(() => filter.changeSources(change))).toBe("host_failed");
      expect(nft("-a", "list", "ruleset")).toBe(before);
    });

    test("or is none: a last rule that the kernel refuses takes the whole with it", () => {
      load(allowed);
      const netlink = new Netlink(protocol.netfilter);
      const before = nft("-a", "list", "ruleset").replaceAll(/ expires [0-9a-z]+/g, "");
      const change = encodeTransaction(
        filterTable,
        [
          { kind: "add_table" },
          { kind: "delete_table" },
          { kind: "add_table" },
          { kind: "add_chain", chain: { name: "c", base: null } },
          {
            kind: "add_rule",
            chain: "c",
            rule: [{ kind: "immediate", verdict: { kind: "jump", chain: "nowhere" } }],
          },
        ],
        null,
      );
      expect(() => netlink.batch("try", change)).toThrow("ENOENT");
      expect(nft("-a", "list", "ruleset").replaceAll(/ expires [0-9a-z]+/g, "")).toBe(before);
      netlink.close();
    });

    test("and is refused when somebody changed the rules since they were read", () => {
      const netlink = new Netlink(protocol.netfilter);
      const { generation } = readConsistently(netlink, () => null);
      nft("add", "table", "inet", "other");
      const change = encodeTransaction(filterTable, [{ kind: "add_table" }], generation);
      expect(() => netlink.batch("try", change)).toThrow(NetlinkError);
      expect(filter.observeFilter()).toEqual({ kind: "absent" });
      netlink.close();
    });

    test(
      "while another program changes its own table without pause",
      async () => {
        const script = `for (;;) for (const verb of ["add", "delete"])
        Bun.spawnSync(["/usr/sbin/nft", verb, "table", "inet", "other"], { env: {} });`;
        const child = Bun.spawn([process.execPath, "-e", script], { env: {}, stdin: "ignore" });
        await waitFor("the other program", () => nft("list", "tables").includes("other"));
        for (let round = 0; round < 20; round++) {
          load(round % 2 === 0 ? allowed : []);
          filter.renewLease(leaseMs);
        }
        // While it waits for a program of its own, it would pass any other signal on to that one.
        child.kill("SIGKILL");
        await child.exited;
        expect(filter.observeFilter()).toMatchObject({ filter: filterOf([]) });
      },
      slowMs,
    );

    test(
      "to the packets: none of a stranger slips in, none of a friend is lost, in 200 changes",
      async () => {
        load(["100.64.0.2"]);
        nft("add", "table", "inet", "judge");
        nft("add", "chain", "inet", "judge", "c", "{ type filter hook input priority 10; }");
        nft("add", "rule", "inet", "judge", "c", "ip", "saddr", "100.64.0.3", "counter");
        const floods = [
          await startPeer("flood", "100.64.0.1", "9", "100.64.0.3"),
          await startPeer("flood", "100.64.0.1", "9", "100.64.0.2"),
        ];
        const start = drops("source_denied");
        const other = {
          ...filterOf(["100.64.0.2", "100.64.0.9"]),
          addresses: new Set([address("100.64.0.1")]),
        };
        for (let round = 0; round < 200; round++) {
          filter.replaceFilter({
            filter: round % 2 === 0 ? other : filterOf(["100.64.0.2"]),
            leaseMs,
          });
          await Bun.sleep(0);
        }
        await waitFor("the flood", () => drops("source_denied") - start > 1_000n);
        for (const flood of floods) await flood.stop();
        expect(nft("list", "table", "inet", "judge")).toContain("counter packets 0 ");
        const counters = filter.readDropCounters();
        expect(counters).toMatchObject({ lease_expired: 0n, address_foreign: 0n });
      },
      slowMs,
    );
  });

  test(
    "one transaction takes 100 000 sources, and they work",
    () => {
      const first = {
        4: numberOf(v.parse(Ipv4Address, "100.65.0.0")),
        6: numberOf(v.parse(Ipv6Address, "fd00::1:0:0")),
      };
      const many = Array.from({ length: 50_000 }, (_, index) => [
        addressOfNumber(4, first[4] + BigInt(index)),
        addressOfNumber(6, first[6] + BigInt(index)),
      ]).flat();
      for (const sources of [[], many.slice(0, 1_000), many]) {
        filter.replaceFilter(null);
        const wanted = { ...filterOf([]), sources: new Set(sources) };
        figure(`load a filter of ${sources.length} sources`, () =>
          filter.replaceFilter({ filter: wanted, leaseMs }),
        );
        const state = figure("  read it back", () => filter.observeFilter());
        expect(state.kind === "loaded" && Bun.deepEquals(state.filter, wanted)).toBe(true);
        figure("  let one in", () =>
          filter.changeSources({ add: allowed.map(address), remove: [] }),
        );
        figure("  let it out", () =>
          filter.changeSources({ add: [], remove: allowed.map(address) }),
        );
        figure("  renew the lease", () => filter.renewLease(leaseMs));
        figure("  read the counters", () => filter.readDropCounters());
      }
      for (const { own, allowed: friend } of families) {
        expectDropped("source_denied", "rnmesh", friend, own);
        filter.changeSources({ add: [address(friend)], remove: [] });
        expect(pings("rnmesh", friend, own)).toBe(true);
      }
      figure("replace it by a filter of one source", () => load(["100.64.0.2"]));
      expect(filter.observeFilter()).toMatchObject({ filter: filterOf(["100.64.0.2"]) });
    },
    slowMs,
  );

  describe("what cannot be done is refused with a way out", () => {
    test("to change the sources, or renew the lease, of a table that is not there", () => {
      const change = { add: [address("100.64.0.2")], remove: [] };
      expect(codeOf(() => filter.changeSources(change))).toBe("host_failed");
      expect(codeOf(() => filter.renewLease(leaseMs))).toBe("host_failed");
      filter.changeSources({ add: [], remove: [] });
    });

    test("to take the loopback for the tunnel", () => {
      const loopback = { ...filterOf([]), interface: v.parse(InterfaceName, "lo") };
      expect(codeOf(() => filter.replaceFilter({ filter: loopback, leaseMs }))).toBe(
        "config_invalid",
      );
    });
  });
}

const leaseOf = (state: FilterState): number => (state.kind === "loaded" ? state.leaseMs : -1);

/** Times a call, once warm or not, for people to read. */
function figure<T>(what: string, call: () => T): T {
  const startMs = performance.now();
  const result = call();
  console.log(`figure: ${what}: ${(performance.now() - startMs).toFixed(2)} ms`);
  return result;
}
