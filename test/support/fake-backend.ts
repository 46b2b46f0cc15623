/**
 * fake-backend is a tunnel backend in memory: state kept, rules stricter than the real ones, and able
 * to fail when told to. Devices belong to a `FakeHost`, so that they outlive the backend that made them.
 */
import * as v from "valibot";
import { encodeHex } from "../../src/base/bytes.ts";
import { Fault } from "../../src/base/fault.ts";
import type {
  BackendCapabilities,
  BackendName,
  ExitMode,
  RuntimeContext,
  TunnelBackend,
  TunnelStats,
} from "../../src/backend/contract.ts";
import { tunnelKeyOf } from "../../src/backend/wireguard/tunnel-key.ts";
import { Cidr, Endpoint, familyOf, splitCidr } from "../../src/model/ip.ts";
import { TunnelKey } from "../../src/model/keys.ts";
import { InterfaceName } from "../../src/model/names.ts";
import type { Peer, PeerState, PrefixOwners, TunnelState } from "../../src/model/tunnel.ts";

export type FakeDevice = {
  readonly isOurs: boolean;
  key: TunnelKey;
  listenPort: number;
  mtuBytes: number;
  mark: number;
  peers: Map<TunnelKey, PeerState>;
  owners: Map<Cidr, TunnelKey>;
};

/** What stays when a backend crashes: the devices, by name. */
export class FakeHost {
  readonly devices = new Map<string, FakeDevice>();

  /** As if another program had made a device of that name. */
  addForeign(name: string): void {
    const key = v.parse(TunnelKey, "f0".repeat(32));
    const empty = { listenPort: 0, mtuBytes: 1500, mark: 0, peers: new Map(), owners: new Map() };
    this.devices.set(name, { isOurs: false, key, ...empty });
  }

  /** As if a handshake with the peer had ended at that time, in Unix seconds. */
  hearFrom(name: string, key: TunnelKey, atS: number): void {
    const peers = this.devices.get(name)?.peers;
    const peer = peers?.get(key);
    if (peers === undefined || peer === undefined) throw new Error(`${name} has no peer ${key}`);
    peers.set(key, { ...peer, lastHandshakeS: atS });
  }
}

export const allCapabilities: BackendCapabilities = {
  supportsRoaming: true,
  supportsExitNodes: true,
  supportsLanRoutes: true,
  supportsIpv6: true,
};

export type FakeOptions = {
  readonly capabilities?: BackendCapabilities;
  /** Fails the call of that number, counted from 0 over the calls that may change something. */
  readonly failAt?: number;
};

const everything: readonly Cidr[] = [v.parse(Cidr, "0.0.0.0/0"), v.parse(Cidr, "::/0")];

export class FakeBackend implements TunnelBackend {
  /** The names of the calls that may change something, in order, those that failed included. */
  readonly calls: string[] = [];
  failAt: number | null;
  readonly #host: FakeHost;
  readonly #capabilities: BackendCapabilities;
  #running: string | null = null;

  constructor(host: FakeHost = new FakeHost(), options: FakeOptions = {}) {
    this.#host = host;
    this.#capabilities = options.capabilities ?? allCapabilities;
    this.failAt = options.failAt ?? null;
  }

  name(): BackendName {
    return "userspace";
  }

  capabilities(): BackendCapabilities {
    return this.#capabilities;
  }

  async start(context: RuntimeContext): Promise<void> {
    this.#count("start");
    if (this.#running !== null)
      throw new Fault("backend_already_running", `${this.#running} is already running`);
    const key = readContext(context);
    const { interface: name, listenPort, mtuBytes, mark } = context;
    const found = this.#host.devices.get(name);
    if (found?.isOurs === false)
      throw new Fault("backend_unavailable", `there is an interface ${name} that is not ours`);
    const { peers = new Map(), owners = new Map() } = found ?? {};
    const device = { isOurs: true, key, listenPort, mtuBytes, mark, peers, owners };
    this.#host.devices.set(name, device);
    this.#running = name;
  }

  async configurePeer(peer: Peer): Promise<void> {
    this.#count("configurePeer");
    const device = this.#device();
    demand(v.is(TunnelKey, peer.key), "not a tunnel key");
    demand(peer.endpoint === null || v.is(Endpoint, peer.endpoint), "not an endpoint");
    demand(peer.key !== device.key, "a tunnel cannot have its own key as a peer");
    demand(isWithin(peer.keepaliveS, 0, 0xffff), "not a keep-alive");
    const present = device.peers.get(peer.key);
    const { endpoint, keepaliveS } = peer;
    if (endpoint !== null && familyOf(endpoint) === 6) this.#needs("supportsIpv6");
    const moves = present !== undefined && endpoint !== null && endpoint !== present.endpoint;
    if (moves && present.endpoint !== null) this.#needs("supportsRoaming");
    const counters = present ?? { lastHandshakeS: null, receivedBytes: 0, sentBytes: 0 };
    const kept = endpoint ?? present?.endpoint ?? null;
    device.peers.set(peer.key, { ...counters, key: peer.key, endpoint: kept, keepaliveS });
  }

  async removePeer(peer: TunnelKey): Promise<void> {
    this.#count("removePeer");
    const device = this.#device();
    device.peers.delete(peer);
    device.owners = new Map([...device.owners].filter(([, key]) => key !== peer));
  }

  async applyRoutes(owners: PrefixOwners): Promise<void> {
    this.#count("applyRoutes");
    const device = this.#device();
    for (const [cidr, key] of owners) this.#admit(device, cidr, key);
    device.owners = new Map(owners);
  }

  async moveRoute(cidr: Cidr, to: TunnelKey | null): Promise<void> {
    this.#count("moveRoute");
    const device = this.#device();
    if (to === null) {
      device.owners.delete(cidr);
      return;
    }
    this.#admit(device, cidr, to);
    device.owners.set(cidr, to);
  }

  async setExitMode(mode: ExitMode): Promise<void> {
    this.#count("setExitMode");
    const device = this.#device();
    if (mode.kind === "off") {
      for (const cidr of everything) device.owners.delete(cidr);
      return;
    }
    this.#needs("supportsExitNodes");
    for (const cidr of everything) this.#admit(device, cidr, mode.via);
    for (const cidr of everything) device.owners.set(cidr, mode.via);
  }

  async observe(): Promise<TunnelState> {
    const { key, listenPort, peers, owners } = this.#device();
    return { key, listenPort, peers: new Map(peers), owners: new Map(owners) };
  }

  async stats(): Promise<TunnelStats> {
    const peers = [...this.#device().peers.values()];
    const heard = peers.flatMap((peer) => peer.lastHandshakeS ?? []);
    const sum = (of: (peer: PeerState) => number) =>
      peers.reduce((total, peer) => total + of(peer), 0);
    return {
      peers: peers.length,
      receivedBytes: sum((peer) => peer.receivedBytes),
      sentBytes: sum((peer) => peer.sentBytes),
      lastHandshakeS: heard.length === 0 ? null : Math.max(...heard),
    };
  }

  async shutdown(): Promise<void> {
    this.#count("shutdown");
    const name = this.#mustRun();
    this.#host.devices.delete(name);
    this.#running = null;
  }

  #count(call: string): void {
    this.calls.push(call);
    if (this.calls.length - 1 === this.failAt) throw new Fault("backend_internal", "told to fail");
  }

  #mustRun(): string {
    if (this.#running !== null) return this.#running;
    throw new Fault("backend_not_running", "the backend has not been started");
  }

  #device(): FakeDevice {
    const device = this.#host.devices.get(this.#mustRun());
    if (device !== undefined) return device;
    throw new Fault("backend_not_running", `${this.#running} is gone`);
  }

  #admit(device: FakeDevice, cidr: Cidr, key: TunnelKey): void {
    demand(v.is(Cidr, cidr), "not a canonical prefix");
    demand(device.peers.has(key), `${cidr} cannot go to ${key}: no such peer`);
    const { address, bits } = splitCidr(cidr);
    if (familyOf(cidr) === 6) this.#needs("supportsIpv6");
    const isHost = bits === (familyOf(address) === 4 ? 32 : 128);
    if (bits === 0) this.#needs("supportsExitNodes");
    else if (!isHost) this.#needs("supportsLanRoutes");
  }

  #needs(capability: keyof BackendCapabilities): void {
    if (!this.#capabilities[capability])
      throw new Fault("backend_unsupported", `this backend has no ${capability}`);
  }
}

function readContext(context: RuntimeContext): TunnelKey {
  demand(v.is(InterfaceName, context.interface), "not an interface name");
  demand(isWithin(context.listenPort, 1, 0xffff), "not a port");
  demand(isWithin(context.mtuBytes, 1280, 0xffff), "not an MTU");
  demand(isWithin(context.mark, 0, 0xffff_ffff), "not a mark");
  const isZero = context.tunnelSecret.expose((bytes) => /^0*$/.test(encodeHex(bytes)));
  demand(!isZero, "the secret was wiped");
  return tunnelKeyOf(context.tunnelSecret);
}

function demand(condition: boolean, message: string): void {
  if (!condition) throw new Fault("backend_invalid_input", message);
}

const isWithin = (value: number, least: number, most: number) =>
  Number.isInteger(value) && value >= least && value <= most;
