/**
 * tunnel-trio is three bare tunnels in three network namespaces on one link, made by ip(8) and wg(8)
 * alone, for asking the kernel what it does:
 *
 *   a: tunnel 10.0.0.1 ─ 192.0.2.1 ──┬── 192.0.2.2 ─ tunnel 10.0.0.2 :b
 *                                    └── 192.0.2.3 ─ tunnel 10.0.0.3 :c
 */
import { writeFileSync } from "node:fs";
import { tunnelKeyOf } from "../../src/backend/wireguard/tunnel-key.ts";
import { Secret } from "../../src/base/secret.ts";
import { run } from "../support/private-namespace.ts";

export type Name = "a" | "b" | "c";

const numbers = { a: 1, b: 2, c: 3 } as const;
const names = ["a", "b", "c"] as const;
export const tunnelPort = 51_820;
const addressOf = (name: Name, network: string): string => `${network}.${numbers[name]}`;
export const inner = (name: Name): string => addressOf(name, "10.0.0");
export const outer = (name: Name): string => addressOf(name, "192.0.2");

const ip = (...words: readonly string[]): string => run("/usr/bin/ip", ...words);
const secretOf = (name: Name): Uint8Array => new Uint8Array(32).fill(0xa0 + numbers[name]);
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

/** The public key as wg(8) spells it. */
export const keyOf = (name: Name): string =>
  base64(Uint8Array.fromHex(tunnelKeyOf(new Secret(secretOf(name)))));

/** Runs a program on one of the three. Throws unless it succeeds. */
export const on = (name: Name, ...argv: readonly string[]): string =>
  ip("netns", "exec", name, ...argv);

/** Feeds wg(8): `set tun0` and what follows. */
export const setTunnel = (name: Name, ...words: readonly string[]): string =>
  on(name, "/usr/bin/wg", "set", "tun0", ...words);

export function openTrio(): void {
  ip("link", "add", "wire", "type", "bridge", "stp_state", "0", "forward_delay", "0");
  ip("link", "set", "wire", "up");
  for (const name of names) {
    ip("netns", "add", name);
    ip("link", "add", `port-${name}`, "type", "veth", "peer", "name", "eth0", "netns", name);
    ip("link", "set", `port-${name}`, "master", "wire", "up");
    for (const link of ["lo", "eth0"]) on(name, "/usr/bin/ip", "link", "set", link, "up");
    on(name, "/usr/bin/ip", "address", "add", `${outer(name)}/24`, "dev", "eth0");
    on(name, "/usr/bin/ip", "link", "add", "tun0", "type", "wireguard");
    on(name, "/usr/bin/ip", "address", "add", `${inner(name)}/24`, "dev", "tun0");
    on(name, "/usr/bin/ip", "link", "set", "tun0", "up");
    writeFileSync(`/run/key-${name}`, base64(secretOf(name)), { mode: 0o600 });
    setTunnel(name, "private-key", `/run/key-${name}`, "listen-port", String(tunnelPort));
  }
  for (const [one, two] of [
    ["a", "b"],
    ["a", "c"],
  ] as const) {
    introduce(one, two);
    introduce(two, one);
  }
}

function introduce(to: Name, peer: Name): void {
  const endpoint = `${outer(peer)}:${tunnelPort}`;
  setTunnel(to, "peer", keyOf(peer), "allowed-ips", `${inner(peer)}/32`, "endpoint", endpoint);
}

export function closeTrio(): void {
  for (const name of names) ip("netns", "delete", name);
  ip("link", "delete", "wire");
}

/** Whether a ping is answered. */
export function isAnswered(from: Name, to: string, source: string = inner(from)): boolean {
  const argv = ["/usr/bin/ping", "-n", "-c", "1", "-W", "3", "-I", source, to];
  return Bun.spawnSync(["/usr/bin/ip", "netns", "exec", from, ...argv], { env: {} }).exitCode === 0;
}

/** One column of `wg show tun0`, by the peer's key. */
export function shown(name: Name, column: "endpoints" | "allowed-ips" | "transfer") {
  const lines = on(name, "/usr/bin/wg", "show", "tun0", column).trimEnd().split("\n");
  return new Map(
    lines.map((line) => [line.split("\t")[0] ?? "", line.split("\t").slice(1).join(" ")]),
  );
}

export type Judge = {
  readonly hook: "input" | "output";
  /** Named counters for the rules. */
  readonly counters?: readonly string[];
  /** Named sets, as nft(8) spells them. */
  readonly sets?: readonly string[];
  readonly rules: readonly string[];
};

/** Replaces the one table `judge` on one of the three. */
export function setJudge(name: Name, { hook, counters = [], sets = [], rules }: Judge): void {
  const lines = [
    ...["table inet judge", "delete table inet judge", "table inet judge {"],
    ...counters.map((each) => `counter ${each} { }`),
    ...sets,
    ...["chain judged {", `type filter hook ${hook} priority 0`, ...rules, "}", "}", ""],
  ];
  const file = `/run/judge-${name}.nft`;
  writeFileSync(file, lines.join("\n"));
  on(name, "/usr/sbin/nft", "-f", file);
}

/** How many packets a named counter of the table `judge` has seen. */
export function packetsOf(name: Name, counter: string): number {
  const text = on(name, "/usr/sbin/nft", "list", "counter", "inet", "judge", counter);
  return Number(/packets (\d+)/.exec(text)?.[1] ?? Number.NaN);
}
