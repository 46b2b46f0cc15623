/**
 * filter-ruleset says in nftables what a Filter means: the one place that decides which packets pass.
 *
 * Three choices that the rules show:
 * - A packet of an existing flow passes unasked only in the reply direction, so that taking a source
 *   away stops its flows with the very next packet. The ICMP and ICMPv6 errors about our own flows
 *   count as related and as replies, and pass.
 * - Packets that connection tracking finds invalid get no rule of their own: from an allowed source
 *   the host's own stack judges them as it would without us, from any other they are dropped as new
 *   ones are. Fragments are put together before these hooks, since tracking asks for that.
 * - Nobody reaches the mesh's addresses, or speaks as one of our sources, by any other interface; nor
 *   does this host speak to one there, which a route from a lying DHCP server (RFC 3442) would have it
 *   do in the clear. That costs two look-ups for a packet from outside, one for a packet to outside,
 *   and none for `lo`, where a proxy on this host may rightly speak as its client.
 */
import { encodeUtf8 } from "../base/bytes.ts";
import type { Chain, HashSet, Rule, Table } from "../kernel/nftables.ts";
import {
  ctDirections,
  ctStates,
  type Expression,
  nfProtocols,
} from "../kernel/nftables-expression.ts";
import type { Family } from "../model/ip.ts";
import type { InterfaceName } from "../model/names.ts";

export const filterTable: Table = { family: "inet", name: "rustynet" };

/** Why the filter drops: one counter for each. */
export type DropReason =
  /** The daemon has not renewed the lease: the tunnel is closed in both directions. */
  | "lease_expired"
  /** Through the tunnel, to an address that is not this host's own. */
  | "address_foreign"
  /** Through the tunnel, from a node that may not open a flow to this host. */
  | "source_denied"
  /** To this host's tunnel address, by another interface. */
  | "address_outside_tunnel"
  /** In the name of one of our sources, by another interface. */
  | "source_spoofed"
  /** To one of our sources, by another interface: somebody's route lies before the tunnel's. */
  | "source_outside_tunnel"
  /** Between the tunnel and another interface, or from the tunnel back into it. */
  | "forwarded";

export const ownSets = { 4: "self4", 6: "self6" } as const;
export const sourceSets = { 4: "peers4", 6: "peers6" } as const;
export const leaseSet = "lease";
export const filterSets = [
  { name: ownSets[4], key: "ipv4_addr", hasTimeouts: false },
  { name: ownSets[6], key: "ipv6_addr", hasTimeouts: false },
  { name: sourceSets[4], key: "ipv4_addr", hasTimeouts: false },
  { name: sourceSets[6], key: "ipv6_addr", hasTimeouts: false },
  { name: leaseSet, key: "ifname", hasTimeouts: true },
] as const satisfies readonly HashSet[];
export type FilterSetName = (typeof filterSets)[number]["name"];

export const arrivalChain = "mesh_in";
const fromTunnel = "from_mesh";
const passage = "mesh_forward";
const departure = "mesh_out";
export const filterChains: readonly Chain[] = [
  { name: fromTunnel, base: null },
  { name: arrivalChain, base: baseChain("input") },
  { name: passage, base: baseChain("forward") },
  { name: departure, base: baseChain("output") },
];

/** The policy is to accept: what does not concern the tunnel is for others to judge. */
function baseChain(hook: "input" | "forward" | "output"): Chain["base"] {
  return { type: "filter", hook, priority: 0, policy: "accept" };
}

export type FilterRule = {
  readonly chain: string;
  readonly rule: Rule;
  readonly drops?: DropReason;
};

/** Every rule, in order. None depends on how many addresses there are. */
export function rulesOf(tunnel: InterfaceName): readonly FilterRule[] {
  const isTunnel = cmp("eq", encodeName(tunnel));
  return [
    { chain: arrivalChain, rule: [iifname, isTunnel, jump(fromTunnel)] },
    { chain: arrivalChain, rule: [iifname, cmp("eq", encodeName("lo")), accept] },
    ...drops(arrivalChain, "address_outside_tunnel", within("destination", ownSets)),
    ...drops(arrivalChain, "source_spoofed", within("source", sourceSets)),

    ...drops(fromTunnel, "lease_expired", [[iifname, outsideSet(leaseSet)]]),
    ...drops(fromTunnel, "address_foreign", outside("destination", ownSets)),
    { chain: fromTunnel, rule: [...isReply, accept] },
    ...within("source", sourceSets).map((match) => ({
      chain: fromTunnel,
      rule: [...match, accept],
    })),
    ...drops(fromTunnel, "source_denied", [[]]),

    ...drops(passage, "forwarded", [
      [iifname, isTunnel],
      [oifname, isTunnel],
    ]),
    ...drops(departure, "lease_expired", [[oifname, isTunnel, oifname, outsideSet(leaseSet)]]),
    { chain: departure, rule: [oifname, isTunnel, accept] },
    { chain: departure, rule: [oifname, cmp("eq", encodeName("lo")), accept] },
    ...drops(departure, "source_outside_tunnel", within("destination", sourceSets)),
  ];
}

const iifname: Expression = { kind: "meta", key: "iifname", to: 1 };
const oifname: Expression = { kind: "meta", key: "oifname", to: 1 };
const accept: Expression = { kind: "immediate", verdict: { kind: "accept" } };
const drop: Expression = { kind: "immediate", verdict: { kind: "drop" } };
export const count: Expression = { kind: "counter", packets: 0n, bytes: 0n };
const jump = (chain: string): Expression => ({
  kind: "immediate",
  verdict: { kind: "jump", chain },
});
const cmp = (is: "eq" | "neq", value: Uint8Array): Expression => ({
  kind: "cmp",
  from: 1,
  is,
  value,
});
const insideSet = (set: string): Expression => ({
  kind: "lookup",
  from: 1,
  set,
  isInverted: false,
});
const outsideSet = (set: string): Expression => ({
  kind: "lookup",
  from: 1,
  set,
  isInverted: true,
});

const isReply: Rule = [
  { kind: "ct", key: "state", to: 1 },
  {
    kind: "bitwise",
    from: 1,
    to: 1,
    mask: hostU32(ctStates.established | ctStates.related),
    xor: hostU32(0),
  },
  cmp("neq", hostU32(0)),
  { kind: "ct", key: "direction", to: 1 },
  cmp("eq", Uint8Array.of(ctDirections.reply)),
];

/** Little-endian, as every platform that we build for. */
function hostU32(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24);
}

type Side = "source" | "destination";
type SetByFamily = Readonly<Record<Family, string>>;

const within = (side: Side, sets: SetByFamily): readonly Rule[] =>
  ([4, 6] as const).map((family) => [...address(side, family), insideSet(sets[family])]);

const outside = (side: Side, sets: SetByFamily): readonly Rule[] =>
  ([4, 6] as const).map((family) => [...address(side, family), outsideSet(sets[family])]);

/** Loads an address of the IP header (RFC 791 section 3.1, RFC 8200 section 3). */
function address(side: Side, family: Family): Rule {
  const offsets = family === 4 ? { source: 12, destination: 16 } : { source: 8, destination: 24 };
  return [
    { kind: "meta", key: "nfproto", to: 1 },
    cmp("eq", Uint8Array.of(family === 4 ? nfProtocols.ipv4 : nfProtocols.ipv6)),
    {
      kind: "payload",
      base: "network",
      offsetBytes: offsets[side],
      sizeBytes: family === 4 ? 4 : 16,
      to: 1,
    },
  ];
}

const drops = (
  chain: string,
  reason: DropReason,
  matches: readonly Rule[],
): readonly FilterRule[] =>
  matches.map((match) => ({ chain, rule: [...match, count, drop], drops: reason }));

const nameSizeBytes = 16;

/** An interface name as registers hold it, zeros to the end (linux/if.h IFNAMSIZ). */
export function encodeName(name: string): Uint8Array {
  const bytes = new Uint8Array(nameSizeBytes);
  bytes.set(encodeUtf8(name));
  return bytes;
}
