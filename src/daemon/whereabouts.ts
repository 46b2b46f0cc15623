/** whereabouts says where this host can be reached, and notices when that has changed. */
import { Fault } from "../base/fault.ts";
import type { TunnelConfig } from "../dataplane/host-state.ts";
import { type Endpoint, endpointOf } from "../model/ip.ts";
import type { HostPort } from "./host-port.ts";

export class Whereabouts {
  readonly #host: HostPort;
  readonly #config: TunnelConfig;
  /** As it was when somebody last asked whether it had changed. */
  #seen = "";

  constructor(host: HostPort, config: TunnelConfig) {
    this.#host = host;
    this.#config = config;
  }

  endpoints(): readonly Endpoint[] {
    const { listenPort } = this.#config;
    return this.#host
      .localAddresses(this.#config)
      .map(({ address }) => endpointOf(address, listenPort));
  }

  hasMoved(): boolean {
    try {
      const now = this.endpoints().join();
      const hasMoved = now !== this.#seen;
      this.#seen = now;
      return hasMoved;
    } catch (error) {
      // The host cannot be read just now, as the look that follows will say.
      if (!(error instanceof Fault)) throw error;
      return false;
    }
  }
}
