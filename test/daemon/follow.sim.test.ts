/**
 * follow: whether a host is changed by the part that a view concerns, or looked at as a whole each time,
 * it ends the same. Two hosts live through the same maps, times and accidents, one in each way.
 */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { silentLog } from "../../src/base/log.ts";
import type { Envelope } from "../../src/crypto/envelope.ts";
import { Reconciler } from "../../src/daemon/reconciler.ts";
import type { Operation } from "../../src/membership/update.ts";
import { type Endpoint, endpointOf, IpAddress } from "../../src/model/ip.ts";
import { NodeName, Owner } from "../../src/model/names.ts";
import { openView, receiveMap, type View } from "../../src/trust/view.ts";
import { FakeHost, type Kernel } from "../support/fake-host.ts";
import { ForgivingHost } from "../support/forgiving-host.ts";
import { Prng } from "../support/prng.ts";
import { anyKernel, config, ownKey } from "../support/random-host.ts";
import { idOf, Ledger, tunnelOf, unwrap } from "../support/world.ts";
import { advertisementBy, HandClock, mapText } from "./world.ts";

const labels = ["p1", "p2", "p3", "p4", "p5", "p6"];
const holdMs = 86_400_000;
const seedGiven = process.env["SIM_SEED"];
const seeds =
  seedGiven === undefined ? Array.from({ length: 40 }, (_, i) => i + 1) : [Number(seedGiven)];
const endpoints: readonly Endpoint[] = [1, 2, 3].map((i) =>
  endpointOf(v.parse(IpAddress, `192.0.2.${i}`), 51_820),
);

/** A network, what one of its nodes believes, and two hosts of that node. */
class Twins {
  readonly clock = new HandClock();
  readonly parted: FakeHost;
  readonly whole: FakeHost;
  readonly byPart: Reconciler;
  readonly byWhole: Reconciler;
  readonly ledger = new Ledger().admit("me");
  readonly #prng: Prng;
  #view: View;
  #sequence = 0;
  #heldUntilMs = holdMs;

  constructor(prng: Prng, Parted: typeof FakeHost) {
    this.#prng = prng;
    const kernel = anyKernel(prng);
    this.parted = new Parted(kernel, ownKey);
    this.whole = new FakeHost(kernel, ownKey);
    this.byPart = new Reconciler(this.parted, this.clock, silentLog, config);
    this.byWhole = new Reconciler(this.whole, this.clock, silentLog, config);
    this.#view = openView(idOf("me"), new Ledger().membership);
  }

  get goal() {
    const leaseMs = Math.max(0, this.#heldUntilMs - this.clock.ms);
    return { kind: "up", view: this.#view, leaseMs } as const;
  }

  /** Hears a map with so many operations and statements of whomever, or with these operations. */
  hear(operations?: readonly Operation[]): void {
    const { epoch } = this.#view.membership.state;
    if (operations === undefined) for (let i = this.#prng.integer(3); i > 0; i--) this.#decide();
    else for (const operation of operations) this.ledger.decide(operation);
    const said = Array.from({ length: this.#prng.integer(3) }, () => this.#say());
    const map = mapText(this.ledger, "me", [], {
      since: { epoch, generation: 0 },
      entries: this.ledger.entries.slice(epoch),
      generation: this.#view.generation + 1,
      signedAt: this.clock.wallS,
      advertisements: said.filter((envelope) => envelope !== null),
    });
    const envelope = JSON.parse(map) as Envelope;
    this.#view = unwrap(receiveMap(this.#view, envelope, this.clock.wallS)).view;
    this.#heldUntilMs = this.clock.ms + holdMs;
  }

  /** One operation that the state allows. */
  #decide(): void {
    const prng = this.#prng;
    const label = prng.pick(labels);
    const node = this.ledger.membership.state.nodes.get(idOf(label));
    const owner = v.parse(Owner, prng.pick(["alice", "alice", "bob"]));
    if (node === undefined) {
      this.ledger.admit(label, { owner });
      return;
    }
    const { id } = node;
    const name = v.parse(NodeName, `${label}-${this.ledger.entries.length}`);
    const others: Operation[] =
      node.status === "revoked"
        ? []
        : [
            { kind: "revoke_node", node: id },
            { kind: "rename_node", node: id, name },
            ...(node.owner === owner ? [] : [{ kind: "reown_node", node: id, owner } as const]),
            ...this.#ownOperations(owner),
          ];
    const back: Operation =
      node.status === "active"
        ? { kind: "quarantine_node", node: id }
        : { kind: "restore_node", node: id };
    const isNameFree = node.status !== "revoked";
    const backs = isNameFree || node.name === name ? [back] : [];
    this.ledger.decide(prng.pick([...backs, ...others, { kind: "remove_node", node: id }]));
  }

  /** Now and then something that concerns everybody. */
  #ownOperations(owner: Owner): readonly Operation[] {
    const me = this.ledger.membership.state.nodes.get(idOf("me"));
    if (me === undefined || me.owner === owner || !this.#prng.chance(0.2)) return [];
    return [{ kind: "reown_node", node: me.id, owner }];
  }

  /** What an active node says: mostly the same with another number. Null if it may say nothing. */
  #say(): Envelope | null {
    const prng = this.#prng;
    const label = prng.pick(labels);
    if (this.ledger.membership.state.nodes.get(idOf(label))?.status !== "active") return null;
    const key = prng.pick([label, label, label, `${label}-new`, prng.pick(labels)]);
    return advertisementBy(label, this.ledger, {
      sequence: ++this.#sequence,
      issuedAt: this.clock.wallS,
      expiresAt: this.clock.wallS + prng.pick([30, 3_600, 86_400]),
      tunnelKey: tunnelOf(key).publicKey,
      endpoints: prng.chance(0.6)
        ? endpoints.slice(0, 1)
        : endpoints.filter(() => prng.chance(0.5)),
    });
  }

  /** Time goes by in both kernels. */
  pass(seconds: number): void {
    this.clock.pass(seconds);
    this.#inBoth((kernel) => {
      if (kernel.filter.kind !== "loaded") return kernel;
      const leaseMs = Math.max(0, kernel.filter.leaseMs - seconds * 1_000);
      return { ...kernel, filter: { ...kernel.filter, leaseMs } };
    });
  }

  /** A peer answers from wherever it is by now. */
  answer(): void {
    const [turn, endpoint] = [this.#prng.next(), this.#prng.pick(endpoints)];
    this.#inBoth((kernel) => {
      const peers = [...(kernel.device?.peers.values() ?? [])];
      const peer = peers[Math.floor(turn * peers.length)];
      if (kernel.device === null || peer === undefined) return kernel;
      const heard = { ...peer, endpoint, lastHandshakeS: this.clock.wallS };
      const device = { ...kernel.device, peers: new Map(kernel.device.peers).set(peer.key, heard) };
      return { ...kernel, device };
    });
  }

  /** Somebody else changes the host. */
  meddle(): void {
    const other = anyKernel(this.#prng);
    const what = this.#prng.pick(["peers", "filter", "routes", "sources", "lease", "all"] as const);
    this.#inBoth((kernel) => meddledWith(kernel, other, what));
  }

  #inBoth(change: (kernel: Kernel) => Kernel): void {
    for (const host of [this.parted, this.whole]) host.kernel = change(host.kernel);
  }

  /** As after what was heard. Returns whether the one host was not looked at. */
  async follow(): Promise<boolean> {
    const before = this.parted.looks;
    await this.byPart.follow(this.goal);
    await this.byWhole.reconcile(this.goal);
    return this.parted.looks === before;
  }

  /** As after some time, or when the network has changed. */
  async look(): Promise<void> {
    await this.byPart.reconcile(this.goal);
    await this.byWhole.reconcile(this.goal);
  }

  expectSame(): void {
    expect(plain(this.parted.kernel)).toEqual(plain(this.whole.kernel));
    expect(this.byPart.lifecycle).toEqual(this.byWhole.lifecycle);
    expect(this.byPart.problem).toBeNull();
  }
}

function meddledWith(
  kernel: Kernel,
  other: Kernel,
  what: "peers" | "filter" | "routes" | "sources" | "lease" | "all",
): Kernel {
  const { device, filter } = kernel;
  switch (what) {
    case "peers":
      if (device === null || other.device === null) return kernel;
      return { ...kernel, device: { ...other.device, key: device.key } };
    case "filter":
      return { ...kernel, filter: other.filter };
    case "routes":
      return kernel.link === "up" ? { ...kernel, routes: other.routes } : kernel;
    case "sources":
      if (filter.kind !== "loaded" || other.filter.kind !== "loaded") return kernel;
      return {
        ...kernel,
        filter: { ...filter, filter: { ...filter.filter, sources: other.filter.filter.sources } },
      };
    case "lease":
      return filter.kind === "loaded" ? { ...kernel, filter: { ...filter, leaseMs: 0 } } : kernel;
    case "all":
      return other;
  }
}

const plain = ({ device, filter, addresses, routes, ...kernel }: Kernel): unknown => ({
  ...kernel,
  addresses: new Set(addresses),
  routes: new Set(routes),
  owners: new Map(device?.owners),
  peers: new Map(device?.peers),
  filter:
    filter.kind === "loaded"
      ? { sources: new Set(filter.filter.sources), leaseMs: filter.leaseMs }
      : filter,
});

async function forEachSeed(
  Parted: typeof FakeHost,
  body: (twins: Twins, prng: Prng) => Promise<void>,
): Promise<void> {
  for (const seed of seeds) {
    const prng = new Prng(seed);
    try {
      const twins = new Twins(prng, Parted);
      twins.hear();
      await twins.look();
      twins.expectSame();
      await body(twins, prng);
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : "";
      throw new Error(`SIM_SEED=${seed}: ${message}`, { cause });
    }
  }
}

test("by part or as a whole, the host ends the same after every map", async () => {
  let [maps, parts] = [0, 0];
  await forEachSeed(FakeHost, async (twins, prng) => {
    for (let i = 0; i < 20; i++) {
      twins.hear();
      maps++;
      if (await twins.follow()) parts++;
      twins.expectSame();
      if (!prng.chance(0.3)) continue;
      twins.pass(prng.pick([1, 7, 40, 4_000]));
      twins.answer();
      await twins.look();
      twins.expectSame();
    }
  });
  // Otherwise it is the whole that was compared with the whole.
  if (seedGiven === undefined) expect(parts).toBeGreaterThan(maps / 2);
});

test("what time, tunnels and others do between looks is found at the next whole look, and no later", async () => {
  await forEachSeed(ForgivingHost, async (twins, prng) => {
    for (let i = 0; i < 10; i++) {
      twins.pass(prng.pick([1, 7, 25, 29]));
      if (prng.chance(0.5)) twins.answer();
      if (prng.chance(0.5)) twins.meddle();
      twins.hear();
      await twins.follow();
      await twins.look();
      expect(agreed(twins.parted.kernel)).toEqual(agreed(twins.whole.kernel));
    }
  });
});

/** All but what each has learned of a peer by itself: when a path was tried depends on when one looked. */
const agreed = (kernel: Kernel): unknown => ({
  ...(plain(kernel) as object),
  peers: new Set(kernel.device?.peers.keys()),
});

test("a look is whole after 30 s, whatever is heard in between", async () => {
  await forEachSeed(FakeHost, async (twins) => {
    twins.pass(30);
    twins.hear();
    expect(await twins.follow()).toBe(false);
  });
});

test("whoever is expelled is off the host at once, whatever others did to it before", async () => {
  let expulsions = 0;
  await forEachSeed(ForgivingHost, async (twins, prng) => {
    for (let i = 0; i < 15; i++) {
      twins.hear();
      await twins.follow();
      const said = [...twins.goal.view.advertisements.values()].map((one) => one.advertisement);
      const peers = said.filter(({ tunnelKey }) =>
        twins.parted.kernel.device?.peers.has(tunnelKey),
      );
      if (peers.length === 0) continue;
      const { node, tunnelKey } = prng.pick(peers);
      const { ipv4 = "", ipv6 = "" } = twins.ledger.membership.state.nodes.get(node) ?? {};
      if (prng.chance(0.7)) twins.meddle();
      twins.hear([{ kind: "revoke_node", node }]);
      await twins.follow();
      expulsions++;
      const isHeldByAnother = twins.goal.view.nodeByTunnelKey.has(tunnelKey);
      const traces = tracesOf(twins.parted.kernel);
      if (!isHeldByAnother) expect(traces).not.toContain(tunnelKey);
      expect(traces).not.toContain(`${ipv4}/32`);
      expect(traces).not.toContain(`${ipv6}/128`);
      expect(traces).not.toContain(ipv4);
      expect(traces).not.toContain(ipv6);
      await twins.look();
    }
  });
  if (seedGiven === undefined) expect(expulsions).toBeGreaterThan(50);
});

/** Keys of peers, prefixes that somebody owns, and sources that are let in. */
const tracesOf = ({ device, filter }: Kernel): readonly string[] => [
  ...(device?.peers.keys() ?? []),
  ...(device?.owners.keys() ?? []),
  ...(filter.kind === "loaded" ? filter.filter.sources : []),
];

test("a second after something was taken away, the next look is whole", async () => {
  await forEachSeed(FakeHost, async (twins) => {
    const peers = twins.parted.kernel.device?.peers.size ?? 0;
    if (peers === 0) return;
    const [{ advertisement } = { advertisement: { node: idOf("me") } }] = [
      ...twins.goal.view.advertisements.values(),
    ].filter((one) => twins.parted.kernel.device?.peers.has(one.advertisement.tunnelKey));
    twins.hear([{ kind: "revoke_node", node: advertisement.node }]);
    if (!(await twins.follow())) return;
    twins.pass(1);
    twins.hear([]);
    expect(await twins.follow()).toBe(false);
  });
});
