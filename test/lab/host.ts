/** A host is a station with interfaces on switches. It owns its links and its own configuration. */
import { assert } from "../../src/base/assert.ts";
import type { Ipv4Address, Ipv6Address } from "../../src/model/ip.ts";
import { Capture, type CaptureOptions } from "./capture.ts";
import type { Finished, LabProcess } from "./lab-process.ts";
import { ContinuousPing, ping, type PingOptions, type PingResult } from "./ping.ts";
import type { RunOptions, SpawnOptions, Station } from "./station.ts";
import { type Addresses, bridge, type Switch } from "./switch.ts";
import { ipBatch } from "./tools.ts";

export type Attachment = Addresses & { readonly switch: Switch; readonly interface: string };

export class Host {
  readonly name: string;
  readonly station: Station;
  #attachments: readonly Attachment[] = [];

  constructor(station: Station) {
    this.name = station.name;
    this.station = station;
  }

  get attachments(): readonly Attachment[] {
    return this.#attachments;
  }

  /** The IPv4 address on the first switch that gave one. A host without is a mistake of the test. */
  get ipv4(): Ipv4Address {
    const found = this.#attachments.find((each) => each.ipv4 !== null)?.ipv4;
    assert(found, `${this.name} has no IPv4 address`);
    return found;
  }

  get ipv6(): Ipv6Address {
    const found = this.#attachments.find((each) => each.ipv6 !== null)?.ipv6;
    assert(found, `${this.name} has no IPv6 address`);
    return found;
  }

  /** The attachment to a switch; the first one when none is named. */
  on(where?: Switch): Attachment {
    const found = this.#attachments.find((each) => where === undefined || each.switch === where);
    assert(found, `${this.name} is not on ${where?.name ?? "any switch"}`);
    return found;
  }

  /** A root shell in here, for a person: to be typed on the machine. */
  get enterArgv(): readonly string[] {
    return this.station.enterArgv;
  }

  spawn(argv: readonly string[], options?: SpawnOptions): Promise<LabProcess> {
    return this.station.spawn(argv, options);
  }

  run(argv: readonly string[], options?: RunOptions): Promise<Finished> {
    return this.station.run(argv, options);
  }

  output(argv: readonly string[], options?: RunOptions): Promise<string> {
    return this.station.output(argv, options);
  }

  async readFile(path: string): Promise<string> {
    return this.station.output(["/usr/bin/cat", "--", path]);
  }

  /** Written by a program in here: a link such as /var/run leads to this host's file. */
  async writeFile(path: string, text: string): Promise<void> {
    await this.station.output(["/usr/bin/tee", "--", path], { stdin: text });
  }

  /**
   * How this process reaches a Unix socket of the host. The path must hold no symbolic link: one
   * that is absolute would lead to the machine's own files.
   */
  socketPath(path: string): string {
    return `/proc/${this.station.holderPid}/root${path}`;
  }

  /** Sets kernel parameters of this host's network, such as `net.ipv4.ip_forward`. */
  async sysctl(values: Readonly<Record<string, string>>): Promise<void> {
    const settings = Object.entries(values).map(([name, value]) => `${name}=${value}`);
    const stray = settings.find((each) => !each.startsWith("net."));
    assert(stray === undefined, `${stray} is not of a network namespace: it is the machine's`);
    await this.station.output(["/usr/sbin/sysctl", "-q", "-w", ...settings]);
  }

  /** Loads rules as one transaction. */
  async nft(ruleset: string): Promise<void> {
    await this.station.output(["/usr/sbin/nft", "-f", "-"], { stdin: ruleset });
  }

  /** Feeds lines to ip(8) in here. */
  async ip(...lines: readonly string[]): Promise<void> {
    await ipBatch(this.station.netns, lines);
  }

  /** Pulls the plug: the carrier is lost, addresses and routes stay. */
  async linkDown(from?: Switch): Promise<void> {
    const { switch: end } = this.on(from);
    await ipBatch(end.station.netns, [`link set dev ${this.name} down`]);
  }

  async linkUp(to?: Switch): Promise<void> {
    const { switch: end } = this.on(to);
    await ipBatch(end.station.netns, [`link set dev ${this.name} up`]);
  }

  /**
   * Carries the host to another switch, as a laptop to another network: the same interface loses its
   * carrier and its addresses and gets others.
   */
  async move(to: Switch, from?: Switch): Promise<Attachment> {
    const old = this.on(from);
    assert(!this.#attachments.some((each) => each.switch === to), `it is on ${to.name} already`);
    const moved = { ...to.nextAddresses(), switch: to, interface: old.interface };
    await ipBatch(old.switch.station.netns, [
      `link set dev ${this.name} down`,
      `link set dev ${this.name} netns ${to.station.netns}`,
    ]);
    await this.ip(`address flush dev ${old.interface} scope global`);
    await ipBatch(to.station.netns, [`link set dev ${this.name} master ${bridge} up`]);
    await this.ip(...addressLines(moved));
    this.#attachments = this.#attachments.map((each) => (each === old ? moved : each));
    return moved;
  }

  /** `where` is an interface of this host, or a switch that it is on. */
  capture(where: string | Switch, options?: CaptureOptions): Promise<Capture> {
    const name = typeof where === "string" ? where : this.on(where).interface;
    return Capture.open(this.station, name, options);
  }

  ping(address: string, options?: PingOptions): Promise<PingResult> {
    return ping(this.station, address, options);
  }

  startPing(address: string, options?: PingOptions): Promise<ContinuousPing> {
    return ContinuousPing.open(this.station, address, options);
  }

  /** Plugs all hosts into one switch at once. `addresses` is for a router; others get the next. */
  static async attach(hosts: readonly Host[], to: Switch, addresses?: Addresses): Promise<void> {
    const plugged = hosts.map((host): [Host, Attachment] => {
      assert(!host.#attachments.some((each) => each.switch === to), "one link to each switch");
      const name = `eth${host.#attachments.length}`;
      const attachment = { ...(addresses ?? to.nextAddresses()), switch: to, interface: name };
      host.#attachments = [...host.#attachments, attachment];
      return [host, attachment];
    });
    await ipBatch(
      to.station.netns,
      plugged.flatMap(([{ name, station }, attachment]) => [
        `link add name ${name} type veth peer name ${attachment.interface} netns ${station.netns}`,
        `link set dev ${name} master ${bridge} up`,
      ]),
    );
    const configured = plugged.map(([host, attachment]) =>
      host.ip(
        "link set lo up",
        `link set dev ${attachment.interface} up`,
        ...addressLines(attachment),
      ),
    );
    await Promise.all(configured);
  }
}

/** The addresses, and the way out if this switch has one. Of two ways out the first one holds. */
function addressLines(attachment: Attachment): string[] {
  const { ipv4, ipv6, switch: at, interface: name } = attachment;
  return [
    ...familyLines(name, ipv4, at.ipv4, at.gateway?.ipv4),
    ...familyLines(name, ipv6, at.ipv6, at.gateway?.ipv6),
  ];
}

function familyLines(
  name: string,
  address: string | null,
  prefix: string | null,
  gateway: string | null | undefined,
): string[] {
  if (address === null) return [];
  const add = `address add ${address}/${prefix?.split("/")[1]} dev ${name}`;
  const metric = 100 + Number(name.slice("eth".length));
  return gateway === null || gateway === undefined || gateway === address
    ? [add]
    : [add, `route add default via ${gateway} dev ${name} metric ${metric}`];
}
