/**
 * A switch is a bridge in a namespace of its own, with the prefixes that are used on it. It owns the
 * addresses it gives out, its ports, and what it refuses to carry.
 */
import * as v from "valibot";
import { assert } from "../../src/base/assert.ts";
import {
  addressOfNumber,
  Cidr,
  containsIp,
  familyOf,
  type Ipv4Address,
  type Ipv6Address,
  numberOf,
  splitCidr,
} from "../../src/model/ip.ts";
import { Capture, type CaptureOptions } from "./capture.ts";
import type { Station } from "./station.ts";
import { ipBatch } from "./tools.ts";

export const bridge = "br0";

export type Addresses = { readonly ipv4: Ipv4Address | null; readonly ipv6: Ipv6Address | null };
export type Prefixes = { readonly ipv4?: string; readonly ipv6?: string };

/** What is not carried: all that is named must hold. A port is either end's, of TCP or UDP. */
export type Hole = {
  readonly host?: string;
  readonly between?: readonly [Ipv4Address | Ipv6Address, Ipv4Address | Ipv6Address];
  readonly protocol?: "tcp" | "udp";
  readonly port?: number;
  /** Whole packets, with their IP header. */
  readonly longerThanBytes?: number;
};

/** A hole that can be closed again. */
export type Lift = { lift(): Promise<void> };

export class Switch {
  readonly name: string;
  readonly station: Station;
  readonly ipv4: Cidr | null;
  readonly ipv6: Cidr | null;
  /** The router that hosts on this switch send everything else to. */
  gateway: Addresses | null = null;
  #given = 1n;
  #holes = 0;

  constructor(name: string, station: Station, prefixes: Prefixes) {
    this.name = name;
    this.station = station;
    this.ipv4 = prefixes.ipv4 === undefined ? null : v.parse(Cidr, prefixes.ipv4);
    this.ipv6 = prefixes.ipv6 === undefined ? null : v.parse(Cidr, prefixes.ipv6);
    assert(this.ipv4 === null || familyOf(this.ipv4) === 4, `${this.ipv4} is an IPv4 prefix`);
    assert(this.ipv6 === null || familyOf(this.ipv6) === 6, `${this.ipv6} is an IPv6 prefix`);
  }

  /** The first address of each prefix, which is kept for a router. */
  get first(): Addresses {
    return this.#addresses(1n);
  }

  /** The next address of each prefix, in order. The first one given ends in 2. */
  nextAddresses(): Addresses {
    return this.#addresses(++this.#given);
  }

  get isUnused(): boolean {
    return this.#given === 1n;
  }

  async open(): Promise<void> {
    await ipBatch(this.station.netns, [
      "link set lo up",
      // Frames pass at once and are never withheld: no spanning tree, no group membership.
      `link add name ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
      `link set dev ${bridge} up`,
    ]);
  }

  /** Records every frame that the switch carries. */
  capture(options?: CaptureOptions): Promise<Capture> {
    return Capture.open(this.station, bridge, options);
  }

  /** Drops what matches, silently, until lifted. The hosts cannot see why. */
  async blackhole(hole: Hole): Promise<Lift> {
    const table = `hole_${++this.#holes}`;
    const rules = holeRules(hole).map((rule) => `    ${rule} drop`);
    await this.#nft(
      [
        `table bridge ${table} {`,
        "  chain carried {",
        "    type filter hook forward priority -300",
        ...rules,
        "  }",
        "}",
      ].join("\n"),
    );
    return { lift: async () => this.#nft(`delete table bridge ${table}`) };
  }

  async #nft(ruleset: string): Promise<void> {
    await this.station.output(["/usr/sbin/nft", "-f", "-"], { stdin: `${ruleset}\n` });
  }

  #addresses(index: bigint): Addresses {
    const [ipv4, ipv6] = [this.ipv4, this.ipv6];
    return {
      ipv4: ipv4 === null ? null : addressOfNumber(4, numberIn(ipv4, index)),
      ipv6: ipv6 === null ? null : addressOfNumber(6, numberIn(ipv6, index)),
    };
  }
}

function numberIn(cidr: Cidr, index: bigint): bigint {
  const { address } = splitCidr(cidr);
  const number = numberOf(address) + index;
  const family = familyOf(cidr);
  // The last address of an IPv4 prefix is its broadcast.
  const last = family === 4 ? number + 1n : number;
  assert(containsIp(cidr, addressOfNumber(family, last)), `${cidr} has no address left`);
  return number;
}

function holeRules({ host, between, protocol, port, longerThanBytes }: Hole): string[] {
  const ends = hostRules(host).flatMap((end) => betweenRules(between).map((pair) => [end, pair]));
  const kind = protocol === undefined ? "meta l4proto { tcp, udp }" : `meta l4proto ${protocol}`;
  const ports = port === undefined ? [""] : [`th dport ${port}`, `th sport ${port}`];
  const length = longerThanBytes === undefined ? "" : `meta length > ${longerThanBytes}`;
  const hasKind = protocol !== undefined || port !== undefined;
  return ends.flatMap((end) =>
    ports.map((each) => [...end, hasKind ? kind : "", each, length].filter(Boolean).join(" ")),
  );
}

const hostRules = (host: string | undefined): string[] =>
  host === undefined ? [""] : [`iifname "${host}"`, `oifname "${host}"`];

function betweenRules(between: Hole["between"]): string[] {
  if (between === undefined) return [""];
  const [a, b] = between;
  const word = familyOf(a) === 4 ? "ip" : "ip6";
  return [`${word} saddr ${a} ${word} daddr ${b}`, `${word} saddr ${b} ${word} daddr ${a}`];
}
