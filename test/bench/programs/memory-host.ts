/**
 * memory-host is a host without a kernel, whose every step costs the same however large the network is:
 * what remains is what deciding costs. It believes what it is told; the strict fake is for tests.
 */
import type { HostPort } from "../../../src/daemon/host-port.ts";
import type { Filter } from "../../../src/dataplane/filter.ts";
import type { Found } from "../../../src/dataplane/host-state.ts";
import type { Step } from "../../../src/dataplane/step.ts";
import type { Cidr, IpAddress } from "../../../src/model/ip.ts";
import type { TunnelKey } from "../../../src/model/keys.ts";
import type { PeerState } from "../../../src/model/tunnel.ts";

export class MemoryHost implements HostPort {
  readonly peers = new Map<TunnelKey, PeerState>();
  readonly #key: TunnelKey;
  readonly #owners = new Map<Cidr, TunnelKey>();
  readonly #addresses = new Set<IpAddress>();
  readonly #routes = new Set<Cidr>();
  readonly #sources = new Set<IpAddress>();
  #filter: Filter | null = null;
  #leaseMs = 0;
  #hasTunnel = false;
  #isUp = false;

  constructor(key: TunnelKey) {
    this.#key = key;
  }

  async observe(): Promise<Found> {
    const tunnel = { key: this.#key, listenPort: 51_820, peers: this.peers, owners: this.#owners };
    return {
      link: this.#hasTunnel ? (this.#isUp ? "up" : "down") : "absent",
      tunnel: this.#hasTunnel ? tunnel : null,
      addresses: this.#addresses,
      routes: this.#routes,
      filter:
        this.#filter === null
          ? { kind: "absent" }
          : {
              kind: "loaded",
              filter: { ...this.#filter, sources: this.#sources },
              leaseMs: this.#leaseMs,
            },
    };
  }

  async perform(step: Step): Promise<void> {
    switch (step.kind) {
      case "set_filter":
        this.#filter = step.to;
        this.#leaseMs = 0;
        return;
      case "change_sources":
        for (const address of step.remove) this.#sources.delete(address);
        for (const address of step.add) this.#sources.add(address);
        return;
      case "set_lease":
        this.#leaseMs = step.toMs;
        return;
      case "create_tunnel":
        this.#hasTunnel = true;
        return;
      case "link_up":
        this.#isUp = true;
        return;
      case "add_address":
        this.#addresses.add(step.address);
        return;
      case "add_route":
        this.#routes.add(step.cidr);
        return;
      case "add_peer":
        this.peers.set(step.peer.key, {
          ...step.peer,
          lastHandshakeS: null,
          receivedBytes: 0,
          sentBytes: 0,
        });
        return;
      case "remove_peer":
        this.peers.delete(step.peer.key);
        return;
      case "move_prefix":
        if (step.to === null) this.#owners.delete(step.cidr);
        else this.#owners.set(step.cidr, step.to);
        return;
      case "adopt_tunnel":
      case "change_peer":
      case "link_down":
      case "release_tunnel":
      case "remove_address":
      case "remove_route":
      case "remove_tunnel":
      case "restore_filter":
        throw new Error(`nobody expected ${step.kind}`);
    }
  }

  async endLease(): Promise<void> {
    this.#leaseMs = 0;
  }

  async renewSources(): Promise<void> {}

  foreignRoutes(): readonly [] {
    return [];
  }

  localAddresses(): readonly [] {
    return [];
  }

  backend(): null {
    return null;
  }
}
