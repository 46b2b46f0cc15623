/**
 * lifecycle is the state machine of phase 10, section 7: what must be true before packets may pass,
 * and that losing any of it closes the node. `exit_active` comes with exit nodes.
 */
import { unreachable } from "../base/assert.ts";

/** Why a node is closed. `trust`: what it believed cannot be believed; `host`: it cannot be done here. */
export type Failure = {
  readonly area: "trust" | "host";
  readonly code: string;
  readonly message: string;
  readonly remedy?: string | undefined;
};

export type Lifecycle =
  | { readonly kind: "init" }
  | { readonly kind: "control_trusted" }
  | { readonly kind: "dataplane_applied" }
  | { readonly kind: "fail_closed"; readonly failure: Failure };

export type LifecycleEvent =
  /** Membership, map and freshness were verified again, just now. */
  | { readonly kind: "trust_verified" }
  | { readonly kind: "applied" }
  | { readonly kind: "failed"; readonly failure: Failure }
  /** Told to be down: nothing is wanted, so nothing can be missing. */
  | { readonly kind: "stopped" };

export const initial: Lifecycle = { kind: "init" };

export function transition(from: Lifecycle, event: LifecycleEvent): Lifecycle {
  switch (event.kind) {
    case "trust_verified":
      return from.kind === "dataplane_applied" ? from : { kind: "control_trusted" };
    case "applied":
      // Out of any other state there is no way to open: trust has to be verified first.
      return from.kind === "control_trusted" ? { kind: "dataplane_applied" } : from;
    case "failed":
      return { kind: "fail_closed", failure: event.failure };
    case "stopped":
      return initial;
    default:
      return unreachable(event);
  }
}
