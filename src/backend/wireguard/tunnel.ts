/**
 * tunnel implements the contract over any device: its lifecycle, what is refused, and how a wish
 * becomes the least change.
 */
import * as v from "valibot";
import { Fault } from "../../base/fault.ts";
import { Cidr } from "../../model/ip.ts";
import type { TunnelKey } from "../../model/keys.ts";
import type { InterfaceName } from "../../model/names.ts";
import type { Peer, PrefixOwners, TunnelState } from "../../model/tunnel.ts";
import type {
  BackendCapabilities,
  BackendName,
  ExitMode,
  RuntimeContext,
  TunnelBackend,
  TunnelStats,
} from "../contract.ts";
import { type Device, type DeviceState, ownerChanges, type PeerChange } from "./device.ts";
import { claimLink, releaseLink } from "./link.ts";
import { tunnelKeyOf } from "./tunnel-key.ts";

/**
 * What is remembered of a device. The peers only serve to refuse a stranger without reading a device
 * of a thousand of them for each prefix; should the set be wrong, the device itself ignores strangers.
 */
type Running = {
  readonly name: InterfaceName;
  readonly key: TunnelKey;
  readonly peers: Set<TunnelKey>;
};

const everything: readonly Cidr[] = [v.parse(Cidr, "0.0.0.0/0"), v.parse(Cidr, "::/0")];

export class DeviceTunnel implements TunnelBackend {
  readonly #device: Device;
  #running: Running | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(device: Device) {
    this.#device = device;
  }

  name(): BackendName {
    return this.#device.name;
  }

  capabilities(): BackendCapabilities {
    return {
      supportsRoaming: true,
      supportsExitNodes: true,
      supportsLanRoutes: true,
      supportsIpv6: true,
    };
  }

  start(context: RuntimeContext): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#running !== null)
        throw new Fault("backend_already_running", `${this.#running.name} is already running`);
      const key = readContext(context);
      const peers = await claimLink(this.#device, context, key);
      this.#running = { name: context.interface, key, peers: new Set(peers) };
    });
  }

  configurePeer(peer: Peer): Promise<void> {
    return this.#inTurn(async () => {
      const { name, key, peers } = this.#mustRun();
      if (peer.key === key) throw invalid("a tunnel cannot have its own key as a peer");
      if (!isWithin(peer.keepaliveS, 0, 0xffff))
        throw invalid(`a keep-alive of ${peer.keepaliveS} s is not between 0 and 65535`);
      const { endpoint, keepaliveS } = peer;
      const change = { kind: "set", key: peer.key, endpoint, keepaliveS } as const;
      await this.#device.write(name, { settings: {}, peers: [change] });
      peers.add(peer.key);
    });
  }

  removePeer(peer: TunnelKey): Promise<void> {
    return this.#inTurn(async () => {
      const { name, peers } = this.#mustRun();
      const change = { kind: "remove", key: peer } as const;
      await this.#device.write(name, { settings: {}, peers: [change] });
      peers.delete(peer);
    });
  }

  applyRoutes(owners: PrefixOwners): Promise<void> {
    return this.#inTurn(async () => {
      const { name } = this.#mustRun();
      const before = await this.#device.read(name);
      for (const [cidr, key] of owners) refuseStranger(before.peers, cidr, key);
      await this.#writeWhole(name, before, ownerChanges(before.owners, owners));
    });
  }

  moveRoute(cidr: Cidr, to: TunnelKey | null): Promise<void> {
    return this.#move([cidr], to);
  }

  setExitMode(mode: ExitMode): Promise<void> {
    return this.#move(everything, mode.kind === "full" ? mode.via : null);
  }

  observe(): Promise<TunnelState> {
    return this.#inTurn(async () => {
      const { name, key } = this.#mustRun();
      const { listenPort, peers, owners, ...state } = await this.#device.read(name);
      this.#running = { name, key, peers: new Set(peers.keys()) };
      if (state.key !== key)
        throw new Fault("backend_internal", `${name} has another key than it was started with`, {
          remedy: "somebody changed the device: shut the backend down and start it again",
        });
      return { key, listenPort, peers, owners };
    });
  }

  async stats(): Promise<TunnelStats> {
    const { peers } = await this.observe();
    const each = [...peers.values()];
    const handshakes = each.flatMap(({ lastHandshakeS }) => lastHandshakeS ?? []);
    return {
      peers: peers.size,
      receivedBytes: each.reduce((sum, peer) => sum + peer.receivedBytes, 0),
      sentBytes: each.reduce((sum, peer) => sum + peer.sentBytes, 0),
      lastHandshakeS: handshakes.length === 0 ? null : Math.max(...handshakes),
    };
  }

  shutdown(): Promise<void> {
    return this.#inTurn(async () => {
      await releaseLink(this.#device, this.#mustRun().name);
      this.#running = null;
    });
  }

  #move(cidrs: readonly Cidr[], to: TunnelKey | null): Promise<void> {
    return this.#inTurn(async () => {
      const { name, peers } = this.#mustRun();
      for (const cidr of to === null ? [] : cidrs) refuseStranger(peers, cidr, to);
      const change: PeerChange =
        to === null ? { kind: "drop", cidrs } : { kind: "give", key: to, cidrs };
      await this.#device.write(name, { settings: {}, peers: [change] });
    });
  }

  /** A long change travels in several messages: when one fails, the ones before it are undone. */
  async #writeWhole(name: InterfaceName, before: DeviceState, peers: readonly PeerChange[]) {
    if (peers.length === 0) return;
    try {
      await this.#device.write(name, { settings: {}, peers });
    } catch (fault) {
      if (fault instanceof Fault && fault.code === "backend_not_running") throw fault;
      const now = await this.#device.read(name);
      const undo = ownerChanges(now.owners, before.owners);
      if (undo.length > 0) await this.#device.write(name, { settings: {}, peers: undo });
      throw fault;
    }
  }

  #mustRun(): Running {
    if (this.#running !== null) return this.#running;
    throw new Fault("backend_not_running", `the ${this.#device.name} backend has not been started`);
  }

  /** One call after another: what one read is still so when it writes. */
  #inTurn<T>(call: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(call, call);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

type Keys = { readonly has: (key: TunnelKey) => boolean };

function refuseStranger(peers: Keys, cidr: Cidr, key: TunnelKey | null): void {
  if (key !== null && !peers.has(key)) throw invalid(`${cidr} cannot go to ${key}: no such peer`);
}

/** Returns the public key of the context's secret. Throws `backend_invalid_input`. */
function readContext(context: RuntimeContext): TunnelKey {
  const { listenPort, mtuBytes, mark } = context;
  if (!isWithin(listenPort, 1, 0xffff))
    throw invalid(`the listen port ${listenPort} is not between 1 and 65535`);
  // IPv6 needs links of at least 1280 bytes (RFC 8200 section 5).
  if (!isWithin(mtuBytes, 1280, 0xffff))
    throw invalid(`an MTU of ${mtuBytes} bytes is not between 1280 and 65535`);
  if (!isWithin(mark, 0, 0xffff_ffff)) throw invalid(`${mark} is not a 32-bit mark`);
  return tunnelKeyOf(context.tunnelSecret);
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

const invalid = (message: string): Fault => new Fault("backend_invalid_input", message);
