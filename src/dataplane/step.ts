/** step: the changes that a plan is made of. Each carries what it destroys, so that each has an undo. */
import { unreachable } from "../base/assert.ts";
import type { Cidr, IpAddress } from "../model/ip.ts";
import type { TunnelKey } from "../model/keys.ts";
import type { Peer } from "../model/tunnel.ts";
import type { Filter, FilterState } from "./filter.ts";
import type { TunnelConfig } from "./host-state.ts";

export type Step =
  | { readonly kind: "set_filter"; readonly from: FilterState; readonly to: Filter | null }
  /** Puts back what was found, lease included: only ever the undo of `set_filter`. */
  | { readonly kind: "restore_filter"; readonly from: Filter | null; readonly to: FilterState }
  | {
      readonly kind: "change_sources";
      readonly add: ReadonlySet<IpAddress>;
      readonly remove: ReadonlySet<IpAddress>;
    }
  | { readonly kind: "set_lease"; readonly fromMs: number; readonly toMs: number }
  | { readonly kind: "create_tunnel"; readonly config: TunnelConfig }
  | { readonly kind: "remove_tunnel"; readonly config: TunnelConfig }
  /** Takes over the device that an earlier run left, with everything in it. */
  | { readonly kind: "adopt_tunnel"; readonly config: TunnelConfig }
  | { readonly kind: "release_tunnel"; readonly config: TunnelConfig }
  | { readonly kind: "add_peer"; readonly peer: Peer }
  | { readonly kind: "remove_peer"; readonly peer: Peer }
  | { readonly kind: "change_peer"; readonly from: Peer; readonly to: Peer }
  | {
      readonly kind: "move_prefix";
      readonly cidr: Cidr;
      readonly from: TunnelKey | null;
      readonly to: TunnelKey | null;
    }
  | { readonly kind: "add_address"; readonly address: IpAddress }
  | { readonly kind: "remove_address"; readonly address: IpAddress }
  | { readonly kind: "link_up" }
  | { readonly kind: "link_down" }
  | { readonly kind: "add_route"; readonly cidr: Cidr }
  | { readonly kind: "remove_route"; readonly cidr: Cidr };

/** The step that undoes this one. */
export function invert(step: Step): Step {
  switch (step.kind) {
    case "set_filter":
      return { kind: "restore_filter", from: step.to, to: step.from };
    case "restore_filter":
      return { kind: "set_filter", from: step.to, to: step.from };
    case "change_sources":
      return { kind: "change_sources", add: step.remove, remove: step.add };
    case "set_lease":
      return { kind: "set_lease", fromMs: step.toMs, toMs: step.fromMs };
    case "create_tunnel":
      return { ...step, kind: "remove_tunnel" };
    case "remove_tunnel":
      return { ...step, kind: "create_tunnel" };
    case "adopt_tunnel":
      return { ...step, kind: "release_tunnel" };
    case "release_tunnel":
      return { ...step, kind: "adopt_tunnel" };
    case "add_peer":
      return { ...step, kind: "remove_peer" };
    case "remove_peer":
      return { ...step, kind: "add_peer" };
    case "change_peer":
      return { kind: "change_peer", from: step.to, to: step.from };
    case "move_prefix":
      return { ...step, from: step.to, to: step.from };
    case "add_address":
      return { ...step, kind: "remove_address" };
    case "remove_address":
      return { ...step, kind: "add_address" };
    case "link_up":
      return { kind: "link_down" };
    case "link_down":
      return { kind: "link_up" };
    case "add_route":
      return { ...step, kind: "remove_route" };
    case "remove_route":
      return { ...step, kind: "add_route" };
    default:
      return unreachable(step);
  }
}
