/** random-host: hosts as they may be found, and what may be wanted of them, from few enough parts to meet. */
import * as v from "valibot";
import type { Filter, FilterState } from "../../src/dataplane/filter.ts";
import type { TunnelConfig, Wanted } from "../../src/dataplane/host-state.ts";
import { Cidr, type Endpoint, endpointOf, hostCidr, IpAddress } from "../../src/model/ip.ts";
import type { TunnelKey } from "../../src/model/keys.ts";
import { InterfaceName } from "../../src/model/names.ts";
import type { Peer, PeerState, PrefixOwners } from "../../src/model/tunnel.ts";
import type { Kernel } from "./fake-host.ts";
import type { Prng } from "./prng.ts";
import { tunnelOf } from "./world.ts";

const ip = (text: string): IpAddress => v.parse(IpAddress, text);
const name = (text: string): InterfaceName => v.parse(InterfaceName, text);

export const config: TunnelConfig = {
  interface: name("rustynet0"),
  listenPort: 51_820,
  mtuBytes: 1_420,
  mark: 0,
};
export const ownKey: TunnelKey = tunnelOf("self").publicKey;
export const keys: readonly TunnelKey[] = [1, 2, 3, 4, 5].map((i) => tunnelOf(`p${i}`).publicKey);
/** The address that belongs to each key, as membership has it. */
export const addressOf = (key: TunnelKey): IpAddress => ip(`100.64.0.${keys.indexOf(key) + 2}`);

const own = [ip("100.64.0.1"), ip("fd00::1")];
const ranges = ["100.64.0.0/10", "fd00::/48"].map((text) => v.parse(Cidr, text));
const stray = [...ranges, v.parse(Cidr, "100.65.0.0/16")];
const endpoints: readonly Endpoint[] = [1, 2].map((i) => endpointOf(ip(`192.0.2.${i}`), 51_820));
const leases = [0, 500, 5_000, 60_000];

const some = <T>(prng: Prng, items: readonly T[], p: number): readonly T[] =>
  items.filter(() => prng.chance(p));

const anyPeer = (prng: Prng, key: TunnelKey): Peer => ({
  key,
  endpoint: prng.chance(0.3) ? null : prng.pick(endpoints),
  keepaliveS: prng.pick([0, 25]),
});

const anyState = (prng: Prng, key: TunnelKey): PeerState => ({
  ...anyPeer(prng, key),
  lastHandshakeS: prng.pick([null, 1_790_000_000]),
  receivedBytes: prng.integer(1_000),
  sentBytes: 0,
});

/** Mostly each has its own address; now and then one has another's. */
function anyOwners(prng: Prng, peers: readonly TunnelKey[]): PrefixOwners {
  if (peers.length === 0) return new Map();
  return new Map(
    some(prng, keys, 0.7).map((key) => {
      const owner = peers.includes(key) && prng.chance(0.8) ? key : prng.pick(peers);
      return [hostCidr(addressOf(key)), owner];
    }),
  );
}

function anyFilter(prng: Prng): FilterState {
  if (prng.chance(0.2)) return { kind: prng.pick(["absent", "damaged"]) };
  const filter: Filter = {
    interface: prng.chance(0.9) ? config.interface : name("rustynet1"),
    addresses: new Set(prng.chance(0.8) ? own : own.slice(1)),
    sources: new Set(some(prng, keys, 0.6).map(addressOf)),
  };
  return { kind: "loaded", filter, leaseMs: prng.pick(leases) };
}

/** A host as an earlier run, a crash or somebody else may have left it. */
export function anyKernel(prng: Prng): Kernel {
  const nobody = { addresses: new Set<IpAddress>(), routes: new Set<Cidr>() };
  if (prng.chance(0.2))
    return { link: "absent", device: null, isAdopted: false, filter: anyFilter(prng), ...nobody };
  const link = prng.pick(["up", "up", "down"] as const);
  const peers = some(prng, keys, 0.6);
  return {
    link,
    isAdopted: prng.chance(0.8),
    device: {
      key: ownKey,
      listenPort: config.listenPort,
      peers: new Map(peers.map((key) => [key, anyState(prng, key)])),
      owners: anyOwners(prng, peers),
    },
    addresses: new Set(some(prng, [...own, ip("100.64.0.99")], 0.6)),
    routes: new Set(link === "up" ? some(prng, stray, 0.6) : []),
    filter: anyFilter(prng),
  };
}

/** What intent might say: sources are wanted peers, and prefixes are wanted peers' own. */
export function anyWanted(prng: Prng): Wanted {
  const peers = some(prng, keys, 0.6);
  const owners = new Map(
    peers.map((key) => [hostCidr(addressOf(key)), key] as const).filter(() => prng.chance(0.9)),
  );
  const addresses = new Set(own);
  const sources = new Set(some(prng, peers, 0.8).map(addressOf));
  return {
    config,
    peers: new Map(peers.map((key) => [key, anyPeer(prng, key)])),
    owners,
    addresses,
    routes: new Set(ranges),
    filter: { interface: config.interface, addresses, sources },
    leaseMs: prng.pick([0, 60_000, 60_000, 120_000]),
  };
}
