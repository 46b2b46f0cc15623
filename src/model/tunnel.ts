/** tunnel: a node's tunnel device and its peers, in words that hold for every kind of tunnel. */
import type { Cidr, Endpoint } from "./ip.ts";
import type { TunnelKey } from "./keys.ts";

/** What is wanted of one peer. */
export type Peer = {
  readonly key: TunnelKey;
  /** Where to send first; null leaves the peer's present endpoint, which may have roamed, alone. */
  readonly endpoint: Endpoint | null;
  /** Seconds between keep-alives; 0 sends none. */
  readonly keepaliveS: number;
};

/** What the device says of one peer. */
export type PeerState = Peer & {
  readonly lastHandshakeS: number | null;
  readonly receivedBytes: number;
  readonly sentBytes: number;
};

/**
 * Each prefix has one owner, the peer that packets to it are sealed for and from which alone packets
 * of it are accepted. Giving a prefix to one peer takes it from another, so there is one map and no
 * list at each peer.
 */
export type PrefixOwners = ReadonlyMap<Cidr, TunnelKey>;

export type TunnelState = {
  readonly key: TunnelKey;
  readonly listenPort: number;
  readonly peers: ReadonlyMap<TunnelKey, PeerState>;
  readonly owners: PrefixOwners;
};
