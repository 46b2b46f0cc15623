/**
 * reconciler makes the host be as the node believes it should be: observe, plan, apply, until there
 * is nothing left to do. It owns the lifecycle, and remembers one thing of the host: which view it was
 * seen to follow. From there a change is planned for the part alone that it concerns (docs/adr/0013).
 */
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import type { TunnelConfig } from "../dataplane/host-state.ts";
import {
  type Failure,
  initial,
  type Lifecycle,
  type LifecycleEvent,
  transition,
} from "../dataplane/lifecycle.ts";
import { findOverlap } from "../dataplane/overlap.ts";
import { isEmpty, type Plan, planRemoval } from "../dataplane/plan.ts";
import type { StateRoot } from "../model/ids.ts";
import { splitCidr } from "../model/ip.ts";
import type { View } from "../trust/view.ts";
import { apply } from "./apply.ts";
import { failureOf, notActive, outOfTrust } from "./failure.ts";
import type { HostPort } from "./host-port.ts";
import { type Followed, healMs, Planner } from "./planner.ts";

/** What the rest of the daemon says is to be. */
export type Goal =
  | { readonly kind: "down" }
  | { readonly kind: "up"; readonly view: View; readonly leaseMs: number };

/** A plan makes the next one possible at most this often: take over a device, then fill it. */
const roundsMax = 6;
const retryMinMs = 1_000;

export class Reconciler {
  readonly #host: HostPort;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #config: TunnelConfig;
  readonly #planner: Planner;
  #lifecycle: Lifecycle = initial;
  #problem: Failure | null = null;
  #overlap: Failure | null = null;
  #failures = 0;
  /** The state whose withdrawals have all been done: until then a fault closes the node. */
  #withdrawnFor: StateRoot | null = null;
  /** This host's own addresses and ways out when it was last looked at; null before that. */
  #place: string | null = null;
  /** Null when in doubt: then the whole host is looked at before anything is changed. */
  #followed: Followed | null = null;

  constructor(host: HostPort, clock: Clock, log: Log, config: TunnelConfig) {
    this.#host = host;
    this.#clock = clock;
    this.#log = log;
    this.#config = config;
    this.#planner = new Planner(config, clock, () =>
      host.localAddresses(config).map(({ network }) => network),
    );
  }

  get lifecycle(): Lifecycle {
    return this.#lifecycle;
  }

  /** What kept the last attempt from its goal; null when it got there. */
  get problem(): Failure | null {
    return this.#problem;
  }

  /** A route of somebody else that takes packets from the network, or the network from it. */
  get overlap(): Failure | null {
    return this.#overlap;
  }

  /**
   * Looks at the whole host and brings it to the goal as far as it goes. Returns when to look again, in
   * milliseconds.
   */
  reconcile(goal: Goal): Promise<number> {
    this.#followed = null;
    return this.follow(goal);
  }

  /** The same where nothing but the goal has changed since: what that does not concern is left alone. */
  async follow(goal: Goal): Promise<number> {
    try {
      if (goal.kind === "down") await this.#remove({ kind: "stopped" });
      else await this.#pursue(goal.view, goal.leaseMs);
      this.#failures = 0;
      this.#problem = null;
    } catch (error) {
      await this.#onFault(error, goal);
      this.#failures++;
      return Math.min(retryMinMs * 2 ** Math.min(this.#failures, 10), healMs);
    }
    return this.#wakeMs(goal);
  }

  async #pursue(view: View, leaseMs: number): Promise<void> {
    // Before the first map there is nothing to build upon. What an earlier life left goes.
    if (view.generation === 0) return this.#remove({ kind: "stopped" });
    const me = view.membership.state.nodes.get(view.self);
    if (me?.status !== "active") {
      await this.#remove({ kind: "failed", failure: notActive(me?.status ?? "removed") });
      return;
    }
    this.#move(leaseMs > 0 ? { kind: "trust_verified" } : { kind: "failed", failure: outOfTrust });
    await this.#build(view, leaseMs);
    this.#move({ kind: "applied" });
  }

  async #build(view: View, leaseMs: number): Promise<void> {
    const followed = this.#followed;
    // Until it is done, nobody knows what the host is like.
    this.#followed = null;
    if (followed !== null && (await this.#buildPart(followed, view, leaseMs))) return;
    await this.#buildWhole(view, leaseMs);
  }

  /** False where that is not enough, or failed: a look at the whole host makes up for either. */
  async #buildPart(from: Followed, view: View, leaseMs: number): Promise<boolean> {
    try {
      const planned = this.#planner.planPart(from, view, leaseMs);
      if (planned === null) return false;
      await this.#perform(planned.steps, view.membership.root);
      this.#followed = planned.followed;
      return true;
    } catch (error) {
      const { code, message } = failureOf(error);
      this.#log.info("part_failed", { code, message });
      // Whatever was left undone is known after a look at the whole, or the node closes.
      this.#withdrawnFor = null;
      return false;
    }
  }

  async #buildWhole(view: View, leaseMs: number): Promise<void> {
    await this.#followMove();
    for (let round = 0; round < roundsMax; round++) {
      const found = await this.#host.observe(this.#config);
      this.#overlap = this.#findOverlap(view);
      // Once the mesh is up, cutting it off for a route that came later would help nobody.
      if (this.#overlap !== null && found.routes.size === 0) throw faultOf(this.#overlap);
      const { steps, followed } = this.#planner.planWhole(view, leaseMs, found);
      await this.#perform(steps, view.membership.root);
      if (!isEmpty(steps)) continue;
      this.#followed = followed;
      return;
    }
    throw new Fault("host_failed", "the host does not stay as it was made", {
      remedy: "find what else changes the tunnel's interface, routes or rules",
    });
  }

  async #perform(steps: Plan, root: StateRoot): Promise<void> {
    await this.#withdraw(steps.withdraw);
    this.#withdrawnFor = root;
    if (isEmpty(steps)) return;
    await apply(steps.grant, (step) => this.#host.perform(step));
    this.#log.debug("applied", {
      withdrawn: steps.withdraw.length,
      granted: steps.grant.length,
    });
  }

  async #followMove(): Promise<void> {
    const local = this.#host.localAddresses(this.#config).map(({ address }) => address);
    const defaults = this.#host.foreignRoutes().filter(({ cidr }) => splitCidr(cidr).bits === 0);
    const ways = defaults.map((route) => `${route.cidr} ${route.interface}`);
    const place = [...local, ...ways].join();
    if (this.#place !== null && this.#place !== place) await this.#host.renewSources();
    this.#place = place;
  }

  /** What could not be withdrawn step by step is closed as a whole. */
  async #withdraw(steps: readonly Parameters<HostPort["perform"]>[0][]): Promise<void> {
    for (const step of steps) {
      try {
        await this.#host.perform(step);
      } catch (cause) {
        throw new Fault("withdraw_failed", `could not do: ${step.kind}`, { cause });
      }
    }
  }

  /**
   * Takes the lease, without a look at the host: what cannot be read can be closed all the same. Where
   * there is no filter that could hold a lease, the whole device goes.
   */
  async #close(): Promise<void> {
    try {
      await this.#host.endLease();
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const found = await this.#host.observe(this.#config);
      for (const step of planRemoval(this.#config, found)) await this.#host.perform(step);
    }
  }

  #findOverlap({ membership }: View): Failure | null {
    const { ipv4, ipv6 } = membership.state.ranges;
    const conflict = findOverlap([ipv4, ipv6], this.#host.foreignRoutes());
    if (conflict === null) return null;
    const { range, route } = conflict;
    return {
      area: "host",
      code: "route_overlap",
      message: `the network uses ${range}, and this host has a route to ${route.cidr} by ${route.interface}`,
      remedy: "remove that route, or make the network with another range: control init --range",
    };
  }

  async #remove(event: LifecycleEvent): Promise<void> {
    this.#move(event);
    this.#followed = null;
    this.#planner.forgetPaths();
    for (let round = 0; round < roundsMax; round++) {
      const steps = planRemoval(this.#config, await this.#host.observe(this.#config));
      if (steps.length === 0) return;
      await apply(steps, (step) => this.#host.perform(step));
    }
    throw new Fault("host_failed", "the tunnel does not go away");
  }

  /**
   * A change that was undone leaves the last safe state in force, if all that was to be withdrawn is;
   * anything else closes the node.
   */
  async #onFault(error: unknown, goal: Goal): Promise<void> {
    const failure = failureOf(error);
    this.#problem = failure;
    this.#log.error("apply_failed", { code: failure.code, message: failure.message });
    const isUndone = failure.code !== "withdraw_failed" && failure.code !== "rollback_failed";
    const isWithdrawn = goal.kind === "up" && goal.view.membership.root === this.#withdrawnFor;
    if (isUndone && isWithdrawn && this.#lifecycle.kind === "dataplane_applied") return;
    await this.#close().catch((second: unknown) => this.#sayOpen(second));
    this.#move({ kind: "failed", failure });
  }

  #sayOpen(error: unknown): void {
    const { code, message } = failureOf(error);
    this.#log.error("close_failed", { code, message });
  }

  #move(event: LifecycleEvent): void {
    const from = this.#lifecycle;
    const to = transition(from, event);
    this.#lifecycle = to;
    if (from.kind === to.kind) return;
    const reason = to.kind === "fail_closed" ? to.failure.code : event.kind;
    const fields = { from_state: from.kind, to_state: to.kind, reason };
    if (to.kind === "fail_closed")
      this.#log.error("transition", { ...fields, message: to.failure.message });
    else this.#log.notice("transition", fields);
  }

  #wakeMs(goal: Goal): number {
    const nowMs = this.#clock.monotonicMs();
    const wholeDueMs = this.#followed?.wholeDueMs ?? nowMs + healMs;
    const leaseEndMs = goal.kind === "up" && goal.leaseMs > 0 ? nowMs + goal.leaseMs : Infinity;
    const wakeAtMs = Math.min(wholeDueMs, this.#planner.wakeAtMs, leaseEndMs);
    return Math.max(50, wakeAtMs - nowMs);
  }
}

const faultOf = ({ message, remedy = "" }: Failure): Fault =>
  new Fault("route_overlap", message, { remedy });
