/** What the product takes for granted of the kernel's tunnel and packet filter, asked of the kernel itself. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { Packets } from "../lab/packets.ts";
import { parsePcap } from "../lab/pcap.ts";
import { pace } from "../support/pace.ts";
import { isInPrivateNamespace } from "../support/private-namespace.ts";
import { requireGuest } from "./guest-only.ts";
import {
  closeTrio,
  inner,
  isAnswered,
  keyOf,
  on,
  openTrio,
  outer,
  packetsOf,
  setJudge,
  setTunnel,
  shown,
  tunnelPort,
} from "./tunnel-trio.ts";

requireGuest(import.meta.path);

/** Packets that were authentic, and not from an address of whom they came from. */
const refusedSources = (): number =>
  Number(on("a", "/usr/bin/cat", "/sys/class/net/tun0/statistics/rx_frame_errors"));
const endpointOf = (peer: "b" | "c"): string | undefined =>
  shown("a", "endpoints").get(keyOf(peer));

/** Sends bytes to a's tunnel port from c's. */
function sendFromC(payload: Uint8Array): void {
  writeFileSync("/run/payload", payload);
  const to = `UDP4-SENDTO:${outer("a")}:${tunnelPort}`;
  on("c", "/usr/bin/socat", "-u", "-b", "2000", "OPEN:/run/payload", to);
}

/** The datagrams that b sends to a while `act` runs. */
async function overheard(act: () => void): Promise<readonly Uint8Array[]> {
  const filter = `udp and src host ${outer("b")}`;
  const argv = ["/usr/bin/tcpdump", "-n", "-U", "--immediate-mode", "-Z", "root", "-i", "eth0"];
  const words = ["-w", "/run/overheard.pcap", filter];
  const tcpdump = Bun.spawn(["/usr/bin/ip", "netns", "exec", "a", ...argv, ...words], {
    stderr: "pipe",
    env: {},
  });
  // It says that it listens once it does.
  await tcpdump.stderr.getReader().read();
  act();
  tcpdump.kill("SIGINT");
  await tcpdump.exited;
  return new Packets(parsePcap(readFileSync("/run/overheard.pcap")).packets).udpPayloadsTo(
    tunnelPort,
  );
}

if (isInPrivateNamespace(import.meta.path)) {
  beforeAll(openTrio);
  afterAll(closeTrio);

  test("a peer's packets are taken from its own addresses and from no other", () => {
    on("b", "/usr/bin/ip", "address", "add", "10.0.0.9/32", "dev", "tun0");
    setJudge("a", {
      hook: "input",
      counters: ["own", "foreign"],
      rules: ["ip saddr 10.0.0.2 counter name own", "ip saddr 10.0.0.9 counter name foreign"],
    });
    expect(isAnswered("b", inner("a"))).toBe(true);
    const before = refusedSources();
    expect(isAnswered("b", inner("a"), "10.0.0.9")).toBe(false);
    // It came, it was authentic, and it got no further.
    expect(refusedSources()).toBe(before + 1);
    expect(packetsOf("a", "own")).toBeGreaterThan(0);
    expect(packetsOf("a", "foreign")).toBe(0);
  });

  test("a packet to an address that no peer owns is refused to its sender", () => {
    const ping = (): string => on("a", "/usr/bin/ping", "-n", "-c", "1", "-W", "1", "10.0.0.77");
    // ENOKEY: there is nobody to encrypt it for.
    expect(ping).toThrow("Required key not available");
  });

  test("an endpoint follows authenticated packets, and neither forged nor replayed ones", async () => {
    const [real] = (await overheard(() => expect(isAnswered("b", inner("a"))).toBe(true))).filter(
      ([type]) => type === 4,
    );
    expect(endpointOf("b")).toBe(`${outer("b")}:${tunnelPort}`);
    const bytes = new Uint8Array(real ?? []);
    expect(bytes.length).toBeGreaterThan(32);
    // A replay; then the same with another counter, and so with a tag that does not fit.
    sendFromC(bytes);
    sendFromC(bytes.with(8, (bytes[8] ?? 0) + 100));
    sendFromC(new Uint8Array(148).fill(1, 0, 1));
    expect(isAnswered("a", inner("c"))).toBe(true);
    expect(endpointOf("b")).toBe(`${outer("b")}:${tunnelPort}`);
    on("b", "/usr/bin/ip", "address", "add", "192.0.2.22/24", "dev", "eth0");
    on("b", "/usr/bin/ip", "address", "delete", "192.0.2.2/24", "dev", "eth0");
    on("b", "/usr/bin/ip", "address", "replace", "192.0.2.22/24", "dev", "eth0");
    expect(isAnswered("b", inner("a"))).toBe(true);
    expect(endpointOf("b")).toBe(`192.0.2.22:${tunnelPort}`);
    expect(isAnswered("a", inner("b"))).toBe(true);
  });

  test("a prefix that is given to another peer leaves its old one in the same moment", () => {
    const moved = "10.0.0.7/32";
    for (const name of ["b", "c"] as const) {
      on(name, "/usr/bin/ip", "address", "add", moved, "dev", "tun0");
      setJudge(name, {
        hook: "input",
        counters: ["seen"],
        rules: ['iifname "tun0" ip daddr 10.0.0.7 counter name seen'],
      });
    }
    setTunnel("a", "peer", keyOf("b"), "allowed-ips", `${inner("b")}/32,${moved}`);
    expect(isAnswered("a", "10.0.0.7")).toBe(true);
    expect([packetsOf("b", "seen"), packetsOf("c", "seen")]).toEqual([1, 0]);
    setTunnel("a", "peer", keyOf("c"), "allowed-ips", `${inner("c")}/32,${moved}`);
    expect(shown("a", "allowed-ips")).toEqual(
      new Map([
        [keyOf("b"), `${inner("b")}/32`],
        [keyOf("c"), `${inner("c")}/32 ${moved}`],
      ]),
    );
    expect(isAnswered("a", "10.0.0.7")).toBe(true);
    expect([packetsOf("b", "seen"), packetsOf("c", "seen")]).toEqual([1, 1]);
    // The old owner may not speak for it any more.
    expect(isAnswered("b", inner("a"), "10.0.0.7")).toBe(false);
  });

  test("the tunnel's own mark leads its packets past the rule that sends all others into it", () => {
    const mark = "0xca6c";
    on("b", "/usr/bin/ip", "address", "add", "198.51.100.1/32", "dev", "lo");
    setTunnel("a", "fwmark", mark, "peer", keyOf("b"), "allowed-ips", "0.0.0.0/0");
    on("a", "/usr/bin/ip", "route", "add", "default", "dev", "tun0", "table", "5279");
    on(
      "a",
      "/usr/bin/ip",
      "rule",
      "add",
      "not",
      "fwmark",
      mark,
      "table",
      "5279",
      "priority",
      "5279",
    );
    setJudge("a", {
      hook: "output",
      counters: ["marked", "bare"],
      rules: [
        `oifname "eth0" meta nfproto ipv4 meta mark ${mark} counter name marked`,
        `oifname "eth0" meta nfproto ipv4 meta mark != ${mark} counter name bare`,
      ],
    });
    expect(isAnswered("a", "198.51.100.1")).toBe(true);
    expect(packetsOf("a", "marked")).toBeGreaterThan(0);
    expect(packetsOf("a", "bare")).toBe(0);
    on("a", "/usr/bin/ip", "rule", "delete", "priority", "5279");
    setTunnel("a", "fwmark", "0", "peer", keyOf("b"), "allowed-ips", `${inner("b")}/32`);
    setTunnel("a", "peer", keyOf("c"), "allowed-ips", `${inner("c")}/32`);
  });

  test(
    "a set of 100 000 sources lets its members in and nobody else, and one can be taken out",
    () => {
      const others = Array.from({ length: 99_999 }, (_, i) => {
        const [high, low] = [i >> 8, i & 255];
        return `10.${1 + (high >> 8)}.${high & 255}.${low}`;
      });
      const elements = [...others, inner("b")].join(",");
      setJudge("a", {
        hook: "input",
        sets: [`set sources { type ipv4_addr; elements = { ${elements} }; }`],
        rules: ['iifname != "tun0" accept', "ip saddr @sources accept", "drop"],
      });
      expect([isAnswered("b", inner("a")), isAnswered("c", inner("a"))]).toEqual([true, false]);
      const change = (verb: string, name: "b" | "c"): void =>
        void on(
          "a",
          "/usr/sbin/nft",
          verb,
          "element",
          "inet",
          "judge",
          "sources",
          `{ ${inner(name)} }`,
        );
      change("delete", "b");
      change("add", "c");
      expect([isAnswered("b", inner("a")), isAnswered("c", inner("a"))]).toEqual([false, true]);
    },
    20_000 * pace,
  );
}
