/**
 * planner words what is to change on the host so that it follows a view: from what was found there, or,
 * for the part that a newer view concerns, from the view that it follows. It performs nothing.
 */
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { foundAs, type Found, type TunnelConfig, type Wanted } from "../dataplane/host-state.ts";
import { intend } from "../dataplane/intent.ts";
import { type Plan, plan } from "../dataplane/plan.ts";
import type { Cidr } from "../model/ip.ts";
import type { TunnelKey } from "../model/keys.ts";
import type { UnixS } from "../model/time.ts";
import type { TunnelState } from "../model/tunnel.ts";
import type { View } from "../trust/view.ts";
import type { Advertisement } from "../wire/advertisement.ts";
import { partBetween, reachableIn } from "./part.ts";
import { type Endpoints, type Ground, Paths } from "./paths.ts";

/** That a host is as a view has it: all that is remembered of a host, and only until in doubt. */
export type Followed = {
  readonly view: View;
  /** The key of the host's own device. */
  readonly ownKey: TunnelKey;
  /** When the host was looked at as a whole, on the wall; and until when that is good enough. */
  readonly wholeAtS: UnixS;
  readonly wholeDueMs: number;
  readonly leaseUntilMs: number;
};

/** The whole host is looked at this often although nothing happened: others may have changed it. */
export const healMs = 30_000;
/** And this soon after something was taken away from somebody: that it is gone is to be seen. */
const confirmMs = 1_000;

export type Planned = {
  readonly steps: Plan;
  /** What holds when they are done; for a whole plan, when there are none. Null: nothing is certain. */
  readonly followed: Followed | null;
};

export class Planner {
  readonly #config: TunnelConfig;
  readonly #clock: Clock;
  readonly #near: () => readonly Cidr[];
  readonly #paths = new Paths();

  /** `near` names the networks that the host is on. */
  constructor(config: TunnelConfig, clock: Clock, near: () => readonly Cidr[]) {
    this.#config = config;
    this.#clock = clock;
    this.#near = near;
  }

  /** When the first path wants a look at the whole host; infinite if none does. */
  get wakeAtMs(): number {
    return this.#paths.wakeAtMs;
  }

  /** From what was found on the whole host to what this view wants of it. */
  planWhole(view: View, leaseMs: number, found: Found): Planned {
    const [wholeAtS, nowMs] = [this.#clock.nowS(), this.#clock.monotonicMs()];
    const { tunnel, filter } = found;
    const nodes = reachableIn(view, wholeAtS);
    const endpoints = this.#paths.chooseAll(nodes, this.#groundFor(view, tunnel));
    const ownKey = tunnel?.key ?? null;
    const wanted = this.#intend(view, leaseMs === 0 ? [] : nodes, { leaseMs, ownKey, endpoints });
    const steps = plan(wanted, found);
    if (leaseMs === 0 || tunnel === null || filter.kind !== "loaded")
      return { steps, followed: null };
    const [wholeDueMs, leaseUntilMs] = [nowMs + healMs, nowMs + filter.leaseMs];
    return { steps, followed: { view, ownKey: tunnel.key, wholeAtS, wholeDueMs, leaseUntilMs } };
  }

  /**
   * From the view that the host follows to this one, for the nodes that differ. Null when the whole host
   * has to be looked at instead.
   */
  planPart(from: Followed, view: View, leaseMs: number): Planned | null {
    const [nowS, nowMs] = [this.#clock.nowS(), this.#clock.monotonicMs()];
    const part = partBetween(from.view, view, from.wholeAtS, nowS);
    if (part === null || leaseMs === 0 || nowMs >= from.wholeDueMs) return null;
    const { ownKey } = from;
    const heldMs = Math.max(0, from.leaseUntilMs - nowMs);
    const had = this.#intend(from.view, part.before, { leaseMs: heldMs, ownKey });
    const found = foundAs(had, ownKey, heldMs);
    // Peers that stay keep their paths: only the tunnel knows how it reaches them now.
    const newcomers = part.after.filter(({ tunnelKey }) => !had.peers.has(tunnelKey));
    const endpoints = this.#paths.chooseSome(newcomers, this.#groundFor(view, found.tunnel));
    const wanted = this.#intend(view, part.after, { leaseMs, ownKey, endpoints });
    const steps = plan(wanted, found);
    return { steps, followed: { ...from, view, ...termsAfter(steps, from, nowMs, leaseMs) } };
  }

  /** There is no tunnel any more. */
  forgetPaths(): void {
    this.#paths.clear();
  }

  #groundFor({ membership }: View, tunnel: TunnelState | null): Ground {
    const { ipv4, ipv6 } = membership.state.ranges;
    const [nowS, nowMs] = [this.#clock.nowS(), this.#clock.monotonicMs()];
    return { tunnel, near: this.#near(), overlay: [ipv4, ipv6], nowS, nowMs };
  }

  #intend(view: View, nodes: readonly Advertisement[], terms: Terms): Wanted {
    const { leaseMs, ownKey, endpoints = new Map() } = terms;
    const wanted = intend(
      view.membership.state,
      view.self,
      nodes.map(({ node, tunnelKey }) => ({ node, tunnelKey })),
      endpoints,
      { config: this.#config, leaseMs, ownKey, awaited: this.#paths.awaited },
    );
    if (wanted === null) throw new Fault("revoked", "this node is no active member any more");
    return wanted;
  }
}

type Terms = {
  readonly leaseMs: number;
  readonly ownKey: TunnelKey | null;
  readonly endpoints?: Endpoints;
};

function termsAfter({ withdraw, grant }: Plan, from: Followed, nowMs: number, leaseMs: number) {
  const isRenewed = [...withdraw, ...grant].some(({ kind }) => kind === "set_lease");
  const dueMs = withdraw.length === 0 ? from.wholeDueMs : nowMs + confirmMs;
  return {
    leaseUntilMs: isRenewed ? nowMs + leaseMs : from.leaseUntilMs,
    wholeDueMs: Math.min(from.wholeDueMs, dueMs),
  };
}
