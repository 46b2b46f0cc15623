/**
 * A lab is a small internet made of namespaces: switches, hosts and routers, made by code and removed
 * by code. It owns their names and their end; nothing of it is in the machine's own network.
 *
 *     await using lab = await Lab.open("example");
 *     const wan = await lab.switch("wan", { ipv4: "192.0.2.0/24", ipv6: "2001:db8:1::/64" });
 *     const [alice, bob] = [await lab.host("alice", { on: [wan] }), await lab.host("bob", { on: [wan] })];
 *     const daemon = await alice.spawn(["/usr/local/bin/rustynet", "daemon"]);
 *     await daemon.waitForLine("listening");
 *     const { lost } = await bob.ping(alice.ipv4, { count: 3 });
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { assert } from "../../src/base/assert.ts";
import { Fault } from "../../src/base/fault.ts";
import { Host } from "./host.ts";
import { type LabId, labFolder, newLabId } from "./lab-id.ts";
import { type Nat, startRouting } from "./router.ts";
import { processesOf, Station } from "./station.ts";
import { endProcesses, removeAbandoned, removeNames } from "./sweep.ts";
import { type Prefixes, Switch } from "./switch.ts";

const programs = [
  ["/usr/bin/ip", "iproute2"],
  ["/usr/bin/unshare", "util-linux"],
  ["/usr/bin/nsenter", "util-linux"],
  ["/usr/bin/setpriv", "util-linux"],
  ["/usr/sbin/nft", "nftables"],
  ["/usr/sbin/sysctl", "procps"],
  ["/usr/bin/tcpdump", "tcpdump"],
  ["/usr/bin/ping", "iputils-ping"],
] as const;

export type LabOptions = {
  /** How long programs may take to end by themselves when the lab closes; then they are killed. */
  readonly graceMs?: number;
};

export class Lab {
  readonly name: string;
  readonly id: LabId;
  readonly #graceMs: number;
  readonly #stations: Station[] = [];
  readonly #switches: Switch[] = [];
  readonly #hosts: Host[] = [];
  readonly #names = new Set<string>();
  readonly #routers = new Map<Host, Nat>();
  readonly #opening = new Set<Promise<readonly Station[]>>();
  #closing: Promise<void> | null = null;

  private constructor(name: string, id: LabId, graceMs: number) {
    this.name = name;
    this.id = id;
    this.#graceMs = graceMs;
  }

  /** Removes labs whose creator is gone, then starts an empty one. Needs root. */
  static async open(name: string, { graceMs = 3_000 }: LabOptions = {}): Promise<Lab> {
    requirePrivileges();
    await removeAbandoned();
    const id = newLabId();
    mkdirSync(labFolder(id), { mode: 0o700 });
    return new Lab(name, id, graceMs);
  }

  /** A folder that the machine and all hosts see under this path. Goes with the lab. */
  get folder(): string {
    return labFolder(this.id);
  }

  /** A link that any number of hosts can be on. Prefixes of both families, or of one. */
  async switch(name: string, prefixes: Prefixes): Promise<Switch> {
    const [station] = await this.#openStations([name]);
    assert(station, "a station for each name");
    const made = new Switch(name, station, prefixes);
    await made.open();
    this.#switches.push(made);
    return made;
  }

  /** A host with an interface on each switch, in that order: eth0, eth1 and so on. */
  async host(name: string, options: { readonly on?: readonly Switch[] } = {}): Promise<Host> {
    const [host] = await this.hosts([name], options);
    assert(host, "a host for each name");
    return host;
  }

  /** Many hosts alike, made at once. */
  async hosts(
    names: readonly string[],
    { on = [] }: { readonly on?: readonly Switch[] } = {},
  ): Promise<Host[]> {
    const made = (await this.#openStations(names)).map((station) => new Host(station));
    this.#hosts.push(...made);
    for (const each of on) await Host.attach(made, each);
    return made;
  }

  /**
   * A router between two switches, made before the hosts inside: it is their way out, with the first
   * address. With `nat: "none"` it is the way out for both sides.
   */
  async router(
    name: string,
    options: { readonly inside: Switch; readonly outside: Switch; readonly nat?: Nat },
  ): Promise<Host> {
    const { inside, outside, nat = "none" } = options;
    const served = nat === "none" ? [inside, outside] : [inside];
    const late = served.find((each) => each.gateway !== null || !each.isUnused);
    assert(!late, `${late?.name} has hosts or a router already: make ${name} before them`);
    for (const each of served) each.gateway = each.first;
    const host = await this.host(name);
    for (const side of [inside, outside]) {
      await Host.attach([host], side, served.includes(side) ? side.first : undefined);
    }
    await startRouting(host, nat);
    this.#routers.set(host, nat);
    return host;
  }

  /** The topology as text, for people. */
  describe(): string {
    const lines = this.#switches.flatMap((each) => [
      `  ${each.name} (${[each.ipv4, each.ipv6].filter(Boolean).join(", ")})`,
      ...this.#hosts.flatMap((host) => this.#describeLink(host, each)),
    ]);
    return [`lab ${this.name} (rnlab-${this.id})`, ...lines].join("\n");
  }

  /** Ends every process in the lab and removes all that it made. Harmless when done twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** May be called at any moment, such as by a signal: what is just being made is waited for. */
  async #close(): Promise<void> {
    await Promise.allSettled(this.#opening);
    await Promise.all(this.#stations.map((station) => station.seal()));
    await endProcesses(() => processesOf(this.#stations), this.#graceMs);
    await removeNames(this.#stations.map((station) => station.netns));
    await Promise.all(this.#stations.map((station) => station.release()));
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #openStations(names: readonly string[]): Promise<Station[]> {
    assert(this.#closing === null, `the lab ${this.name} is closed`);
    for (const name of names) {
      // The name is that of a bridge port too, and interfaces have at most 15 characters.
      assert(/^[a-z][a-z0-9-]{0,14}$/.test(name), `${name} can be a host name and an interface`);
      assert(name !== "br0" && name !== "lo", `${name} is the name of an interface`);
      assert(!this.#names.has(name), `there is a ${name} in the lab already`);
      this.#names.add(name);
    }
    const opening = Station.open(this.id, names);
    this.#opening.add(opening);
    try {
      const opened = await opening;
      this.#stations.push(...opened);
      return opened;
    } finally {
      this.#opening.delete(opening);
    }
  }

  #describeLink(host: Host, to: Switch): string[] {
    const link = host.attachments.find((each) => each.switch === to);
    if (link === undefined) return [];
    const addresses = [link.ipv4, link.ipv6].filter(Boolean).join(" ");
    const nat = this.#routers.get(host);
    const role = nat === undefined ? "" : `  router, nat: ${nat}`;
    return [`    ${host.name.padEnd(15)} ${link.interface} ${addresses}${role}`];
  }
}

function requirePrivileges(): void {
  if (process.getuid?.() !== 0) {
    throw new Fault("permission_denied", "a lab makes network namespaces, which needs root", {
      remedy: "run the same command with sudo",
    });
  }
  const missing = programs.filter(([path]) => !existsSync(path));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map(([, name]) => name))].join(" ");
  throw new Fault("unavailable", `missing: ${missing.map(([path]) => path).join(" ")}`, {
    remedy: `apt-get install ${packages}`,
  });
}
