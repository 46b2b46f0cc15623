/** HostPort is all that the daemon's decisions may ask of the machine; `linux-host.ts` is the real one. */
import type { Found, TunnelConfig } from "../dataplane/host-state.ts";
import type { ForeignRoute } from "../dataplane/overlap.ts";
import type { Step } from "../dataplane/step.ts";
import type { Cidr, IpAddress } from "../model/ip.ts";

export type LocalAddress = { readonly address: IpAddress; readonly network: Cidr };

export interface HostPort {
  /** Reads the kernel every time: nothing of it is remembered between calls. Throws Fault. */
  observe(config: TunnelConfig): Promise<Found>;
  /** Does one step, wholly or not at all. Throws Fault. */
  perform(step: Step): Promise<void>;
  /** Lets nothing pass the filter any more. Throws Fault, also when there is none of ours. */
  endLease(): Promise<void>;
  /** Routes that others made. */
  foreignRoutes(): readonly ForeignRoute[];
  /** Where other hosts may reach this one, outside the tunnel. */
  localAddresses(config: TunnelConfig): readonly LocalAddress[];
  /**
   * After this host's own addresses have changed: has the tunnel send from those it has now, and at
   * once, so that its peers know.
   */
  renewSources(): Promise<void>;
  /** Which tunnel backend is in use and why; null until there is one. */
  backend(): { readonly name: string; readonly why: string } | null;
}
