/** advertisement-file: a log that says what is held, whatever was taken, forgotten, cut off or bent. */
import { expect, test } from "bun:test";
import { encodeUtf8 } from "../../src/base/bytes.ts";
import { Fault } from "../../src/base/fault.ts";
import { encodeCanonical } from "../../src/crypto/canonical.ts";
import { AdvertisementFile } from "../../src/daemon/advertisement-file.ts";
import { Trie } from "../../src/membership/trie.ts";
import { openAppendLog } from "../../src/store/append-log.ts";
import { writeStateFile } from "../../src/store/atomic-file.ts";
import type { Disk, OpenFile } from "../../src/store/disk.ts";
import type { Advertised } from "../../src/wire/advertisement.ts";
import { FakeDisk, forEachPowerLoss } from "../support/fake-disk.ts";
import { forEachSeed } from "../support/prng.ts";
import { idOf, Ledger } from "../support/world.ts";
import { advertisedBy } from "./world.ts";

const path = "/state/advertisements";
const ledger = new Ledger();
const labels = ["a", "b", "c", "d"];
type Held = Trie<Advertised>;

/** The same node says something else with each number. */
const taking = (held: Held, label: string, sequence = 1): Held =>
  held.with(idOf(label), advertisedBy(label, ledger, { sequence }));
const all = labels.reduce<Held>((held, label) => taking(held, label), Trie.empty());

const payloadsOf = (held: Held): Set<string> =>
  new Set([...held.values()].map(({ envelope }) => envelope.payload));
/** What a process that starts now would read. */
const readOn = (disk: Disk): Set<string> =>
  new Set(new AdvertisementFile(path, disk).read().map(({ payload }) => payload));
const sizeOn = (disk: Disk): number => disk.read(path)?.length ?? 0;

function written(...states: readonly Held[]): FakeDisk {
  const disk = new FakeDisk();
  const file = new AdvertisementFile(path, disk);
  for (const held of states) file.write(held);
  return disk;
}

const outcome = (disk: Disk): string => {
  try {
    readOn(disk);
    return "read";
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
};

test("before anything was written nothing is held, and nothing is made", () => {
  const disk = new FakeDisk();
  expect(new AdvertisementFile(path, disk).read()).toEqual([]);
  expect(disk.read(path)).toBeNull();
});

test("what was taken, said anew and forgotten is what the next process reads", () => {
  const said = taking(all, "b", 2);
  const gone = said.without(idOf("c"));
  expect(readOn(written(all))).toEqual(payloadsOf(all));
  expect(readOn(written(all, said))).toEqual(payloadsOf(said));
  expect(readOn(written(all, said, gone))).toEqual(payloadsOf(gone));
  expect(readOn(written(all, said, gone, taking(gone, "c", 3)))).toEqual(
    payloadsOf(taking(gone, "c", 3)),
  );
});

test("a change adds what has changed and leaves the rest of the file alone", () => {
  const before = written(all).read(path);
  const after = written(all, taking(all, "b", 2)).read(path);
  const one = sizeOn(written(taking(Trie.empty(), "b")));
  expect(after?.subarray(0, before?.length)).toEqual(before ?? new Uint8Array());
  expect((after?.length ?? 0) - (before?.length ?? 0)).toBeLessThan(one);
});

test("nothing is written when nothing has changed", () => {
  const disk = written(all);
  const file = new AdvertisementFile(path, disk);
  file.write(all);
  const before = disk.read(path);
  file.write(all);
  expect(disk.read(path)).toEqual(before);
});

test("whatever happens, what is read is what is held, and at most half of it is out of date", () => {
  forEachSeed(20, (prng) => {
    const disk = new FakeDisk();
    let file = new AdvertisementFile(path, disk);
    let held: Held = Trie.empty();
    const largest = sizeOn(written(all));
    for (let i = 0; i < 300; i++) {
      const label = prng.pick(labels);
      held = prng.chance(0.7) ? taking(held, label, i) : held.without(idOf(label));
      if (prng.chance(0.02)) file = new AdvertisementFile(path, disk);
      file.write(held);
      if (prng.chance(0.1)) expect(readOn(disk)).toEqual(payloadsOf(held));
      // Twice what is held, and the two hundred statements that any file may have.
      expect(sizeOn(disk)).toBeLessThan((largest / labels.length + 64) * (2 * held.size + 201));
    }
    expect(readOn(disk)).toEqual(payloadsOf(held));
  });
});

test("a file that is half out of date is written anew, and is small again", () => {
  const states = Array.from({ length: 202 }, (_, i) => taking(Trie.empty(), "a", i + 1));
  const last = taking(Trie.empty(), "a", 999);
  expect(sizeOn(written(...states))).toBeGreaterThan(100 * sizeOn(written(last)));
  expect(written(...states, last).read(path)).toEqual(written(last).read(path));
});

const either = (...states: readonly Held[]) => states.map(payloadsOf);

test("a power loss at any step of a change leaves what was or what is to be", () => {
  const next = taking(all, "b", 2).without(idOf("c"));
  const seen = new Set<number>();
  forEachPowerLoss(
    new Map(),
    (disk) => {
      const file = new AdvertisementFile(path, disk);
      file.write(all);
      file.write(next);
    },
    (after, isDone) => {
      const found = readOn(after);
      const known = either(Trie.empty(), all, next).findIndex(
        (state) => state.symmetricDifference(found).size === 0,
      );
      expect(known).toBeGreaterThanOrEqual(isDone ? 2 : 0);
      seen.add(known);
    },
  );
  expect(seen).toEqual(new Set([0, 1, 2]));
});

test("a power loss at any step of writing anew leaves what was or what is to be", () => {
  const before = written(all, taking(all, "a", 2)).read(path) ?? new Uint8Array();
  const held = taking(all, "a", 2);
  const next = taking(held, "d", 2);
  const seen = new Set<number>();
  forEachPowerLoss(
    new Map([[path, before]]),
    (disk) => new AdvertisementFile(path, disk).write(next),
    (after, isDone) => {
      const found = readOn(after);
      const known = either(held, next).findIndex(
        (state) => state.symmetricDifference(found).size === 0,
      );
      expect(known).toBeGreaterThanOrEqual(isDone ? 1 : 0);
      seen.add(known);
    },
  );
  expect(seen).toEqual(new Set([0, 1]));
});

/** A disk on which one change fails, and those before and after it do not. */
function failingOnce(disk: FakeDisk, at: number): Disk {
  let changes = 0;
  const change = <T>(act: () => T): T => {
    if (changes++ === at) throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
    return act();
  };
  const limited = (file: OpenFile): OpenFile => ({
    ...file,
    write: (bytes, offset) => change(() => file.write(bytes, offset)),
    sync: () => change(() => file.sync()),
  });
  return {
    read: (name) => disk.read(name),
    create: (name) => change(() => limited(disk.create(name))),
    open: (name) => limited(disk.open(name)),
    rename: (from, to) => change(() => disk.rename(from, to)),
    link: (from, to) => change(() => disk.link(from, to)),
    remove: (name) => change(() => disk.remove(name)),
    syncDirectory: () => change(() => disk.syncDirectory()),
  };
}

const isFault = (act: () => void): boolean => {
  try {
    act();
    return false;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return true;
  }
};

test("after a fault at any step the next write makes up for it", () => {
  const next = taking(all, "b", 2);
  const last = next.without(idOf("c"));
  for (let at = 0; ; at++) {
    const disk = new FakeDisk();
    const file = new AdvertisementFile(path, failingOnce(disk, at));
    const faults = [all, next].filter((held) => isFault(() => file.write(held)));
    if (faults.length === 0) {
      expect(at).toBeGreaterThan(6);
      return;
    }
    file.write(last);
    expect(readOn(disk), `change ${at}`).toEqual(payloadsOf(last));
  }
});

test("the file that earlier versions wrote is read, and becomes a log with the next change", () => {
  const disk = new FakeDisk();
  const envelopes = [...all.values()].map(({ envelope }) => envelope);
  const format = { kind: "advertisements", version: 1 };
  writeStateFile(path, format, encodeCanonical({ envelopes }), disk);
  const file = new AdvertisementFile(path, disk);
  expect(new Set(file.read().map(({ payload }) => payload))).toEqual(payloadsOf(all));
  const next = taking(all, "b", 2);
  file.write(next);
  expect(openAppendLog(path, format, disk).records).toHaveLength(1);
  expect(readOn(disk)).toEqual(payloadsOf(next));
});

test("any flipped bit is damage, of the log and of the file of earlier versions", () => {
  const one = taking(Trie.empty(), "a");
  const envelopes = [...one.values()].map(({ envelope }) => envelope);
  const old = new FakeDisk();
  writeStateFile(path, { kind: "advertisements", version: 1 }, encodeCanonical({ envelopes }), old);
  for (const disk of [written(one, one.without(idOf("a"))), old]) {
    const whole = disk.read(path) ?? new Uint8Array();
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const bent = whole.slice();
      bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const code = outcome(new FakeDisk(new Map([[path, bent]])));
      expect(code, `bit ${bit}`).toBeOneOf(["store_corrupt", "version_unknown"]);
    }
  }
});

test("a log of another kind, and records that are no statements, are refused", () => {
  for (const [kind, record] of [
    ["membership", "[]"],
    ["advertisements", "{}"],
    ["advertisements", '[{"node":"me"}]'],
    ["advertisements", "[ ]"],
  ] as const) {
    const disk = new FakeDisk();
    openAppendLog(path, { kind, version: 1 }, disk).append(encodeUtf8(record));
    expect(outcome(disk), record).toBe("store_corrupt");
  }
});
