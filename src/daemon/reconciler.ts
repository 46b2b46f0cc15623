/**
 * reconciler makes the host be as the node believes it should be: observe, plan, apply, until there
 * is nothing left to do. It owns the lifecycle and the paths, and remembers nothing of the host.
 */
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import type { Found, TunnelConfig, Wanted } from "../dataplane/host-state.ts";
import { intend } from "../dataplane/intent.ts";
import {
  type Failure,
  initial,
  type Lifecycle,
  type LifecycleEvent,
  transition,
} from "../dataplane/lifecycle.ts";
import { findOverlap } from "../dataplane/overlap.ts";
import * as path from "../dataplane/path.ts";
import { isEmpty, plan, planRemoval } from "../dataplane/plan.ts";
import type { NodeId, StateRoot } from "../model/ids.ts";
import { type Cidr, type Endpoint, splitCidr } from "../model/ip.ts";
import type { Advertisement } from "../wire/advertisement.ts";
import type { View } from "../trust/view.ts";
import { apply } from "./apply.ts";
import { failureOf, notActive, outOfTrust } from "./failure.ts";
import type { HostPort } from "./host-port.ts";

/** What the rest of the daemon says is to be. */
export type Goal =
  | { readonly kind: "down" }
  | { readonly kind: "up"; readonly view: View; readonly leaseMs: number };

/** A plan makes the next one possible at most this often: take over a device, then fill it. */
const roundsMax = 6;
/** Looks at the host this often although nothing happened: others may have changed it. */
const healMs = 30_000;
const retryMinMs = 1_000;

export class Reconciler {
  readonly #host: HostPort;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #config: TunnelConfig;
  readonly #paths = new Map<NodeId, path.Path>();
  #lifecycle: Lifecycle = initial;
  #problem: Failure | null = null;
  #overlap: Failure | null = null;
  #failures = 0;
  /** The state whose withdrawals have all been done: until then a fault closes the node. */
  #withdrawnFor: StateRoot | null = null;
  /** This host's own addresses and ways out when it was last looked at; null before that. */
  #place: string | null = null;

  constructor(host: HostPort, clock: Clock, log: Log, config: TunnelConfig) {
    this.#host = host;
    this.#clock = clock;
    this.#log = log;
    this.#config = config;
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

  /** Brings the host to the goal as far as it goes. Returns when to look again, in milliseconds. */
  async reconcile(goal: Goal): Promise<number> {
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
    await this.#followMove();
    for (let round = 0; round < roundsMax; round++) {
      const found = await this.#host.observe(this.#config);
      this.#overlap = this.#findOverlap(view);
      // Once the mesh is up, cutting it off for a route that came later would help nobody.
      if (this.#overlap !== null && found.routes.size === 0) throw faultOf(this.#overlap);
      const wanted = this.#intend(view, found, leaseMs);
      const steps = plan(wanted, found);
      if (isEmpty(steps)) {
        this.#withdrawnFor = view.membership.root;
        return;
      }
      await this.#withdraw(steps.withdraw);
      this.#withdrawnFor = view.membership.root;
      await apply(steps.grant, (step) => this.#host.perform(step));
      this.#log.debug("applied", {
        withdrawn: steps.withdraw.length,
        granted: steps.grant.length,
      });
    }
    throw new Fault("host_failed", "the host does not stay as it was made", {
      remedy: "find what else changes the tunnel's interface, routes or rules",
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

  #intend(view: View, found: Found, leaseMs: number): Wanted {
    const reachable = this.#reachable(view);
    const { ipv4, ipv6 } = view.membership.state.ranges;
    const { endpoints, awaited } = this.#choosePaths(reachable, found, [ipv4, ipv6]);
    const nodes = leaseMs === 0 ? [] : reachable;
    const { state } = view.membership;
    const terms = { config: this.#config, leaseMs, ownKey: found.tunnel?.key ?? null, awaited };
    const wanted = intend(
      state,
      view.self,
      nodes.map(({ node, tunnelKey }) => ({ node, tunnelKey })),
      endpoints,
      terms,
    );
    if (wanted === null) throw new Fault("revoked", "this node is no active member any more");
    return wanted;
  }

  #reachable(view: View): readonly Advertisement[] {
    const nowS = this.#clock.nowS();
    return [...view.advertisements.values()]
      .map(({ advertisement }) => advertisement)
      .filter(({ node, expiresAt }) => node !== view.self && expiresAt > nowS);
  }

  #choosePaths(
    reachable: readonly Advertisement[],
    { tunnel }: Found,
    overlay: readonly Cidr[],
  ): {
    readonly endpoints: ReadonlyMap<NodeId, Endpoint>;
    readonly awaited: ReadonlySet<NodeId>;
  } {
    const [nowS, nowMs] = [this.#clock.nowS(), this.#clock.monotonicMs()];
    const near = this.#host.localAddresses(this.#config).map(({ network }) => network);
    const chosen = new Map<NodeId, Endpoint>();
    const awaited = new Set<NodeId>();
    for (const { node, tunnelKey, endpoints } of reachable) {
      const peer = tunnel?.peers.get(tunnelKey);
      const next = path.transition(this.#paths.get(node) ?? path.unknownPath, {
        candidates: path.rankCandidates(endpoints, near, overlay),
        endpoint: peer?.endpoint ?? null,
        handshakeAgeS: peer?.lastHandshakeS ? nowS - peer.lastHandshakeS : null,
        nowMs,
      });
      this.#paths.set(node, next);
      if (path.holdsBack(next, tunnel !== null && tunnelKey < tunnel.key, nowMs)) awaited.add(node);
      const endpoint = path.wantedEndpoint(next);
      if (endpoint !== null) chosen.set(node, endpoint);
    }
    return { endpoints: chosen, awaited };
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
    this.#paths.clear();
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
    const paths = [...this.#paths.values()]
      .map((held) => path.wakeAtMs(held, nowMs))
      .filter((at) => at !== null);
    const lease = goal.kind === "up" && goal.leaseMs > 0 ? [nowMs + goal.leaseMs] : [];
    return Math.max(50, Math.min(nowMs + healMs, ...paths, ...lease) - nowMs);
  }
}

const faultOf = ({ message, remedy = "" }: Failure): Fault =>
  new Fault("route_overlap", message, { remedy });
