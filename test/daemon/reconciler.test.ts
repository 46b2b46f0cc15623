import { beforeEach, expect, test } from "bun:test";
import * as v from "valibot";
import { silentLog } from "../../src/base/log.ts";
import { Reconciler } from "../../src/daemon/reconciler.ts";
import { Cidr, IpAddress } from "../../src/model/ip.ts";
import { InterfaceName } from "../../src/model/names.ts";
import type { Envelope } from "../../src/crypto/envelope.ts";
import { openView, receiveMap, type View } from "../../src/trust/view.ts";
import { FakeHost } from "../support/fake-host.ts";
import { idOf, Ledger, nowS, tunnelOf, unwrap } from "../support/world.ts";
import { advertisementBy, HandClock, mapText } from "./world.ts";

const config = {
  interface: v.parse(InterfaceName, "rustynet0"),
  listenPort: 51_820,
  mtuBytes: 1_420,
  mark: 0,
};
const leaseMs = 3_600_000;

const bare = {
  link: "absent",
  addresses: new Set<never>(),
  routes: new Set<never>(),
  filter: { kind: "absent" },
  device: null,
  isAdopted: false,
} as const;

let clock: HandClock;
let host: FakeHost;
let reconciler: Reconciler;

beforeEach(() => {
  clock = new HandClock();
  host = new FakeHost(bare, tunnelOf("me").publicKey);
  reconciler = new Reconciler(host, clock, silentLog, config);
});

function viewAfter(ledger: Ledger, advertisers: readonly string[]): View {
  const start = openView(idOf("me"), new Ledger().membership);
  const envelope = JSON.parse(mapText(ledger, "me", advertisers)) as Envelope;
  return unwrap(receiveMap(start, envelope, nowS)).view;
}

const two = viewAfter(new Ledger().admit("me").admit("peer"), ["peer"]);
const up = (view: View, lease = leaseMs) => ({ kind: "up", view, leaseMs: lease }) as const;
const sourcesNow = () =>
  host.kernel.filter.kind === "loaded" ? host.kernel.filter.filter.sources.size : null;
const leaseNow = () => (host.kernel.filter.kind === "loaded" ? host.kernel.filter.leaseMs : null);

test("from nothing to open, and down to nothing again", async () => {
  await reconciler.reconcile(up(two));
  expect(reconciler.lifecycle.kind).toBe("dataplane_applied");
  expect(host.kernel.link).toBe("up");
  expect(host.kernel.device?.peers.size).toBe(1);
  expect([sourcesNow(), leaseNow()]).toEqual([2, leaseMs]);
  await reconciler.reconcile({ kind: "down" });
  expect(reconciler.lifecycle.kind).toBe("init");
  expect(host.kernel).toEqual({ ...bare });
});

test("a second look changes nothing", async () => {
  await reconciler.reconcile(up(two));
  const steps = host.performed.length;
  await reconciler.reconcile(up(two));
  expect(host.performed.length).toBe(steps);
});

test("a host with another address has its tunnel send from there, once", async () => {
  const [here, there] = ["192.0.2.1", "192.0.2.9"].map((address) => ({
    address: v.parse(IpAddress, address),
    network: v.parse(Cidr, "192.0.2.0/24"),
  }));
  if (here === undefined || there === undefined) throw new Error("two addresses");
  const renewalsAt = async (local: typeof host.local): Promise<number> => {
    host.local = local;
    await reconciler.reconcile(up(two));
    return host.renewals;
  };
  expect(await renewalsAt([here])).toBe(0);
  expect(await renewalsAt([here])).toBe(0);
  expect(await renewalsAt([there])).toBe(1);
  expect(await renewalsAt([there])).toBe(1);
});

test("before the first map nothing is built", async () => {
  const empty = openView(idOf("me"), new Ledger().admit("me").membership);
  await reconciler.reconcile(up(empty));
  expect(host.performed).toEqual([]);
  expect(reconciler.lifecycle.kind).toBe("init");
});

test("before the first map of a new life nothing of an earlier one stays open", async () => {
  await reconciler.reconcile(up(two));
  const empty = openView(idOf("me"), new Ledger().admit("me").membership);
  await reconciler.reconcile(up(empty));
  expect(host.kernel).toEqual({ ...bare });
});

test("when trust runs out nobody is let in any more, and the lease ends", async () => {
  await reconciler.reconcile(up(two));
  await reconciler.reconcile(up(two, 0));
  expect([sourcesNow(), leaseNow()]).toEqual([0, 0]);
  expect(reconciler.lifecycle).toMatchObject({
    kind: "fail_closed",
    failure: { area: "trust", code: "hold_expired" },
  });
  await reconciler.reconcile(up(two));
  expect([sourcesNow(), leaseNow()]).toEqual([2, leaseMs]);
  expect(reconciler.lifecycle.kind).toBe("dataplane_applied");
});

test("a node that was revoked removes its own tunnel and says why", async () => {
  await reconciler.reconcile(up(two));
  const ledger = new Ledger().admit("me").admit("peer").revoke("me");
  await reconciler.reconcile(up(viewAfter(ledger, ["peer"])));
  expect(host.kernel).toEqual({ ...bare });
  expect(reconciler.lifecycle).toMatchObject({ kind: "fail_closed", failure: { code: "revoked" } });
});

test("an overlapping route is refused before anything is applied", async () => {
  host.foreign = [{ cidr: v.parse(Cidr, "100.70.0.0/16"), interface: "eth0" }];
  await reconciler.reconcile(up(two));
  expect(host.performed).toEqual([]);
  expect(reconciler.problem?.code).toBe("route_overlap");
  expect(reconciler.lifecycle.kind).toBe("fail_closed");
});

test("an overlap that comes later is said, and does not cut the mesh off", async () => {
  await reconciler.reconcile(up(two));
  host.foreign = [{ cidr: v.parse(Cidr, "100.70.0.0/16"), interface: "eth0" }];
  await reconciler.reconcile(up(two));
  expect(reconciler.lifecycle.kind).toBe("dataplane_applied");
  expect(reconciler.overlap?.code).toBe("route_overlap");
});

test("a fault at any step on the way up leaves nothing open, and the next attempt gets there", async () => {
  const probe = new FakeHost(bare, tunnelOf("me").publicKey);
  await new Reconciler(probe, clock, silentLog, config).reconcile(up(two));
  for (let step = 0; step < probe.performed.length; step++) {
    const failing = new FakeHost(bare, tunnelOf("me").publicKey);
    const subject = new Reconciler(failing, clock, silentLog, config);
    failing.failAfter(step);
    const waitMs = await subject.reconcile(up(two));
    expect(subject.lifecycle.kind, `step ${step}`).toBe("fail_closed");
    expect(waitMs).toBeLessThanOrEqual(30_000);
    const { filter } = failing.kernel;
    expect(filter.kind === "loaded" ? filter.leaseMs : 0, `step ${step}`).toBe(0);
    await subject.reconcile(up(two));
    expect(subject.lifecycle.kind, `step ${step}`).toBe("dataplane_applied");
  }
});

test("a change that fails and is undone leaves the last safe state in force", async () => {
  await reconciler.reconcile(up(two));
  const before = host.kernel;
  const ledger = new Ledger().admit("me").admit("peer").admit("third");
  const three = viewAfter(ledger, ["peer", "third"]);
  host.failAfter(2);
  await reconciler.reconcile(up(three));
  expect(host.kernel).toEqual(before);
  expect(reconciler.lifecycle.kind).toBe("dataplane_applied");
  expect(reconciler.problem?.code).toBe("host_failed");
  await reconciler.reconcile(up(three));
  expect(reconciler.problem).toBeNull();
  expect(host.kernel.device?.peers.size).toBe(2);
});

test("a device that lost its filter, and cannot be given one, is removed", async () => {
  await reconciler.reconcile(up(two));
  host.kernel = { ...host.kernel, filter: { kind: "absent" } };
  host.failAfter(0);
  await reconciler.reconcile(up(two));
  expect(host.kernel.link).toBe("absent");
  await reconciler.reconcile(up(two));
  expect(host.kernel.link).toBe("up");
  expect([sourcesNow(), leaseNow()]).toEqual([2, leaseMs]);
});

test("a withdrawal that fails at any step closes the node rather than leaving the door open", async () => {
  const revoked = viewAfter(new Ledger().admit("me").admit("peer").revoke("peer"), []);
  for (let step = 0; step < 4; step++) {
    host = new FakeHost(bare, tunnelOf("me").publicKey);
    reconciler = new Reconciler(host, clock, silentLog, config);
    await reconciler.reconcile(up(two));
    host.failAfter(step);
    await reconciler.reconcile(up(revoked));
    expect(leaseNow(), `step ${step}`).toBe(0);
    expect(reconciler.lifecycle.kind, `step ${step}`).toBe("fail_closed");
    await reconciler.reconcile(up(revoked));
    expect([sourcesNow(), leaseNow()], `step ${step}`).toEqual([0, leaseMs]);
  }
});

test("a revocation closes the node when the host cannot be read, also after a withdrawal failed", async () => {
  const revoked = viewAfter(new Ledger().admit("me").admit("peer").revoke("peer"), []);
  await reconciler.reconcile(up(two));
  host.isUnreadable = true;
  await reconciler.reconcile(up(two));
  expect(leaseNow(), "nothing is owed").toBe(leaseMs);
  await reconciler.reconcile(up(revoked));
  expect(leaseNow(), "the revocation is").toBe(0);
  expect(reconciler.lifecycle.kind).toBe("fail_closed");
  host.isUnreadable = false;
  await reconciler.reconcile(up(revoked));
  expect([sourcesNow(), leaseNow()]).toEqual([0, leaseMs]);
});

test("a revocation closes the node when a route that overlaps is in the way of it", async () => {
  await reconciler.reconcile(up(two));
  host.kernel = { ...host.kernel, routes: new Set() };
  host.foreign = [{ cidr: v.parse(Cidr, "100.70.0.0/16"), interface: "eth0" }];
  const ledger = new Ledger().admit("me").admit("peer").revoke("peer");
  await reconciler.reconcile(up(viewAfter(ledger, [])));
  expect(reconciler.problem?.code).toBe("route_overlap");
  expect(leaseNow()).toBe(0);
});

const three = viewAfter(new Ledger().admit("me").admit("peer").admit("third"), ["peer", "third"]);
const expelled = viewAfter(new Ledger().admit("me").admit("peer").revoke("peer"), []);
/** Two views of one history: the second goes on from the first. */
const grown = (operations: (ledger: Ledger) => Ledger, advertisers: readonly string[]): View => {
  const ledger = operations(new Ledger().admit("me").admit("peer"));
  const since = { epoch: two.membership.state.epoch, generation: two.generation };
  const entries = ledger.entries.slice(since.epoch);
  const text = mapText(ledger, "me", advertisers, { since, entries, generation: 2 });
  return unwrap(receiveMap(two, JSON.parse(text) as Envelope, nowS)).view;
};
const withThird = grown((ledger) => ledger.admit("third"), ["third"]);
const withoutPeer = grown((ledger) => ledger.revoke("peer"), []);

test("a change is followed without a look at the host, and a first one is not", async () => {
  await reconciler.follow(up(two));
  const { looks } = host;
  expect(looks).toBeGreaterThan(0);
  await reconciler.follow(up(withThird));
  expect(host.kernel.device?.peers.size).toBe(2);
  expect(host.looks).toBe(looks);
  await reconciler.reconcile(up(withThird));
  expect(host.looks).toBe(looks + 1);
});

test("views that share no history are not told apart by part", async () => {
  await reconciler.reconcile(up(two));
  const { looks } = host;
  await reconciler.follow(up(three));
  expect(host.looks).toBeGreaterThan(looks);
  await reconciler.follow(up(expelled));
  expect([sourcesNow(), leaseNow()]).toEqual([0, leaseMs]);
});

/** The kernel's clock goes on too. */
function pass(seconds: number): void {
  clock.pass(seconds);
  const { filter } = host.kernel;
  if (filter.kind !== "loaded") throw new Error("there is a filter");
  const restMs = filter.leaseMs - seconds * 1_000;
  host.kernel = { ...host.kernel, filter: { ...filter, leaseMs: restMs } };
}

test("heartbeats renew the lease as often as they come, without a look", async () => {
  await reconciler.reconcile(up(two));
  const { looks } = host;
  for (let beat = 0; beat < 5; beat++) {
    pass(5);
    await reconciler.follow(up(two));
    expect(leaseNow()).toBe(leaseMs);
  }
  expect(host.looks).toBe(looks);
});

test("a fault in a part has the whole host looked at in the same turn", async () => {
  for (const view of [withThird, withoutPeer])
    for (let step = 0; step < 4; step++) {
      host = new FakeHost(bare, tunnelOf("me").publicKey);
      reconciler = new Reconciler(host, clock, silentLog, config);
      await reconciler.reconcile(up(two));
      const { looks } = host;
      host.failAfter(step);
      await reconciler.follow(up(view));
      expect(host.looks, `step ${step}`).toBeGreaterThan(looks);
      expect(reconciler.problem, `step ${step}`).toBeNull();
      expect(reconciler.lifecycle.kind).toBe("dataplane_applied");
      const wanted = view === withThird ? 4 : 0;
      expect([sourcesNow(), leaseNow()], `step ${step}`).toEqual([wanted, leaseMs]);
    }
});

test("an expulsion that fails in part, on a host that cannot be read, closes the node", async () => {
  for (let step = 0; step < 4; step++) {
    host = new FakeHost(bare, tunnelOf("me").publicKey);
    reconciler = new Reconciler(host, clock, silentLog, config);
    await reconciler.reconcile(up(two));
    host.failAfter(step);
    host.isUnreadable = true;
    await reconciler.follow(up(withoutPeer));
    expect(leaseNow(), `step ${step}`).toBe(0);
    expect(reconciler.lifecycle.kind, `step ${step}`).toBe("fail_closed");
    host.isUnreadable = false;
    await reconciler.follow(up(withoutPeer));
    expect([sourcesNow(), leaseNow()], `step ${step}`).toEqual([0, leaseMs]);
  }
});

test("a part that fails, on a host that cannot be read, closes the node though nobody was expelled", async () => {
  const said = { sequence: 2, tunnelKey: tunnelOf("peer-2").publicKey };
  const ledger = new Ledger().admit("me").admit("peer");
  const { epoch } = two.membership.state;
  const text = mapText(ledger, "me", [], {
    since: { epoch, generation: 0 },
    entries: [],
    generation: 2,
    advertisements: [advertisementBy("peer", ledger, said)],
  });
  const rekeyed = unwrap(receiveMap(two, JSON.parse(text) as Envelope, nowS)).view;
  expect(rekeyed.membership.root).toBe(two.membership.root);
  for (const step of [0, 2, 4]) {
    host = new FakeHost(bare, tunnelOf("me").publicKey);
    reconciler = new Reconciler(host, clock, silentLog, config);
    await reconciler.reconcile(up(two));
    host.failAfter(step);
    host.isUnreadable = true;
    await reconciler.follow(up(rekeyed));
    expect(leaseNow(), `step ${step}`).toBe(0);
    host.isUnreadable = false;
    await reconciler.reconcile(up(rekeyed));
    expect([sourcesNow(), leaseNow()], `step ${step}`).toEqual([2, leaseMs]);
  }
});

test("an expulsion needs no host that can be read", async () => {
  await reconciler.reconcile(up(two));
  host.isUnreadable = true;
  await reconciler.follow(up(withoutPeer));
  expect([sourcesNow(), leaseNow()]).toEqual([0, leaseMs]);
  expect(host.kernel.device?.peers.size).toBe(0);
});

test("after a fault the next change has the whole host looked at", async () => {
  await reconciler.reconcile(up(two));
  host.isUnreadable = true;
  await reconciler.reconcile(up(two));
  host.isUnreadable = false;
  const { looks } = host;
  await reconciler.follow(up(withThird));
  expect(host.looks).toBeGreaterThan(looks);
  host.isUnreadable = true;
  host.failAfter(0);
  await reconciler.follow(up(withoutPeer));
  host.isUnreadable = false;
  const later = host.looks;
  await reconciler.follow(up(withoutPeer));
  expect(host.looks).toBeGreaterThan(later);
});

test("a whole look is due 30 s after the last, and a second after an expulsion", async () => {
  await reconciler.reconcile(up(two));
  const { device } = host.kernel;
  const [peer] = device?.peers.values() ?? [];
  if (device === null || peer === undefined) throw new Error("there is a peer");
  const heard = { ...peer, lastHandshakeS: clock.wallS };
  host.kernel = { ...host.kernel, device: { ...device, peers: new Map([[peer.key, heard]]) } };
  expect(await reconciler.reconcile(up(two))).toBe(30_000);
  pass(10);
  expect(await reconciler.follow(up(two))).toBe(20_000);
  expect(await reconciler.follow(up(withoutPeer))).toBe(1_000);
});

test("a peer that is gone wakes nobody any more", async () => {
  await reconciler.reconcile(up(two));
  clock.pass(100);
  expect(await reconciler.reconcile(up(withoutPeer))).toBe(30_000);
});
