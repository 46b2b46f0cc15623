/**
 * fake-host: a host in memory that is stricter than a kernel. It refuses what a kernel would, what
 * would lose something that no step has recorded, and any step that says it finds what is not there.
 */
import { unreachable } from "../../src/base/assert.ts";
import { Fault } from "../../src/base/fault.ts";
import type { HostPort, LocalAddress } from "../../src/daemon/host-port.ts";
import type { Filter, FilterState } from "../../src/dataplane/filter.ts";
import type { Found } from "../../src/dataplane/host-state.ts";
import type { ForeignRoute } from "../../src/dataplane/overlap.ts";
import type { Step } from "../../src/dataplane/step.ts";
import type { Cidr, IpAddress } from "../../src/model/ip.ts";
import type { TunnelKey } from "../../src/model/keys.ts";
import type { Peer, PeerState, TunnelState } from "../../src/model/tunnel.ts";

/** What is in the kernel, whether this process has taken the device over or not. */
export type Kernel = Omit<Found, "tunnel"> & {
  readonly device: TunnelState | null;
  readonly isAdopted: boolean;
};

export class FakeHost implements HostPort {
  kernel: Kernel;
  foreign: readonly ForeignRoute[] = [];
  local: readonly LocalAddress[] = [];
  /** How often the tunnel was told that the host has moved. */
  renewals = 0;
  /** How often somebody looked at all of it. */
  looks = 0;
  /** While it is set, nobody can tell what is there. */
  isUnreadable = false;
  /** Every step that was performed, undone ones included. */
  readonly performed: Step[] = [];
  readonly #ownKey: TunnelKey;
  #stepsLeft = Number.POSITIVE_INFINITY;

  constructor(kernel: Kernel, ownKey: TunnelKey) {
    this.kernel = kernel;
    this.#ownKey = ownKey;
  }

  /** The step after so many will fail, once. */
  failAfter(steps: number): void {
    this.#stepsLeft = steps;
  }

  async observe(): Promise<Found> {
    this.looks++;
    require(!this.isUnreadable, "told to be unreadable");
    const { device, isAdopted, ...found } = this.kernel;
    return { ...found, tunnel: isAdopted ? device : null };
  }

  async perform(step: Step): Promise<void> {
    if (this.#stepsLeft === 0) {
      this.#stepsLeft = Number.POSITIVE_INFINITY;
      throw new Fault("host_failed", "told to fail");
    }
    this.#stepsLeft--;
    this.kernel = performOn(this.kernel, step, this.#ownKey);
    this.performed.push(step);
  }

  async endLease(): Promise<void> {
    this.kernel = { ...this.kernel, filter: { ...loaded(this.kernel.filter), leaseMs: 0 } };
  }

  foreignRoutes(): readonly ForeignRoute[] {
    return this.foreign;
  }

  localAddresses(): readonly LocalAddress[] {
    return this.local;
  }

  async renewSources(): Promise<void> {
    this.renewals++;
  }

  backend(): { readonly name: string; readonly why: string } | null {
    return this.kernel.isAdopted ? { name: "fake", why: "test" } : null;
  }
}

function performOn(kernel: Kernel, step: Step, ownKey: TunnelKey): Kernel {
  switch (step.kind) {
    case "set_filter":
    case "restore_filter":
    case "change_sources":
    case "set_lease":
      return { ...kernel, filter: performOnFilter(kernel.filter, step) };
    case "create_tunnel":
    case "remove_tunnel":
    case "adopt_tunnel":
    case "release_tunnel":
      return performOnDevice(kernel, step, ownKey);
    case "add_peer":
    case "remove_peer":
    case "change_peer":
    case "move_prefix":
      return { ...kernel, device: performOnPeers(deviceOf(kernel), step) };
    case "add_address":
    case "remove_address":
    case "link_up":
    case "link_down":
    case "add_route":
    case "remove_route":
      return performOnLink(kernel, step);
    default:
      return unreachable(step);
  }
}

type Of<K extends Step["kind"]> = Extract<Step, { readonly kind: K }>;

function performOnFilter(
  state: FilterState,
  step: Of<"set_filter" | "restore_filter" | "change_sources" | "set_lease">,
): FilterState {
  switch (step.kind) {
    case "set_filter":
      require(isSameFilter(state, step.from), "the filter is not the one to be replaced");
      if (step.to === null) return absent;
      return { kind: "loaded", filter: step.to, leaseMs: 0 };
    case "restore_filter":
      require(step.from === null
        ? state.kind === "absent"
        : holds(state, step.from), "the filter is not the one to be taken back");
      // Nobody can put damage back: what is there stays, and it lets nothing pass.
      return step.to.kind === "damaged" ? closed(state) : step.to;
    case "change_sources": {
      const { filter, leaseMs } = loaded(state);
      require(filter.sources.isDisjointFrom(step.add), "a source is there already");
      require(step.remove.isSubsetOf(filter.sources), "a source to remove is not there");
      const sources = filter.sources.union(step.add).difference(step.remove);
      return { kind: "loaded", filter: { ...filter, sources }, leaseMs };
    }
    case "set_lease": {
      const { filter, leaseMs } = loaded(state);
      require(leaseMs === step.fromMs, "the lease is another one");
      return { kind: "loaded", filter, leaseMs: step.toMs };
    }
    default:
      return unreachable(step);
  }
}

function performOnDevice(
  kernel: Kernel,
  step: Of<"create_tunnel" | "remove_tunnel" | "adopt_tunnel" | "release_tunnel">,
  ownKey: TunnelKey,
): Kernel {
  const { device, isAdopted, link } = kernel;
  const { listenPort } = step.config;
  switch (step.kind) {
    case "create_tunnel":
      require(device === null && link === "absent", "there is a device");
      return {
        ...kernel,
        link: "down",
        isAdopted: true,
        device: { key: ownKey, listenPort, peers: new Map(), owners: new Map() },
      };
    case "remove_tunnel":
      require(device !== null && isAdopted, "there is no device of ours");
      require(device.peers.size === 0 && link === "down", "the device is in use");
      require(kernel.addresses.size + kernel.routes.size === 0, "the link is in use");
      return { ...kernel, link: "absent", device: null, isAdopted: false };
    case "adopt_tunnel":
      require(device !== null && !isAdopted, "there is no device to take over");
      return { ...kernel, isAdopted: true };
    case "release_tunnel":
      require(device !== null && isAdopted, "there is no device to let go");
      return { ...kernel, isAdopted: false };
    default:
      return unreachable(step);
  }
}

function performOnPeers(
  device: TunnelState,
  step: Of<"add_peer" | "remove_peer" | "change_peer" | "move_prefix">,
): TunnelState {
  const { peers, owners } = device;
  switch (step.kind) {
    case "add_peer":
      require(!peers.has(step.peer.key), "the peer is there already");
      require(step.peer.key !== device.key, "no device is its own peer");
      return { ...device, peers: new Map([...peers, [step.peer.key, fresh(step.peer)]]) };
    case "remove_peer":
      require(![...owners.values()].includes(step.peer.key), "the peer has prefixes");
      require(isAsSaid(peers.get(step.peer.key), step.peer), "the peer is another one");
      return {
        ...device,
        peers: new Map([...peers].filter(([key]) => key !== step.peer.key)),
      };
    case "change_peer": {
      const found = peers.get(step.to.key);
      require(isAsSaid(found, step.from), "the peer is another one");
      const endpoint = step.to.endpoint ?? found.endpoint;
      const next = { ...found, ...step.to, endpoint };
      return { ...device, peers: new Map([...peers, [next.key, next]]) };
    }
    case "move_prefix": {
      require((owners.get(step.cidr) ?? null) === step.from, "the prefix is somebody else's");
      require(step.to === null || peers.has(step.to), "the prefix would be a stranger's");
      require(step.from !== step.to, "the prefix is there already");
      const others = [...owners].filter(([cidr]) => cidr !== step.cidr);
      return {
        ...device,
        owners: new Map(step.to === null ? others : [...others, [step.cidr, step.to]]),
      };
    }
    default:
      return unreachable(step);
  }
}

function performOnLink(
  kernel: Kernel,
  step: Of<
    "add_address" | "remove_address" | "link_up" | "link_down" | "add_route" | "remove_route"
  >,
): Kernel {
  const { link, addresses, routes } = kernel;
  require(link !== "absent", "there is no device");
  switch (step.kind) {
    case "add_address":
      return { ...kernel, addresses: withItem<IpAddress>(addresses, step.address) };
    case "remove_address":
      return { ...kernel, addresses: withoutItem<IpAddress>(addresses, step.address) };
    case "link_up":
      require(link === "down", "the link is up");
      return { ...kernel, link: "up" };
    case "link_down":
      require(link === "up", "the link is down");
      require(routes.size === 0, "the link has routes, which would go with it");
      return { ...kernel, link: "down" };
    case "add_route":
      require(link === "up", "the link is down");
      return { ...kernel, routes: withItem<Cidr>(routes, step.cidr) };
    case "remove_route":
      return { ...kernel, routes: withoutItem<Cidr>(routes, step.cidr) };
    default:
      return unreachable(step);
  }
}

function require(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Fault("host_failed", message);
}

const absent: FilterState = { kind: "absent" };
const fresh = (peer: Peer): PeerState => ({
  ...peer,
  lastHandshakeS: null,
  receivedBytes: 0,
  sentBytes: 0,
});

function deviceOf({ device, isAdopted }: Kernel): TunnelState {
  require(device !== null && isAdopted, "there is no device of ours");
  return device;
}

function loaded(state: FilterState): FilterState & { readonly kind: "loaded" } {
  require(state.kind === "loaded", "there is no filter to change");
  return state;
}

const closed = (state: FilterState): FilterState =>
  state.kind === "loaded" ? { ...state, leaseMs: 0 } : state;

function isAsSaid(found: PeerState | undefined, said: Peer): found is PeerState {
  if (found === undefined || found.keepaliveS !== said.keepaliveS) return false;
  return said.endpoint === null || found.endpoint === said.endpoint;
}

const holds = (state: FilterState, filter: Filter): boolean =>
  state.kind === "loaded" && isSameRuleset(state.filter, filter);

const isSameRuleset = (left: Filter, right: Filter): boolean =>
  left.interface === right.interface &&
  left.addresses.symmetricDifference(right.addresses).size === 0 &&
  left.sources.symmetricDifference(right.sources).size === 0;

function isSameFilter(left: FilterState, right: FilterState): boolean {
  if (left.kind !== "loaded" || right.kind !== "loaded") return left.kind === right.kind;
  return isSameRuleset(left.filter, right.filter) && left.leaseMs === right.leaseMs;
}

function withItem<T>(items: ReadonlySet<T>, item: T): ReadonlySet<T> {
  require(!items.has(item), `${String(item)} is there already`);
  return new Set([...items, item]);
}

function withoutItem<T>(items: ReadonlySet<T>, item: T): ReadonlySet<T> {
  require(items.has(item), `${String(item)} is not there`);
  return new Set([...items].filter((other) => other !== item));
}
