/** map-since: what a node is told is what it lacks, in order, no more than policy shows it. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { encodeUtf8 } from "../../src/base/bytes.ts";
import { mapPayload, sealMap } from "../../src/control/map-text.ts";
import { mapSince } from "../../src/control/map-since.ts";
import { encodeCanonical } from "../../src/crypto/canonical.ts";
import { Envelope, openEnvelope } from "../../src/crypto/envelope.ts";
import { append, found } from "../../src/membership/membership.ts";
import { openAdvertisement } from "../../src/wire/advertisement.ts";
import {
  type Held,
  Map as PeerMap,
  mapItemsMax,
  mapSizeMaxBytes,
  mapType,
} from "../../src/wire/map.ts";
import { LiveNetwork } from "../support/network.ts";
import { Prng } from "../support/prng.ts";
import { idOf, Ledger, nowS, signerOf, unwrap } from "../support/world.ts";

const nothing: Held = { epoch: 0, generation: 0 };
const control = signerOf("control");

/** The map as its receiver reads it. */
function mapOf(live: LiveNetwork, held: Held, audience: string): { map: PeerMap; isLast: boolean } {
  const part = mapSince(live.network, held, idOf(audience), nowS);
  const { network } = live.network.state;
  const terms = { network, audience: idOf(audience), signedAt: nowS, presence: [] };
  const text = sealMap(mapPayload(part, terms), control);
  const envelope = v.parse(Envelope, JSON.parse(text));
  const opened = unwrap(openEnvelope(envelope, mapType));
  expect([...opened.signers]).toEqual([control.publicKey]);
  return { map: v.parse(PeerMap, opened.value), isLast: part.isLast };
}

/** Follows the maps from what is held to the end, verifying like a node. */
function follow(live: LiveNetwork, audience: string, held: Held = nothing) {
  const { ledger, network } = live;
  let membership = ledger.history[held.epoch] ?? unwrap(found(ledger.genesis, ledger.genesisRoot));
  const told = new Map<string, number>();
  let parts = 0;
  for (;;) {
    const { map, isLast } = mapOf(live, held, audience);
    expect(map.since).toEqual(held);
    for (const entry of map.entries) membership = unwrap(append(membership, entry, nowS));
    expect(map.head).toEqual({ epoch: membership.state.epoch, root: membership.root });
    for (const envelope of map.advertisements) {
      const { advertisement } = unwrap(openAdvertisement(envelope, membership.state, nowS));
      told.set(advertisement.node, advertisement.sequence);
    }
    held = { epoch: map.head.epoch, generation: map.generation };
    parts += 1;
    if (isLast) break;
  }
  expect(held).toEqual({ epoch: network.state.epoch, generation: network.generation });
  return { told, parts };
}

const labels = (count: number) => Array.from({ length: count }, (_, i) => `n${i + 1}`);

test("the payload is canonical, although it is put together from pieces", () => {
  const live = new LiveNetwork().admit("n1").admit("n2").advertise("n2");
  const { map } = mapOf(live, nothing, "n1");
  const part = mapSince(live.network, nothing, idOf("n1"), nowS);
  const { network } = live.network.state;
  const text = mapPayload(part, { network, audience: idOf("n1"), signedAt: nowS, presence: [] });
  expect(encodeUtf8(text)).toEqual(encodeCanonical(map));
});

test("a new node is told the whole log, and what its own owner's nodes say", () => {
  const live = new LiveNetwork().admit("n1").admit("n2").admit("n3", "bob");
  live.advertise("n1").advertise("n2").advertise("n3");
  expect([...follow(live, "n1").told.keys()]).toEqual([idOf("n2")]);
  expect([...follow(live, "n3").told.keys()]).toEqual([]);
});

test("a node that holds everything is told nothing, in a map that says so", () => {
  const live = new LiveNetwork().admit("n1").admit("n2").advertise("n2");
  const { epoch } = live.network.state;
  const { generation } = live.network;
  const { map, isLast } = mapOf(live, { epoch, generation }, "n1");
  expect([map.entries, map.advertisements, isLast]).toEqual([[], [], true]);
  expect(map.generation).toBe(generation);
});

test("a change is told once, and only the last word of each node", () => {
  const live = new LiveNetwork().admit("n1").admit("n2").advertise("n2");
  const held = { epoch: live.network.state.epoch, generation: live.network.generation };
  live.advertise("n2").advertise("n2");
  const { map } = mapOf(live, held, "n1");
  expect(map.advertisements).toHaveLength(1);
  expect(follow(live, "n1", held).told.get(idOf("n2"))).toBe(3);
});

test("an expelled node is told of by the log, and nothing it said any more", () => {
  const live = new LiveNetwork().admit("n1").admit("n2").advertise("n2").revoke("n2");
  expect(follow(live, "n1").told.size).toBe(0);
  live.advertise("n1");
  expect(follow(live, "n2").told.size).toBe(0);
});

test("what has run out is not told", () => {
  const live = new LiveNetwork().admit("n1").admit("n2").advertise("n2", { expiresAt: nowS });
  expect(follow(live, "n1").told.size).toBe(0);
});

test("a long log and many advertisements come in parts that fit, and leave nothing out", () => {
  const names = labels(mapItemsMax + 20);
  const live = new LiveNetwork();
  for (const name of names) live.admit(name).advertise(name);
  const { told, parts } = follow(live, "n1");
  expect(told.size).toBe(names.length - 1);
  expect(parts).toBe(3);
});

test("large advertisements are parted by size before they are by number", () => {
  const live = new LiveNetwork();
  const names = labels(mapItemsMax);
  const endpoints = Array.from(
    { length: 16 },
    (_, i) => `[2001:db8:1234:5678:9abc:def0:1234:${(i + 0x1000).toString(16)}]:51820`,
  );
  const routes = Array.from({ length: 64 }, (_, i) => `2001:db8:1234:5678:9abc:${i + 1000}::/96`);
  for (const name of names) {
    live.admit(name);
    live.advertise(name, { endpoints, routes } as never);
  }
  const { told, parts } = follow(live, "n1");
  expect(told.size).toBe(names.length - 1);
  // By number alone all of it would fit into one.
  expect(parts).toBeGreaterThan(1);
  const { map } = mapOf(live, nothing, "n1");
  expect(encodeCanonical(map).length).toBeLessThanOrEqual(mapSizeMaxBytes);
});

test("from wherever a node resumes, in whatever history, it ends up knowing the same", () => {
  const prng = new Prng(7);
  const live = new LiveNetwork(new Ledger());
  const names: string[] = [];
  const positions: Held[] = [nothing];
  for (let step = 0; step < 120; step++) {
    if (names.length < 3 || prng.chance(0.3)) {
      const name = `n${names.length + 1}`;
      live.admit(name, prng.pick(["alice", "bob"]));
      names.push(name);
    } else if (prng.chance(0.05) && names.length > 4) {
      const name = prng.pick(names.slice(2));
      if (live.network.state.nodes.get(idOf(name))?.status === "active") live.revoke(name);
    } else {
      const name = prng.pick(names);
      if (live.network.state.nodes.get(idOf(name))?.status === "active") live.advertise(name);
    }
    positions.push({ epoch: live.network.state.epoch, generation: live.network.generation });
  }
  const [viewer = ""] = names;
  const whole = follow(live, viewer).told;
  for (const held of positions) {
    const resumed = follow(live, viewer, held).told;
    for (const [node, sequence] of resumed) expect(whole.get(node)).toBe(sequence);
    for (const [node, sequence] of whole) {
      const item = live.network.advertised(node as never);
      if ((item?.generation ?? 0) > held.generation) expect(resumed.get(node)).toBe(sequence);
    }
  }
});
