/** view: over random worlds, what it holds is what was said, whoever carried it and in what order. */
import { expect, test } from "bun:test";
import type { CanonicalValue } from "../../src/crypto/canonical.ts";
import type { Envelope } from "../../src/crypto/envelope.ts";
import { receiveMap, type View } from "../../src/trust/view.ts";
import type { Map as MapPayload } from "../../src/wire/map.ts";
import {
  heldBy,
  Mailbox,
  newcomer,
  sealAdvertisement,
  sealMap,
  taken,
  written,
} from "../support/mailbox.ts";
import { forEachSeed, type Prng } from "../support/prng.ts";
import { codeOf, idOf, Ledger, nowS, tunnelOf } from "../support/world.ts";

const labels = ["alice", "bob", "carol", "dora", "emil"] as const;

/** alice is the one who listens. The others come, speak, change their names and keys, and go. */
class World {
  readonly mailbox = new Mailbox(new Ledger().admit("alice"));
  readonly said: Envelope[] = [];
  #changes = 0;

  change(prng: Prng): void {
    const { ledger } = this.mailbox;
    const label = prng.pick(labels);
    const node = ledger.membership.state.nodes.get(idOf(label));
    this.#changes++;
    if (node === undefined) ledger.admit(label);
    else if (node.status === "active" && prng.chance(0.7)) this.#speak(prng, label);
    else if (node.status === "active" && prng.chance(0.4))
      ledger.rename(label, `n${this.#changes}`);
    else if (node.status === "active" && label !== "alice") ledger.revoke(label);
  }

  #speak(prng: Prng, label: string): void {
    const tunnelKey = tunnelOf(prng.chance(0.3) ? `${label}-${this.#changes}` : label).publicKey;
    this.said.push(this.mailbox.say(label, { tunnelKey, os: `n${this.#changes}` }));
  }
}

test("many small maps lead where one large one leads", () => {
  forEachSeed(20, (prng) => {
    const world = new World();
    const { mailbox } = world;
    let followed = newcomer("alice", mailbox.ledger);
    for (let round = 0; round < 5; round++) {
      for (let i = prng.integer(6); i > 0; i--) world.change(prng);
      const whole = taken(newcomer("alice", mailbox.ledger), mailbox.map("alice"));
      const chunks = mailbox.chunks("alice", heldBy(followed), 1 + prng.integer(4));
      followed = taken(followed, ...chunks);
      expect(written(followed)).toEqual(written(whole));
    }
  });
});

test("a delivery that breaks off is taken up where the node says that it stands", () => {
  forEachSeed(20, (prng) => {
    const world = new World();
    const { mailbox } = world;
    for (let i = 0; i < 15; i++) world.change(prng);
    let view = newcomer("alice", mailbox.ledger);
    for (let attempt = 0; attempt < 4; attempt++) {
      const chunks = mailbox.chunks("alice", heldBy(view), 2);
      view = taken(view, ...chunks.slice(0, prng.integer(chunks.length)));
    }
    view = taken(view, ...mailbox.chunks("alice", heldBy(view), 2));
    const whole = taken(newcomer("alice", mailbox.ledger), mailbox.map("alice"));
    expect(written(view)).toEqual(written(whole));
  });
});

test("maps that arrive out of order, twice or not at all never lead anywhere else", () => {
  forEachSeed(20, (prng) => {
    const world = new World();
    const { mailbox } = world;
    const maps: MapPayload[] = [];
    let honest = newcomer("alice", mailbox.ledger);
    for (let i = 0; i < 8; i++) {
      world.change(prng);
      const map = mailbox.map("alice", heldBy(honest), { signedAt: nowS - 60 + i });
      maps.push(map);
      honest = taken(honest, map);
    }
    let view = newcomer("alice", mailbox.ledger);
    for (let i = 0; i < 20; i++) {
      const result = receiveMap(view, sealMap(prng.pick(maps)), nowS);
      if (result.ok) view = result.value.view;
    }
    for (const map of maps.slice(-1)) {
      const { generation, membership } = view;
      const epoch = membership.state.epoch;
      const isNext = map.since.epoch <= epoch && map.since.generation <= generation;
      const outcome = receiveMap(view, sealMap(map), nowS);
      expect(codeOf(outcome)).toBe(isNext ? "accepted" : "map_has_gap");
      if (outcome.ok) expect(written(outcome.value.view)).toEqual(written(honest));
    }
  });
});

/** What somebody with the control key, and every statement ever made, could put into a map. */
function lie(prng: Prng, world: World, view: View): CanonicalValue {
  const { ledger } = world.mailbox;
  const honest = world.mailbox.map("alice", heldBy(view));
  const from = prng.integer(ledger.entries.length + 1);
  const at = prng.integer(ledger.history.length);
  const forged = () =>
    sealAdvertisement(world.mailbox.word(prng.pick(labels), { sequence: 99 }), [
      prng.pick([...labels, "control", "mallory"]),
    ]);
  const lies: Partial<Record<keyof MapPayload, () => unknown>> = {
    generation: () => view.generation + prng.integer(3) - 1,
    signedAt: () => nowS + prng.integer(240) - 60,
    since: () => ({ epoch: prng.integer(9), generation: prng.integer(9) }),
    head: () => ({ epoch: at, root: ledger.history[at]?.root }),
    entries: () => ledger.entries.slice(from, from + prng.integer(4)),
    advertisements: () =>
      Array.from({ length: prng.integer(4) }, () =>
        world.said.length > 0 && prng.chance(0.8) ? prng.pick(world.said) : forged(),
      ),
    presence: () => [{ node: idOf(prng.pick(labels)), state: "online", since: 1 }],
  };
  const told = Object.entries(lies).filter(() => prng.chance(0.3));
  return {
    ...honest,
    ...Object.fromEntries(told.map(([field, make]) => [field, make()])),
  };
}

function expectFounded(view: View, world: World): void {
  const { ledger } = world.mailbox;
  const { membership, advertisements, nodeByTunnelKey } = view;
  expect(membership.root).toBe(
    ledger.history[membership.state.epoch]?.root as typeof membership.root,
  );
  const genuine = new Set(world.said.map(({ payload }) => payload));
  for (const { envelope, advertisement } of advertisements.values()) {
    expect(genuine.has(envelope.payload) || isOwnWord(advertisement.sequence)).toBe(true);
    const node = membership.state.nodes.get(advertisement.node);
    expect(envelope.signatures.map(({ keyid }) => keyid)).toEqual(node ? [node.key] : []);
    expect(node?.status).toBe("active");
    expect(nodeByTunnelKey.get(advertisement.tunnelKey)).toBe(advertisement.node);
  }
  expect(nodeByTunnelKey.size).toBe(advertisements.size);
}

// Among the forgeries are some that their node did sign: those may be believed.
const isOwnWord = (sequence: number): boolean => sequence === 99;

function expectForward(before: View, after: View): void {
  expect(after.generation).toBeGreaterThanOrEqual(before.generation);
  expect(after.signedAt).toBeGreaterThanOrEqual(before.signedAt);
  expect(after.membership.state.epoch).toBeGreaterThanOrEqual(before.membership.state.epoch);
  for (const { advertisement } of before.advertisements.values()) {
    const { node, sequence } = advertisement;
    const next = after.advertisements.get(node)?.advertisement.sequence;
    const isGone = after.membership.state.nodes.get(node)?.status !== "active";
    if (isGone) expect(next).toBeUndefined();
    else expect(next).toBeGreaterThanOrEqual(sequence);
  }
}

test("with the control key stolen, nothing is believed that its own key did not sign", () => {
  let takenCount = 0;
  forEachSeed(20, (prng) => {
    const world = new World();
    let view = newcomer("alice", world.mailbox.ledger);
    for (let i = 0; i < 25; i++) {
      if (prng.chance(0.5)) world.change(prng);
      const before = written(view);
      const result = receiveMap(view, sealMap(lie(prng, world, view)), nowS);
      expect(written(view)).toEqual(before);
      if (!result.ok) continue;
      takenCount++;
      expectFounded(result.value.view, world);
      expectForward(view, result.value.view);
      view = result.value.view;
    }
  });
  // Were nearly everything refused, this would prove little.
  expect(takenCount).toBeGreaterThan(20 * 3);
});
