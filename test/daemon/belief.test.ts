import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Belief } from "../../src/daemon/belief.ts";
import { Fault } from "../../src/base/fault.ts";
import { codeOf, idOf, Ledger, nowS, signerOf } from "../support/world.ts";
import { enrollmentOf, HandClock, historyOf, mapText, openDirectory, openState } from "./world.ts";

const holdMs = 3_600_000;
const ledger = new Ledger().admit("me").admit("peer");
const enrollment = enrollmentOf(ledger, "me");

function joined(path: string, clock = new HandClock()) {
  const state = openState(path);
  state.writeJoined(historyOf(ledger, 1), enrollment);
  const belief = new Belief(state, clock, holdMs);
  belief.open(enrollment);
  return { belief, clock };
}

/** As after a restart: from the disk alone. */
function reopened(path: string, clock: HandClock): Belief {
  const state = openState(path);
  const belief = new Belief(state, clock, holdMs);
  belief.open(enrollmentOf(ledger, "me"));
  return belief;
}

const snapshotOf = (path: string) =>
  readdirSync(path)
    .sort()
    .map((name) => [name, readFileSync(join(path, name)).toString("hex")]);

test("what was believed is believed again after a restart, and no longer than before", () => {
  using directory = openDirectory();
  const { belief, clock } = joined(directory.path);
  expect(codeOf(belief.receive(mapText(ledger, "me", ["peer"])))).toBe("accepted");
  clock.pass(600);
  const again = reopened(directory.path, clock);
  expect(again.view?.generation).toBe(1);
  expect(again.view?.membership.root).toBe(ledger.membership.root);
  expect(again.view?.advertisements.has(idOf("peer"))).toBe(true);
  expect(again.leaseMs()).toBe(holdMs - 600_000);
  expect(belief.leaseMs()).toBe(holdMs - 600_000);
});

test("whose count a generation is outlives a restart, so that the quorum can end a stolen key's", () => {
  using directory = openDirectory();
  const { belief, clock } = joined(directory.path);
  belief.receive(mapText(ledger, "me", ["peer"], { generation: 2 ** 48 }));
  const { publicKey: key } = signerOf("control");
  const { publicKey: other } = signerOf("control-2");
  const grown = new Ledger()
    .admit("me")
    .admit("peer")
    .decide({ kind: "add_control_key", key: other });

  const bound = reopened(directory.path, clock);
  expect(bound.view).toMatchObject({ generation: 2 ** 48, signers: [key] });
  const early = mapText(grown, "me", [], { generation: 2 }, ["control-2"]);
  expect(codeOf(bound.receive(early))).toBe("map_older");
  grown.decide({ kind: "revoke_control_key", key });
  const freeing = mapText(grown, "me", [], { generation: 2 }, ["control-2"]);
  expect(codeOf(bound.receive(freeing))).toBe("accepted");
  expect(reopened(directory.path, clock).view).toMatchObject({ generation: 2, signers: [other] });
});

test("a node that has heard no map yet is held for no time at all", () => {
  using directory = openDirectory();
  expect(joined(directory.path).belief.leaseMs()).toBe(0);
});

test("a refused map changes neither the view nor a byte on disk", () => {
  using directory = openDirectory();
  const { belief } = joined(directory.path);
  belief.receive(mapText(ledger, "me", ["peer"], { generation: 5 }));
  const [view, bytes] = [belief.view, snapshotOf(directory.path)];
  const refused = [
    ["not json", "not_an_envelope"],
    ["{}", "not_an_envelope"],
    [`${mapText(ledger, "me", [], { generation: 6 })}${" ".repeat(2 << 20)}`, "not_an_envelope"],
    [mapText(ledger, "me", [], { generation: 4 }), "map_older"],
    [mapText(ledger, "peer", [], { generation: 6 }), "audience_mismatch"],
    [mapText(ledger, "me", [], { generation: 6, signedAt: nowS + 91 }), "map_from_future"],
  ] as const;
  for (const [text, code] of refused) expect(codeOf(belief.receive(text))).toBe(code);
  expect(belief.view).toBe(view);
  expect(snapshotOf(directory.path)).toEqual(bytes);
});

test("setting the wall clock back buys no time", () => {
  using directory = openDirectory();
  const { belief, clock } = joined(directory.path);
  belief.receive(mapText(ledger, "me", []));
  clock.pass(3_000);
  clock.wallS = nowS - 86_400;
  expect(belief.leaseMs()).toBe(600_000);
  clock.ms += 600_000;
  expect(belief.leaseMs()).toBe(0);
});

test("with a clock that is behind what was seen, a restart believes nothing in force", () => {
  using directory = openDirectory();
  const { belief, clock } = joined(directory.path);
  belief.receive(mapText(ledger, "me", ["peer"]));
  clock.wallS = 0;
  const again = reopened(directory.path, clock);
  expect(again.leaseMs()).toBe(0);
  // What is known stays known, so that nothing older is taken when the clock is right again.
  expect(again.view?.advertisements.has(idOf("peer"))).toBe(true);
});

test("a crash after the log was written and before the rest loses nothing and believes nothing more", () => {
  using directory = openDirectory();
  const { belief, clock } = joined(directory.path);
  belief.receive(mapText(ledger, "me", []));
  const watermark = readFileSync(join(directory.path, "watermark"));
  ledgerGrown(belief);
  writeFileSync(join(directory.path, "watermark"), watermark);
  const again = reopened(directory.path, clock);
  expect(again.view?.membership.state.epoch).toBe(3);
  expect(again.view?.generation).toBe(1);
});

function ledgerGrown(belief: Belief): void {
  const grown = new Ledger().admit("me").admit("peer").admit("third");
  const since = { epoch: 2, generation: 1 };
  const map = mapText(grown, "me", [], { generation: 2, since, entries: grown.entries.slice(2) });
  expect(codeOf(belief.receive(map))).toBe("accepted");
}

test("a log that ends before what was acted upon is refused", () => {
  using directory = openDirectory();
  const { belief, clock } = joined(directory.path);
  const before = readFileSync(join(directory.path, "membership.log"));
  belief.receive(mapText(ledger, "me", []));
  writeFileSync(join(directory.path, "membership.log"), before);
  expect(() => reopened(directory.path, clock)).toThrow(
    expect.objectContaining({ name: "Fault", code: "store_corrupt" }),
  );
});

test("a valid log of the same network that is not the one acted upon is refused", () => {
  using directory = openDirectory();
  const { belief, clock } = joined(directory.path);
  belief.receive(mapText(ledger, "me", []));
  using other = openDirectory();
  const forked = new Ledger().admit("me").admit("third");
  openState(other.path).writeJoined(historyOf(forked), enrollment);
  const log = readFileSync(join(other.path, "membership.log"));
  writeFileSync(join(directory.path, "membership.log"), log);
  expect(() => reopened(directory.path, clock)).toThrow(/leads elsewhere/);
});

test.each(["genesis", "enrollment", "watermark", "membership.log", "advertisements"])(
  "one flipped bit in %s and the state is refused as a whole",
  (name) => {
    using directory = openDirectory();
    const { belief, clock } = joined(directory.path);
    belief.receive(mapText(ledger, "me", ["peer"]));
    const path = join(directory.path, name);
    const bytes = readFileSync(path);
    bytes[bytes.length - 2] = (bytes.at(-2) ?? 0) ^ 1;
    writeFileSync(path, bytes);
    expect(() => {
      const state = openState(directory.path);
      const found = state.readEnrollment();
      if (found === null) throw new Error("there is an enrollment");
      new Belief(state, clock, holdMs).open(found);
    }).toThrow(Fault);
  },
);

test("an attempt to join that was cut off does not get into the log of the next", () => {
  using directory = openDirectory();
  joined(directory.path);
  rmSync(join(directory.path, "enrollment"));
  const { belief } = joined(directory.path);
  expect(belief.view?.membership.state.epoch).toBe(1);
});

/** Makes the disk refuse to write this file, for as long as it is in use. */
function blocked(directory: string, file: string): Disposable {
  const path = join(directory, `${file}.new`);
  mkdirSync(path);
  return { [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

test.each(["watermark", "advertisements"])(
  "entries that were kept before the %s could not be are neither lost nor kept twice",
  (file) => {
    using directory = openDirectory();
    const { belief, clock } = joined(directory.path);
    const text = mapText(ledger, "me", ["peer"]);
    {
      using _full = blocked(directory.path, file);
      expect(() => belief.receive(text)).toThrow(Fault);
      expect(belief.view?.membership.root).toBe(ledger.membership.root);
      expect(belief.view?.generation).toBe(0);
    }
    expect(codeOf(belief.receive(text))).toBe("accepted");
    expect(reopened(directory.path, clock).view?.membership.root).toBe(ledger.membership.root);
  },
);

test("a newer log that cannot be kept ends what is in force; a heartbeat that cannot does not", () => {
  using directory = openDirectory();
  const { belief, clock } = joined(directory.path);
  belief.receive(mapText(ledger, "me", ["peer"]));
  clock.pass(60);
  {
    using _full = blocked(directory.path, "watermark");
    const heartbeat = mapText(ledger, "me", [], { signedAt: nowS + 60 });
    expect(() => belief.receive(heartbeat)).toThrow(Fault);
    expect(belief.leaseMs()).toBe(holdMs - 60_000);
  }
  const revoked = new Ledger().admit("me").admit("peer").revoke("peer");
  const text = mapText(revoked, "me", [], { generation: 2, signedAt: nowS + 60 });
  const log = join(directory.path, "membership.log");
  const bytes = readFileSync(log);
  writeFileSync(log, Buffer.concat([bytes, Buffer.alloc(1)]));
  expect(() => belief.receive(text), "the log is as somebody else left it").toThrow(Fault);
  expect(belief.leaseMs()).toBe(0);
  expect(codeOf(belief.receive(text))).toBe("accepted");
  expect(belief.leaseMs()).toBe(holdMs);
});
