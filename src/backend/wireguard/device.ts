/**
 * device is the port between the rules that all WireGuard devices share (`tunnel.ts`) and the two
 * programs that can be such a device: the kernel, and a process in user space.
 */
import * as v from "valibot";
import type { Secret } from "../../base/secret.ts";
import type { Cidr, Endpoint } from "../../model/ip.ts";
import { TunnelKey } from "../../model/keys.ts";
import type { InterfaceName } from "../../model/names.ts";
import type { PeerState, PrefixOwners } from "../../model/tunnel.ts";
import type { BackendName } from "../contract.ts";

export type DeviceState = {
  /** The public key; null while the device has no private one. */
  readonly key: TunnelKey | null;
  readonly listenPort: number;
  readonly mark: number;
  readonly peers: ReadonlyMap<TunnelKey, PeerState>;
  readonly owners: PrefixOwners;
};

export type DeviceSettings = {
  readonly secret?: Secret;
  readonly listenPort?: number;
  readonly mark?: number;
};

export type PeerChange =
  /** Adds the peer or changes it. A null endpoint leaves the present one. */
  | {
      readonly kind: "set";
      readonly key: TunnelKey;
      readonly endpoint: Endpoint | null;
      readonly keepaliveS: number;
    }
  | { readonly kind: "remove"; readonly key: TunnelKey }
  /** Gives prefixes to a peer that is there, taking each from the peer that has it. */
  | { readonly kind: "give"; readonly key: TunnelKey; readonly cidrs: readonly Cidr[] }
  /** Takes prefixes from whoever has them, and from nobody else anything. */
  | { readonly kind: "drop"; readonly cidrs: readonly Cidr[] };

/** Done in the order of the list. */
export type DeviceChange = {
  readonly settings: DeviceSettings;
  readonly peers: readonly PeerChange[];
};

export interface Device {
  readonly name: BackendName;
  /** The kind of link that carries the device (IFLA_INFO_KIND). */
  readonly linkKind: string;

  /** Makes a link of that name: down, without a key, and not yet marked as ours. */
  create(name: InterfaceName): Promise<void>;
  /** Whether the device behind an existing link answers. */
  isReachable(name: InterfaceName): Promise<boolean>;
  /** Throws Fault `backend_not_running` when there is no such device. */
  read(name: InterfaceName): Promise<DeviceState>;
  write(name: InterfaceName, change: DeviceChange): Promise<void>;
  /** Called after the link is gone: returns once nothing of the device is left. */
  awaitEnd(name: InterfaceName): Promise<void>;
}

/**
 * The interfaces in use cannot take one prefix from a peer: they know "replace all", during which the
 * peer's other prefixes have no owner, and "give". So a prefix that nobody shall have is given to this
 * key and the key is removed, in one change. It is the SHA-256 of "rustynet: prefixes of nobody", so
 * that its private key is known to nobody.
 */
export const nobody: TunnelKey = v.parse(
  TunnelKey,
  "705a371a53cdb29f3d69e441ed3e971c792c3882ba36ba52b36273e427998072",
);

/** What makes `wanted` of `actual`: each prefix moves once, and those that stay are not touched. */
export function ownerChanges(actual: PrefixOwners, wanted: PrefixOwners): readonly PeerChange[] {
  const given = new Map<TunnelKey, Cidr[]>();
  for (const [cidr, key] of wanted) {
    if (actual.get(cidr) === key) continue;
    const cidrs = given.get(key);
    if (cidrs === undefined) given.set(key, [cidr]);
    else cidrs.push(cidr);
  }
  const dropped = [...actual.keys()].filter((cidr) => !wanted.has(cidr));
  const gifts = [...given].map(([key, cidrs]) => ({ kind: "give", key, cidrs }) as const);
  return dropped.length === 0 ? gifts : [...gifts, { kind: "drop", cidrs: dropped }];
}
