/** plan: from whatever is found to whatever is wanted, closed on the way, and with every fault undone. */
import { expect, test } from "bun:test";
import { apply } from "../../src/daemon/apply.ts";
import type { Filter } from "../../src/dataplane/filter.ts";
import type { Wanted } from "../../src/dataplane/host-state.ts";
import { isEmpty, plan, planRemoval } from "../../src/dataplane/plan.ts";
import type { Step } from "../../src/dataplane/step.ts";
import type { IpAddress } from "../../src/model/ip.ts";
import { FakeHost, type Kernel } from "../support/fake-host.ts";
import { Prng } from "../support/prng.ts";
import { addressOf, anyKernel, anyWanted, config, keys, ownKey } from "../support/random-host.ts";

const seedGiven = process.env["SIM_SEED"];
const seeds =
  seedGiven === undefined ? Array.from({ length: 300 }, (_, i) => i + 1) : [Number(seedGiven)];

/** One host and one wish for each seed; the seed is named when the body throws. */
async function forEachWorld(body: (kernel: Kernel, wanted: Wanted) => Promise<void>) {
  for (const seed of seeds) {
    const prng = new Prng(seed);
    try {
      await body(anyKernel(prng), anyWanted(prng));
    } catch (cause) {
      throw new Error(`SIM_SEED=${seed}: ${cause instanceof Error ? cause.message : ""}`, {
        cause,
      });
    }
  }
}

const hostOf = (kernel: Kernel): FakeHost => new FakeHost(kernel, ownKey);
const performer = (host: FakeHost) => (step: Step) => host.perform(step);

/** As the daemon does it: look, withdraw, grant, and look again. */
async function reach(wanted: Wanted, host: FakeHost): Promise<void> {
  for (let round = 0; round < 3; round++) {
    const steps = plan(wanted, await host.observe());
    if (isEmpty(steps)) return;
    await apply(steps.withdraw, performer(host));
    await apply(steps.grant, performer(host));
  }
  throw new Error("three rounds are enough");
}

/** Addresses of peers from which a packet would be let in, if its peer sends one. */
function openSources({ link, filter }: Kernel): ReadonlySet<IpAddress> {
  if (link === "absent") return new Set();
  const isGuarding = filter.kind === "loaded" && filter.filter.interface === config.interface;
  if (!isGuarding) return new Set(keys.map(addressOf));
  return filter.leaseMs === 0 ? new Set() : filter.filter.sources;
}

/** Those that the filter lets in, be there a device or not. */
const permitted = (kernel: Kernel): ReadonlySet<IpAddress> =>
  kernel.filter.kind === "loaded" ? openSources({ ...kernel, link: "up" }) : openSources(kernel);

const leaseOf = ({ filter }: Kernel): number => (filter.kind === "loaded" ? filter.leaseMs : 0);

function expectReached({ device, ...kernel }: Kernel, wanted: Wanted): void {
  expect(kernel).toMatchObject({ link: "up", isAdopted: true });
  expect(kernel.addresses).toEqual(new Set(wanted.addresses));
  expect(kernel.routes).toEqual(new Set(wanted.routes));
  expect(new Map(device?.owners)).toEqual(new Map(wanted.owners));
  expect(new Set(device?.peers.keys())).toEqual(new Set(wanted.peers.keys()));
  for (const [key, peer] of wanted.peers) {
    const found = device?.peers.get(key);
    expect(found?.keepaliveS).toBe(peer.keepaliveS);
    if (peer.endpoint !== null) expect(found?.endpoint).toBe(peer.endpoint);
  }
  if (kernel.filter.kind !== "loaded") throw new Error("there is no filter");
  expect(asSets(kernel.filter.filter)).toEqual(asSets(wanted.filter));
  expect(Math.abs(kernel.filter.leaseMs - wanted.leaseMs)).toBeLessThanOrEqual(1_000);
  if (wanted.leaseMs === 0) expect(kernel.filter.leaseMs).toBe(0);
}

const asSets = ({ interface: device, addresses, sources }: Filter) => ({
  device,
  addresses: new Set(addresses),
  sources: new Set(sources),
});

const plain = ({ device, filter, ...kernel }: Kernel): unknown => ({
  ...kernel,
  filter: filter.kind === "loaded" ? { ...asSets(filter.filter), leaseMs: filter.leaseMs } : filter,
  owners: new Map(device?.owners),
  keepalives: new Map([...(device?.peers ?? [])].map(([key, peer]) => [key, peer.keepaliveS])),
});

/** A session that was ended is lost, and where nobody knew an endpoint, somebody may now. */
function expectRestored(after: Kernel, before: Kernel): void {
  expect(plain(after)).toEqual(plain(before));
  for (const [key, { endpoint }] of before.device?.peers ?? [])
    if (endpoint !== null) expect(after.device?.peers.get(key)?.endpoint).toBe(endpoint);
}

test("every plan reaches what was wanted", async () => {
  await forEachWorld(async (kernel, wanted) => {
    const host = hostOf(kernel);
    await reach(wanted, host);
    expectReached(host.kernel, wanted);
  });
});

test("wanting what is there plans nothing", async () => {
  await forEachWorld(async (kernel, wanted) => {
    const host = hostOf(kernel);
    await reach(wanted, host);
    expect(plan(wanted, await host.observe())).toEqual({ withdraw: [], grant: [] });
  });
});

test("from any wish to any other, and back", async () => {
  await forEachWorld(async (kernel, first) => {
    const host = hostOf(kernel);
    for (const wanted of [first, anyWanted(new Prng(7)), first]) {
      await reach(wanted, host);
      expectReached(host.kernel, wanted);
    }
  });
});

test("between any two steps nobody is let in who is not wanted", async () => {
  await forEachWorld(async (kernel, wanted) => {
    const host = hostOf(kernel);
    for (let round = 0; round < 3; round++) {
      const { withdraw, grant } = plan(wanted, await host.observe());
      for (const step of [...withdraw, ...grant]) {
        const before = permitted(host.kernel);
        await host.perform(step);
        // Once the first step is done, whoever was open and is not wanted is shut out.
        const open = openSources(host.kernel);
        expect([...open.difference(wanted.filter.sources)]).toEqual([]);
        const tunnel = host.kernel.device;
        const opened = [...open.difference(before)];
        for (const address of opened)
          expect([...(tunnel?.peers.keys() ?? [])].map(addressOf)).toContain(address);
      }
    }
  });
});

test("what is withdrawn only takes away", async () => {
  await forEachWorld(async (kernel, wanted) => {
    const host = hostOf(kernel);
    for (const step of plan(wanted, await host.observe()).withdraw) {
      const before = host.kernel;
      await host.perform(step);
      expect(openSources(host.kernel).isSubsetOf(openSources(before))).toBe(true);
      expect(leaseOf(host.kernel)).toBeLessThanOrEqual(leaseOf(before));
      expect(host.kernel.addresses.isSubsetOf(before.addresses)).toBe(true);
      expect(host.kernel.routes.isSubsetOf(before.routes)).toBe(true);
      const [peers, owners] = [host.kernel.device?.peers, host.kernel.device?.owners];
      for (const key of peers?.keys() ?? []) expect(before.device?.peers.has(key)).toBe(true);
      for (const [cidr, key] of owners ?? []) expect(before.device?.owners.get(cidr)).toBe(key);
    }
  });
});

test("the filter is there before the device, and the lease opens last", async () => {
  await forEachWorld(async (kernel, wanted) => {
    const host = hostOf(kernel);
    for (let round = 0; round < 3; round++) {
      const { withdraw, grant } = plan(wanted, await host.observe());
      for (const step of [...withdraw, ...grant]) {
        await host.perform(step);
        const { filter } = host.kernel;
        if (host.kernel.device === null) continue;
        expect(filter.kind === "loaded" && filter.filter.interface).toBe(config.interface);
      }
      const opening = grant.findIndex(({ kind }) => kind === "set_lease");
      if (opening >= 0) expect(opening).toBe(grant.length - 1);
    }
  });
});

test("a fault at any step of granting leaves what was there after the withdrawals", async () => {
  await forEachWorld(async (kernel, wanted) => {
    const host = hostOf(kernel);
    for (let round = 0; round < 3; round++) {
      const { withdraw, grant } = plan(wanted, await host.observe());
      await apply(withdraw, performer(host));
      const before = host.kernel;
      for (let at = 0; at < grant.length; at++) {
        host.kernel = before;
        host.failAfter(at);
        await expectFails(apply(grant, performer(host)));
        expectRestored(host.kernel, before);
        // What was shut out stays shut out, whatever was undone.
        const open = openSources(host.kernel);
        expect([...open.difference(wanted.filter.sources)]).toEqual([]);
      }
      host.kernel = before;
      await apply(grant, performer(host));
    }
  });
});

test("a fault at any step of withdrawing, undone, leaves what was found", async () => {
  await forEachWorld(async (kernel, wanted) => {
    // Damage cannot be put back. What is left in its place lets nothing pass.
    const isRestorable = kernel.filter.kind !== "damaged";
    const { withdraw } = plan(wanted, await hostOf(kernel).observe());
    for (let at = 0; at < withdraw.length; at++) {
      const host = hostOf(kernel);
      host.failAfter(at);
      await expectFails(apply(withdraw, performer(host)));
      if (isRestorable) expectRestored(host.kernel, kernel);
      else if (at > 0) expect(openSources(host.kernel).size).toBe(0);
    }
  });
});

async function expectFails(applied: Promise<void>): Promise<void> {
  const outcome = await applied.then(
    () => "applied",
    (error: unknown) => (error instanceof Error ? error.message : "?"),
  );
  expect(outcome).toBe("told to fail");
}

test("a fault at any step of removing, undone, leaves what was found", async () => {
  await forEachWorld(async (kernel) => {
    const steps = planRemoval(config, await hostOf(kernel).observe());
    for (let at = 0; at < steps.length; at++) {
      const host = hostOf(kernel);
      host.failAfter(at);
      await expectFails(apply(steps, performer(host)));
      expectRestored(host.kernel, kernel);
    }
  });
});

test("removing leaves nothing, and guards until the end", async () => {
  await forEachWorld(async (kernel) => {
    const host = hostOf(kernel);
    for (let round = 0; round < 3; round++) {
      const steps = planRemoval(config, await host.observe());
      for (const step of steps) {
        const before = openSources(host.kernel);
        await host.perform(step);
        expect(openSources(host.kernel).isSubsetOf(before)).toBe(true);
      }
    }
    expect(await host.observe()).toEqual({
      link: "absent",
      tunnel: null,
      addresses: new Set(),
      routes: new Set(),
      filter: { kind: "absent" },
    });
    expect(planRemoval(config, await host.observe())).toEqual([]);
  });
});
