/** linux-host performs each step on this machine, and reads back what is there. It decides nothing. */
import { unreachable } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import type { TunnelBackend } from "../backend/contract.ts";
import { type BackendPreference, createBackend } from "../backend/open.ts";
import type { TunnelSecret } from "../crypto/tunnel-key.ts";
import type { FilterState } from "../dataplane/filter.ts";
import type { Found, TunnelConfig } from "../dataplane/host-state.ts";
import type { ForeignRoute } from "../dataplane/overlap.ts";
import type { Step } from "../dataplane/step.ts";
import {
  addTunnelAddress,
  listTunnelAddresses,
  listUnderlayAddresses,
  removeTunnelAddress,
} from "../host/addresses.ts";
import { PacketFilter } from "../host/filter.ts";
import { readLinkState, setLinkUp } from "../host/links.ts";
import { RouteSocket } from "../host/route-socket.ts";
import {
  addTunnelRoute,
  listForeignNetworks,
  listTunnelRoutes,
  removeTunnelRoute,
} from "../host/routes.ts";
import type { InterfaceName } from "../model/names.ts";
import type { HostPort, LocalAddress } from "./host-port.ts";

export class LinuxHost implements HostPort {
  readonly #socket = new RouteSocket();
  readonly #filter = new PacketFilter();
  readonly #interface: InterfaceName;
  readonly #preference: BackendPreference;
  readonly #tunnelSecret: () => TunnelSecret;
  /** Running, or null: a device may be on the host all the same, left by an earlier run. */
  #backend: TunnelBackend | null = null;
  #chosen: { readonly name: string; readonly why: string } | null = null;

  /** The secret is asked for only when a tunnel is started. */
  constructor(
    name: InterfaceName,
    preference: BackendPreference,
    tunnelSecret: () => TunnelSecret,
  ) {
    this.#interface = name;
    this.#preference = preference;
    this.#tunnelSecret = tunnelSecret;
  }

  /** Changes of the filter by this port are this host's own doing. */
  get filterPort(): number {
    return this.#filter.port;
  }

  async observe(): Promise<Found> {
    const tunnel = await this.#observeTunnel();
    return {
      link: readLinkState(this.#socket, this.#interface),
      tunnel,
      addresses: listTunnelAddresses(this.#socket, this.#interface),
      routes: listTunnelRoutes(this.#socket, this.#interface),
      filter: this.#filter.observeFilter(),
    };
  }

  async perform(step: Step): Promise<void> {
    switch (step.kind) {
      case "set_filter":
        // Without a lease: nothing passes until the step that gives one.
        return this.#filter.replaceFilter(step.to && { filter: step.to, leaseMs: 0 });
      case "restore_filter":
        return this.#restoreFilter(step.to);
      case "change_sources":
        return this.#filter.changeSources({ add: [...step.add], remove: [...step.remove] });
      case "set_lease":
        return this.#filter.renewLease(Math.round(step.toMs));
      case "add_address":
        return addTunnelAddress(this.#socket, this.#interface, step.address);
      case "remove_address":
        return removeTunnelAddress(this.#socket, this.#interface, step.address);
      case "link_up":
        return setLinkUp(this.#socket, this.#interface, true);
      case "link_down":
        return setLinkUp(this.#socket, this.#interface, false);
      case "add_route":
        return addTunnelRoute(this.#socket, this.#interface, step.cidr);
      case "remove_route":
        return removeTunnelRoute(this.#socket, this.#interface, step.cidr);
      case "create_tunnel":
      case "adopt_tunnel":
        return await this.#start(step.config);
      case "remove_tunnel":
        await this.#running().shutdown();
        this.#backend = null;
        return;
      case "release_tunnel":
        this.#backend = null;
        return;
      case "add_peer":
        return await this.#running().configurePeer(step.peer);
      case "change_peer":
        return await this.#running().configurePeer(step.to);
      case "remove_peer":
        return await this.#running().removePeer(step.peer.key);
      case "move_prefix":
        return await this.#running().moveRoute(step.cidr, step.to);
      default:
        return unreachable(step);
    }
  }

  async endLease(): Promise<void> {
    this.#filter.renewLease(0);
  }

  foreignRoutes(): readonly ForeignRoute[] {
    return listForeignNetworks(this.#socket, this.#interface);
  }

  localAddresses(): readonly LocalAddress[] {
    return listUnderlayAddresses(this.#socket, this.#interface);
  }

  /**
   * A userspace tunnel keeps to the address that a peer answered at last, even when it is gone, until it
   * is told again where the peer is. And peers that cannot reach the new address, as behind a NAT, learn
   * it from a packet only: a keep-alive that is turned on sends one at once.
   */
  async renewSources(): Promise<void> {
    if (this.#backend === null) return;
    const { peers } = await this.#backend.observe();
    for (const peer of peers.values()) {
      if (peer.endpoint === null) continue;
      await this.#backend.configurePeer({ ...peer, keepaliveS: 0 });
      await this.#backend.configurePeer(peer);
    }
  }

  backend(): { readonly name: string; readonly why: string } | null {
    return this.#chosen;
  }

  /** Null also when somebody removed the device: then there is nothing left to drive. */
  async #observeTunnel(): Promise<Found["tunnel"]> {
    if (readLinkState(this.#socket, this.#interface) === "absent") this.#backend = null;
    try {
      return this.#backend === null ? null : await this.#backend.observe();
    } catch (error) {
      const hasEnded = error instanceof Fault && error.code === "backend_not_running";
      if (!hasEnded) throw error;
      this.#backend = null;
      return null;
    }
  }

  async #start(config: TunnelConfig): Promise<void> {
    const { backend, reason } = createBackend(this.#preference);
    const { listenPort, mtuBytes, mark } = config;
    await backend.start({
      interface: this.#interface,
      tunnelSecret: this.#tunnelSecret().scalar,
      listenPort,
      mtuBytes,
      mark,
    });
    this.#backend = backend;
    this.#chosen = { name: backend.name(), why: reason };
  }

  #running(): TunnelBackend {
    if (this.#backend !== null) return this.#backend;
    throw new Fault("backend_not_running", "there is no tunnel to change");
  }

  #restoreFilter(to: FilterState): void {
    switch (to.kind) {
      case "absent":
        return this.#filter.replaceFilter(null);
      case "damaged":
        // What others made of it cannot be put back; ours, without a lease, lets nothing pass.
        return;
      case "loaded":
        return this.#filter.replaceFilter({ filter: to.filter, leaseMs: Math.round(to.leaseMs) });
      default:
        return unreachable(to);
    }
  }
}
