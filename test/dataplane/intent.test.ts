/** intent: who becomes a peer, which prefixes are whose, and who may open a flow to this host. */
import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import type { Wanted } from "../../src/dataplane/host-state.ts";
import { intend, type Reachable } from "../../src/dataplane/intent.ts";
import { isEmpty, plan } from "../../src/dataplane/plan.ts";
import { type State, withNode } from "../../src/membership/state.ts";
import { type NodeId, PolicyHash } from "../../src/model/ids.ts";
import { Endpoint, familyOf } from "../../src/model/ip.ts";
import { FakeHost } from "../support/fake-host.ts";
import { config, ownKey } from "../support/random-host.ts";
import { idOf, Ledger, recordOf, tunnelOf } from "../support/world.ts";

const ledger = new Ledger()
  .admit("self", { owner: "alice" })
  .admit("web", { owner: "alice" })
  .admit("tv", { owner: "bob" })
  .admit("old", { owner: "alice" })
  .revoke("old");
const sick = recordOf(ledger.membership, "sick", { owner: "alice", status: "quarantined" });
const state: State = withNode(ledger.membership.state, sick);
const nodeOf = (label: string) => {
  const node = state.nodes.get(idOf(label));
  if (node === undefined) throw new Error(`${label} is a node`);
  return node;
};

const shown = (label: string, key = label): Reachable => ({
  node: idOf(label),
  tunnelKey: tunnelOf(key).publicKey,
});
const everybody = ["self", "web", "tv", "old", "sick", "stranger"].map((label) => shown(label));
const terms = { config, leaseMs: 60_000, ownKey, awaited: new Set<NodeId>() };

function wantedOf(reachable: readonly Reachable[], from: State = state): Wanted {
  const wanted = intend(from, idOf("self"), reachable, new Map(), terms);
  if (wanted === null) throw new Error("self is a member");
  return wanted;
}

const peersOf = ({ peers }: Wanted): readonly string[] => [...peers.keys()];
const keyOf = (label: string) => tunnelOf(label).publicKey;

describe("of everybody who shows a key, only the active nodes of the same owner count:", () => {
  const wanted = wantedOf(everybody);

  test("they are the peers", () => {
    expect(peersOf(wanted)).toEqual([keyOf("web")]);
  });

  test("their two addresses are their prefixes, whole and nothing more", () => {
    const { ipv4, ipv6 } = nodeOf("web");
    expect([...wanted.owners] as unknown).toEqual([
      [`${ipv4}/32`, keyOf("web")],
      [`${ipv6}/128`, keyOf("web")],
    ]);
  });

  test("one who is to make the first move is a peer like the others, and sent nothing unasked", () => {
    const awaited = new Set([idOf("web")]);
    const patient = intend(state, idOf("self"), everybody, new Map(), { ...terms, awaited });
    const [peer] = patient?.peers.values() ?? [];
    expect(peer).toMatchObject({ key: keyOf("web"), keepaliveS: 0 });
    expect(patient?.filter).toEqual(wanted.filter);
  });

  test("they are let in, by both addresses", () => {
    const { ipv4, ipv6 } = nodeOf("web");
    expect([...wanted.filter.sources]).toEqual([ipv4, ipv6]);
  });
});

test.each(["self", "tv", "old", "sick", "stranger"])("%s alone makes no peer", (label) => {
  const wanted = wantedOf([shown(label)]);
  expect([wanted.peers.size, wanted.owners.size, wanted.filter.sources.size]).toEqual([0, 0, 0]);
});

test("a member that has shown no key is no peer, whatever policy says", () => {
  expect(wantedOf([]).peers.size).toBe(0);
});

test("whoever shows this host's own key is left out, and the others are not", () => {
  const thief: Reachable = { node: idOf("web"), tunnelKey: ownKey };
  expect(wantedOf([thief]).owners.size).toBe(0);
  const more = new Ledger()
    .admit("self", { owner: "alice" })
    .admit("web", { owner: "alice" })
    .admit("db", { owner: "alice" });
  const wanted = wantedOf([thief, shown("db")], more.membership.state);
  expect(peersOf(wanted)).toEqual([keyOf("db")]);
  expect(wanted.filter.sources.size).toBe(2);
});

test("the host has its own two addresses, and the filter guards the same two", () => {
  const wanted = wantedOf(everybody);
  const { ipv4, ipv6 } = nodeOf("self");
  expect([...wanted.addresses]).toEqual([ipv4, ipv6]);
  expect(wanted.filter.addresses).toBe(wanted.addresses);
  expect(wanted.filter.interface).toBe(config.interface);
});

test("the routes are the whole ranges, of both families", () => {
  const { routes } = wantedOf([]);
  expect([...routes]).toEqual([state.ranges.ipv4, state.ranges.ipv6]);
  expect([...routes].map(familyOf)).toEqual([4, 6]);
});

test("an endpoint is said where one is known, and keep-alives go to every peer", () => {
  const endpoint = v.parse(Endpoint, "192.0.2.7:51820");
  const endpoints = new Map([[idOf("web"), endpoint]]);
  const known = intend(state, idOf("self"), [shown("web")], endpoints, terms);
  const key = keyOf("web");
  expect([...(known?.peers.values() ?? [])]).toEqual([{ key, endpoint, keepaliveS: 25 }]);
  expect([...wantedOf([shown("web")]).peers.values()]).toEqual([
    { key, endpoint: null, keepaliveS: 25 },
  ]);
});

test.each(["old", "sick", "stranger"])(
  "for %s, who is no active member, nothing is wanted",
  (me) => {
    expect(intend(state, idOf(me), everybody, new Map(), terms)).toBeNull();
  },
);

test("under a policy document that is not there nobody is a peer", () => {
  const hash = v.parse(PolicyHash, "ab".repeat(32));
  const wanted = wantedOf(everybody, { ...state, policy: { kind: "document", hash } });
  expect(wanted.peers.size + wanted.filter.sources.size).toBe(0);
  expect(wanted.addresses.size).toBe(2);
});

test("the lease is passed on", () => {
  expect(intend(state, idOf("self"), [], new Map(), { ...terms, leaseMs: 0 })?.leaseMs).toBe(0);
});

test("from a revocation to a host that has cut the node off", async () => {
  const host = new FakeHost(
    {
      link: "absent",
      device: null,
      isAdopted: false,
      addresses: new Set(),
      routes: new Set(),
      filter: { kind: "absent" },
    },
    ownKey,
  );
  const settle = async (from: State): Promise<void> => {
    for (;;) {
      const steps = plan(wantedOf(everybody, from), await host.observe());
      if (isEmpty(steps)) return;
      for (const step of [...steps.withdraw, ...steps.grant]) await host.perform(step);
    }
  };
  await settle(state);
  expect(host.kernel.device?.peers.has(keyOf("web"))).toBe(true);
  const web = { ...nodeOf("web"), status: "revoked" } as const;
  await settle(withNode(state, web));
  expect([host.kernel.device?.peers.size, host.kernel.device?.owners.size]).toEqual([0, 0]);
  expect(host.kernel.filter).toMatchObject({ filter: { sources: new Set() } });
});
