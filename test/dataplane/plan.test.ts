/** plan: the order of the steps in the cases that matter, and the undo of each kind of step. */
import { describe, expect, test } from "bun:test";
import { apply } from "../../src/daemon/apply.ts";
import type { FilterState } from "../../src/dataplane/filter.ts";
import type { Found, Wanted } from "../../src/dataplane/host-state.ts";
import { isEmpty, plan, planRemoval } from "../../src/dataplane/plan.ts";
import { invert, type Step } from "../../src/dataplane/step.ts";
import { hostCidr, type IpAddress } from "../../src/model/ip.ts";
import type { TunnelKey } from "../../src/model/keys.ts";
import type { Peer } from "../../src/model/tunnel.ts";
import { FakeHost, type Kernel } from "../support/fake-host.ts";
import { Prng } from "../support/prng.ts";
import { addressOf, anyWanted, config, keys, ownKey } from "../support/random-host.ts";

const [one, two] = keys as readonly [TunnelKey, TunnelKey];
const peer = (key: TunnelKey): Peer => ({ key, endpoint: null, keepaliveS: 25 });
const base = anyWanted(new Prng(1));

/** A wish for these peers, each with its address, from all of whom packets are let in. */
function wish(peers: readonly TunnelKey[], changes: Partial<Wanted> = {}): Wanted {
  const sources = new Set(peers.map(addressOf));
  return {
    ...base,
    peers: new Map(peers.map((key) => [key, peer(key)])),
    owners: new Map(peers.map((key) => [hostCidr(addressOf(key)), key])),
    filter: { ...base.filter, sources },
    leaseMs: 60_000,
    ...changes,
  };
}

const bare: Kernel = {
  link: "absent",
  device: null,
  isAdopted: false,
  addresses: new Set(),
  routes: new Set(),
  filter: { kind: "absent" },
};

async function hostWith(wanted: Wanted): Promise<FakeHost> {
  const host = new FakeHost(bare, ownKey);
  for (let steps = plan(wanted, await host.observe()); !isEmpty(steps);) {
    await apply([...steps.withdraw, ...steps.grant], (step) => host.perform(step));
    steps = plan(wanted, await host.observe());
  }
  return host;
}

const faultOf = (applied: Promise<void>): Promise<unknown> =>
  applied.then(
    () => null,
    (error: unknown) => error,
  );

const kinds = (steps: readonly Step[]): readonly string[] => steps.map(({ kind }) => kind);
const kindsOf = ({ withdraw, grant }: ReturnType<typeof plan>) => ({
  withdraw: kinds(withdraw),
  grant: kinds(grant),
});
const found = async (wanted: Wanted): Promise<Found> => await (await hostWith(wanted)).observe();

describe("the steps", () => {
  test("on a host without anything of ours: guard, then device, and then look again", async () => {
    const steps = plan(wish([one]), await new FakeHost(bare, ownKey).observe());
    expect(kindsOf(steps)).toEqual({ withdraw: [], grant: ["set_filter", "create_tunnel"] });
    expect(steps.grant[0]).toMatchObject({ to: { sources: new Set() } });
  });

  test("into an empty device: peers, prefixes, addresses, link, routes, sources, lease", async () => {
    const host = new FakeHost(bare, ownKey);
    const first = plan(wish([one]), await host.observe());
    for (const step of first.grant) await host.perform(step);
    expect(kindsOf(plan(wish([one]), await host.observe()))).toEqual({
      withdraw: [],
      grant: [
        "add_peer",
        "move_prefix",
        "add_address",
        "add_address",
        "link_up",
        "add_route",
        "add_route",
        "change_sources",
        "set_lease",
      ],
    });
  });

  test("when a node is revoked: its source first, and nothing is granted", async () => {
    expect(kindsOf(plan(wish([two]), await found(wish([one, two]))))).toEqual({
      withdraw: ["change_sources", "move_prefix", "remove_peer"],
      grant: [],
    });
  });

  test("when a node takes another tunnel key: the old one goes, and the source stays open", async () => {
    const address = addressOf(one);
    const moved: Wanted = {
      ...wish([two]),
      owners: new Map([[hostCidr(address), two]]),
      filter: { ...base.filter, sources: new Set([address]) },
    };
    expect(kindsOf(plan(moved, await found(wish([one]))))).toEqual({
      withdraw: ["move_prefix", "remove_peer"],
      grant: ["add_peer", "move_prefix"],
    });
  });

  test("when a prefix goes from one peer to another that stays: in one move", async () => {
    const wanted = wish([one, two]);
    const swapped = { ...wanted, owners: new Map([[hostCidr(addressOf(one)), two]]) };
    const { withdraw, grant } = plan(swapped, await found(wanted));
    expect(kinds(withdraw)).toEqual(["move_prefix"]);
    expect(grant).toEqual([
      { kind: "move_prefix", cidr: hostCidr(addressOf(one)), from: one, to: two },
    ]);
  });

  test("when trust has run out: the lease ends before anything else happens", async () => {
    const closed = { ...wish([]), leaseMs: 0 };
    expect(kindsOf(plan(closed, await found(wish([one]))))).toEqual({
      withdraw: ["change_sources", "set_lease", "move_prefix", "remove_peer"],
      grant: [],
    });
    expect(kindsOf(plan({ ...wish([one]), leaseMs: 0 }, await found(wish([one]))))).toEqual({
      withdraw: ["set_lease"],
      grant: [],
    });
  });

  test("when only time has passed: the lease is renewed", async () => {
    const held = await found(wish([one]));
    if (held.filter.kind !== "loaded") throw new Error("there is a filter");
    const later = { ...held, filter: { ...held.filter, leaseMs: 30_000 } };
    expect(plan(wish([one]), later)).toEqual({
      withdraw: [],
      grant: [{ kind: "set_lease", fromMs: 30_000, toMs: 60_000 }],
    });
    const soon = { ...held, filter: { ...held.filter, leaseMs: 59_000 } };
    expect(isEmpty(plan(wish([one]), soon))).toBe(true);
  });

  test("when the peer has roamed and nobody wants it elsewhere: none", async () => {
    const held = await found(wish([one]));
    const state = held.tunnel?.peers.get(one);
    if (held.tunnel === null || state === undefined) throw new Error("one is a peer");
    const roamed = { ...state, endpoint: "203.0.113.9:4" as typeof state.endpoint };
    const peers = new Map([[one, roamed]]);
    expect(isEmpty(plan(wish([one]), { ...held, tunnel: { ...held.tunnel, peers } }))).toBe(true);
  });

  test("when this host's own address changes: closed while it does", async () => {
    const addresses = new Set([...base.addresses].slice(1));
    const moved = { ...wish([one]), addresses, filter: { ...wish([one]).filter, addresses } };
    const { withdraw, grant } = plan(moved, await found(wish([one])));
    expect(kinds(withdraw)).toEqual(["remove_address"]);
    expect(kinds(grant)).toEqual(["set_filter", "set_lease"]);
  });
});

describe("a device whose filter is gone", () => {
  const gone: readonly FilterState[] = [{ kind: "absent" }, { kind: "damaged" }];

  test.each(gone.map((filter) => [filter.kind, filter] as const))(
    "(%s) is closed by a withdrawal, so that no failed grant opens it again",
    async (_kind, filter) => {
      const host = await hostWith(wish([one]));
      host.kernel = { ...host.kernel, filter };
      const { withdraw, grant } = plan(wish([one, two]), await host.observe());
      expect(kinds(withdraw)).toEqual(["set_filter"]);
      await apply(withdraw, (step) => host.perform(step));
      host.failAfter(1);
      const fault = await faultOf(apply(grant, (step) => host.perform(step)));
      expect(fault).toMatchObject({ message: "told to fail" });
      expect(host.kernel.filter).toMatchObject({ kind: "loaded", leaseMs: 0 });
    },
  );

  test("is closed before it is taken over", async () => {
    const host = await hostWith(wish([one]));
    host.kernel = { ...host.kernel, filter: { kind: "absent" }, isAdopted: false };
    expect(kindsOf(plan(wish([one]), await host.observe()))).toEqual({
      withdraw: ["set_filter"],
      grant: ["adopt_tunnel"],
    });
  });
});

describe("a device that an earlier run left", () => {
  test.each(["up", "down"] as const)(
    "with its link %s is taken over, and nothing else",
    async (link) => {
      const host = await hostWith(wish([one]));
      host.kernel = { ...host.kernel, link, routes: new Set(), isAdopted: false };
      const steps = plan(wish([one]), await host.observe());
      expect(steps).toEqual({ withdraw: [], grant: [{ kind: "adopt_tunnel", config }] });
    },
  );

  test("is taken over before it is removed", async () => {
    const host = await hostWith(wish([one]));
    host.kernel = { ...host.kernel, isAdopted: false };
    expect(kinds(planRemoval(config, await host.observe()))).toEqual(["adopt_tunnel"]);
  });

  test("lets in at once only those who were let in and are wanted still", async () => {
    const host = await hostWith(wish([one, two]));
    host.kernel = { ...host.kernel, isAdopted: false };
    const { withdraw, grant } = plan(wish([two]), await host.observe());
    expect(withdraw).toEqual([
      { kind: "change_sources", add: new Set(), remove: new Set([addressOf(one)]) },
    ]);
    expect(kinds(grant)).toEqual(["adopt_tunnel"]);
  });
});

test("removal takes routes, prefixes, peers and addresses, then the device, then the filter", async () => {
  expect(kinds(planRemoval(config, await found(wish([one]))))).toEqual([
    "remove_route",
    "remove_route",
    "move_prefix",
    "remove_peer",
    "remove_address",
    "remove_address",
    "link_down",
    "remove_tunnel",
    "set_filter",
  ]);
});

test("where nothing is ours, nothing is removed", async () => {
  expect(planRemoval(config, await new FakeHost(bare, ownKey).observe())).toEqual([]);
});

const address: IpAddress = addressOf(one);
const cidr = hostCidr(address);
const some = new Set([address]);
const none = new Set<IpAddress>();
const filter = base.filter;
const to = { ...peer(one), keepaliveS: 0 };
const undone: readonly (readonly [step: Step, undo: Step])[] = [
  [
    { kind: "set_filter", from: { kind: "loaded", filter, leaseMs: 9 }, to: null },
    { kind: "restore_filter", from: null, to: { kind: "loaded", filter, leaseMs: 9 } },
  ],
  [
    { kind: "change_sources", add: some, remove: none },
    { kind: "change_sources", add: none, remove: some },
  ],
  [
    { kind: "set_lease", fromMs: 1, toMs: 2 },
    { kind: "set_lease", fromMs: 2, toMs: 1 },
  ],
  [
    { kind: "create_tunnel", config },
    { kind: "remove_tunnel", config },
  ],
  [
    { kind: "adopt_tunnel", config },
    { kind: "release_tunnel", config },
  ],
  [
    { kind: "add_peer", peer: peer(one) },
    { kind: "remove_peer", peer: peer(one) },
  ],
  [
    { kind: "change_peer", from: peer(one), to },
    { kind: "change_peer", from: to, to: peer(one) },
  ],
  [
    { kind: "move_prefix", cidr, from: one, to: null },
    { kind: "move_prefix", cidr, from: null, to: one },
  ],
  [
    { kind: "add_address", address },
    { kind: "remove_address", address },
  ],
  [{ kind: "link_up" }, { kind: "link_down" }],
  [
    { kind: "add_route", cidr },
    { kind: "remove_route", cidr },
  ],
];

test.each(undone)("a step and its undo are each other's: %#", (step, undo) => {
  expect(invert(step)).toEqual(undo);
  expect(invert(undo)).toEqual(step);
});

test("when the undo fails too, that is said, with both faults", async () => {
  const steps: readonly Step[] = [{ kind: "link_up" }, { kind: "link_down" }, { kind: "link_up" }];
  const perform = async (step: Step): Promise<void> => {
    if (step === steps[2] || (step.kind === "link_up" && step !== steps[0])) throw new Error("no");
  };
  expect(await faultOf(apply(steps, perform))).toMatchObject({
    code: "rollback_failed",
    cause: { errors: [{ message: "no" }, { message: "no" }] },
  });
});
