/**
 * contract is what the daemon may ask of a tunnel, whatever protocol carries it. Adapters implement
 * it; `test/backend/backend.suite.ts` is the conformance suite that each of them passes.
 *
 * Every method throws `Fault` with one of the `backend_*` codes and nothing else. A call that throws
 * has changed nothing.
 */
import type { Secret } from "../base/secret.ts";
import type { Cidr } from "../model/ip.ts";
import type { TunnelKey } from "../model/keys.ts";
import type { InterfaceName } from "../model/names.ts";
import type { Peer, PrefixOwners, TunnelState } from "../model/tunnel.ts";

export type BackendName = "kernel" | "userspace";

/** The only truth about what a backend can do. Asking for more fails with `backend_unsupported`. */
export type BackendCapabilities = {
  readonly supportsRoaming: boolean;
  readonly supportsExitNodes: boolean;
  readonly supportsLanRoutes: boolean;
  readonly supportsIpv6: boolean;
};

export type RuntimeContext = {
  readonly interface: InterfaceName;
  /** The 32 bytes of the X25519 private key. */
  readonly tunnelSecret: Secret;
  /** The UDP port that peers send to, 1 to 65535. */
  readonly listenPort: number;
  readonly mtuBytes: number;
  /** The firewall mark of the tunnel's own datagrams; 0 sets none. */
  readonly mark: number;
};

export type ExitMode =
  { readonly kind: "off" } | { readonly kind: "full"; readonly via: TunnelKey };

export type TunnelStats = {
  readonly peers: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Unix seconds of the most recent handshake with anyone; null before the first. */
  readonly lastHandshakeS: number | null;
};

export interface TunnelBackend {
  name(): BackendName;
  capabilities(): BackendCapabilities;

  /**
   * Makes the device, or takes over the one that an earlier run of ours left, with its peers in
   * place. A device of that name which is not ours is refused. The link stays as it is: down when
   * new. `backend_already_running` on a second call before `shutdown`.
   */
  start(context: RuntimeContext): Promise<void>;

  /** Adds the peer, or changes its endpoint and keep-alive. Its prefixes are not touched. */
  configurePeer(peer: Peer): Promise<void>;

  /** Removes the peer with its sessions and prefixes. Removing a stranger does nothing. */
  removePeer(peer: TunnelKey): Promise<void>;

  /** Makes the prefix table exactly this one. A prefix of an unknown peer is `backend_invalid_input`. */
  applyRoutes(owners: PrefixOwners): Promise<void>;

  /** Gives one prefix to a peer, wherever it was before, or to nobody. */
  moveRoute(cidr: Cidr, to: TunnelKey | null): Promise<void>;

  /** `full` gives `0.0.0.0/0` and `::/0` to one peer; `off` takes them from whoever has them. */
  setExitMode(mode: ExitMode): Promise<void>;

  /** Reads the device anew each time: nothing here is remembered between calls. */
  observe(): Promise<TunnelState>;

  stats(): Promise<TunnelStats>;

  /** Removes the device with everything it held. Afterwards `start` may be called again. */
  shutdown(): Promise<void>;
}
