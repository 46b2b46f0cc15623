/**
 * Filter is who may open a flow to this host through the tunnel. Everything that it does not name is
 * dropped on arrival; nothing is forwarded between the tunnel and any other interface.
 */
import type { IpAddress } from "../model/ip.ts";
import type { InterfaceName } from "../model/names.ts";

export type Filter = {
  readonly interface: InterfaceName;
  /** This host's own addresses in the tunnel: nobody may send to them by another interface. */
  readonly addresses: ReadonlySet<IpAddress>;
  /** The tunnel addresses of the nodes that may open flows to this host. */
  readonly sources: ReadonlySet<IpAddress>;
};

/**
 * What the kernel holds. `damaged` means that a table of our name is there and is not what we would
 * have written: somebody changed it, or an older version did.
 */
export type FilterState =
  | { readonly kind: "absent" }
  | { readonly kind: "damaged" }
  | {
      readonly kind: "loaded";
      readonly filter: Filter;
      /** How long the kernel goes on letting packets of the tunnel pass without hearing from us. */
      readonly leaseMs: number;
    };
