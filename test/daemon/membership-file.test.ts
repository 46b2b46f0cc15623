/**
 * membership-file, within the state of a node: whatever happens to the disk, what is read is what was
 * acted upon last, or something that was verified after it, or it is refused.
 */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { Fault } from "../../src/base/fault.ts";
import { MembershipFile } from "../../src/daemon/membership-file.ts";
import { NodeState } from "../../src/daemon/node-state.ts";
import type { Membership } from "../../src/membership/membership.ts";
import { ApproverName } from "../../src/model/names.ts";
import { openView, type View } from "../../src/trust/view.ts";
import { FakeDisk, forEachPowerLoss } from "../support/fake-disk.ts";
import { idOf, Ledger, nowS, signerOf } from "../support/world.ts";
import { enrollmentOf, historyOf, random } from "./world.ts";

/** Two changes of who may sign, a checkpoint, more entries, and a second checkpoint with one behind it. */
const ledger = new Ledger()
  .admit("me")
  .decide(
    {
      kind: "add_approver",
      approver: {
        key: signerOf("bob").publicKey,
        name: v.parse(ApproverName, "bob"),
        role: "owner",
      },
    },
    { by: ["approver", "bob"] },
  )
  .decide({ kind: "checkpoint" })
  .admit("peer")
  .decide({ kind: "checkpoint" })
  .admit("third");
const enrollment = enrollmentOf(ledger, "me");
/** Only the names of files: none is made. */
const path = "/state";
const snapshotPath = `${path}/membership.snapshot`;
const logPath = `${path}/membership.log`;

const stateOn = (disk: FakeDisk): NodeState => new NodeState(path, random, disk);

/** The view of a node that has taken a map after so many entries. */
function viewAt(epoch: number): View {
  const membership = ledger.history[epoch];
  if (membership === undefined) throw new Error(`no epoch ${epoch}`);
  const view = openView(idOf("me"), membership);
  return { ...view, generation: epoch, signedAt: nowS, signers: [signerOf("control").publicKey] };
}

/** The files of a node that joined after `joined` entries and took maps up to each of these epochs. */
function filesAfter(joined: number, ...epochs: readonly number[]): Map<string, Uint8Array> {
  const disk = new FakeDisk();
  const state = stateOn(disk);
  state.writeJoined(historyOf(ledger, joined), enrollment);
  let from = joined;
  for (const epoch of epochs) {
    state.writeView(viewAt(epoch), ledger.entries.slice(from, epoch));
    from = epoch;
  }
  return filesOn(disk);
}

const names = [
  "enrollment",
  "genesis",
  "watermark",
  "own",
  "membership.snapshot",
  "membership.log",
];

function filesOn(disk: FakeDisk): Map<string, Uint8Array> {
  return new Map(
    [...names, "advertisements"].flatMap((name) => {
      const bytes = disk.read(`${path}/${name}`);
      return bytes === null ? [] : [[`${path}/${name}`, bytes] as const];
    }),
  );
}

/** What was read before from the very same files: most of a write goes to a file that nobody reads. */
const outcomes = new Map<string, number | string>();

/** The epoch that is believed, or the code of the refusal. Anything read is what the ledger says. */
function read(disk: FakeDisk): number | string {
  const key = [...filesOn(disk)].map(([name, bytes]) => `${name} ${Bun.hash(bytes)}`).join();
  const outcome =
    outcomes.get(key) ?? outcomeOf(() => stateOn(disk).readView(enrollment).membership);
  outcomes.set(key, outcome);
  return outcome;
}

function outcomeOf(readOne: () => Membership): number | string {
  try {
    const { state, root } = readOne();
    expect(ledger.history[state.epoch]?.root).toBe(root);
    return state.epoch;
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}

const sizeOf = (files: ReadonlyMap<string, Uint8Array>, name: string): number =>
  files.get(name)?.length ?? 0;

test("a machine that joins over a checkpoint keeps the snapshot, and what it read goes on from it", () => {
  const disk = new FakeDisk(filesAfter(6));
  const { membership } = stateOn(disk).readView(enrollment);
  expect(membership.root).toBe(ledger.membership.root);
  expect(membership.checkpoint?.state.epoch).toBe(5);
  expect(membership.authority).toHaveLength(1);
});

test("a checkpoint that a map brings becomes the snapshot, and the log begins anew behind it", () => {
  const before = filesAfter(1, 2);
  expect(before.has(snapshotPath)).toBe(false);
  const after = filesAfter(1, 2, 3);
  expect(after.has(snapshotPath)).toBe(true);
  expect(sizeOf(after, logPath)).toBeLessThan(100);
  expect(read(new FakeDisk(after))).toBe(3);
  // The checkpoint in the midst of a map: what is behind it stays in the log.
  const longer = filesAfter(1, 4, 6);
  expect(read(new FakeDisk(longer))).toBe(6);
  expect(sizeOf(longer, logPath)).toBeGreaterThan(500);
  expect(sizeOf(longer, logPath)).toBe(sizeOf(filesAfter(6), logPath));
});

test("a node goes on after a restart as if there had been none", () => {
  const disk = new FakeDisk(filesAfter(1, 3));
  const state = stateOn(disk);
  expect(state.readView(enrollment).membership.state.epoch).toBe(3);
  state.writeView(viewAt(4), ledger.entries.slice(3, 4));
  state.writeView(viewAt(6), ledger.entries.slice(4, 6));
  expect(filesOn(disk)).toEqual(filesAfter(1, 4, 6));
});

/** Every way in which a map may be taken: without a checkpoint, with the first, with a later one. */
const maps = [
  { joined: 1, taken: [2], next: 3 },
  { joined: 1, taken: [2], next: 4 },
  { joined: 3, taken: [], next: 4 },
  { joined: 1, taken: [4], next: 6 },
  { joined: 6, taken: [6], next: 6 },
];

test.each(maps)(
  "killed at any write, nothing acknowledged is lost: %p",
  ({ joined, taken, next }) => {
    const files = filesAfter(joined, ...taken);
    const from = taken.at(-1) ?? joined;
    const seen = new Set<number | string>();
    forEachPowerLoss(
      files,
      (disk) => {
        const state = stateOn(disk);
        state.readView(enrollment);
        state.writeView(viewAt(next), ledger.entries.slice(from, next));
      },
      (after, isDone) => {
        const epoch = read(after);
        seen.add(epoch);
        if (isDone) expect(epoch).toBe(next);
        expect(epoch).toBeGreaterThanOrEqual(from);
        expect(epoch).toBeLessThanOrEqual(next);
      },
    );
    expect(seen).toContain(next);
  },
);

test.each(maps)(
  "after a crash anywhere the next map is taken as usual: %p",
  ({ joined, taken, next }) => {
    const files = filesAfter(joined, ...taken);
    const from = taken.at(-1) ?? joined;
    for (let steps = 0, isDone = false; !isDone; steps++) {
      const disk = new FakeDisk(files, steps);
      try {
        const state = stateOn(disk);
        state.readView(enrollment);
        state.writeView(viewAt(next), ledger.entries.slice(from, next));
        isDone = true;
      } catch {
        // As the medium is when all that was written arrived.
      }
      const left = new FakeDisk(filesOn(disk));
      const state = stateOn(left);
      const { epoch } = state.readView(enrollment).membership.state;
      state.writeView(viewAt(6), ledger.entries.slice(epoch, 6));
      expect(read(left)).toBe(6);
      expect(sizeOf(filesOn(left), logPath), `${steps} steps`).toBe(sizeOf(filesAfter(6), logPath));
    }
  },
);

test("killed at any write while it joins, a machine has joined or has not", () => {
  const seen = new Set<number | string | null>();
  forEachPowerLoss(
    new Map(),
    (disk) => stateOn(disk).writeJoined(historyOf(ledger), enrollment),
    (after, isDone) => {
      const found = stateOn(after).readEnrollment();
      seen.add(found === null ? null : read(after));
      if (isDone) expect(found).toEqual(enrollment);
    },
  );
  expect(seen).toEqual(new Set([null, 6]));
});

test("what was given up stays gone, and a crash on the way leaves no network without its log", () => {
  forEachPowerLoss(
    new Map([...filesAfter(6), [`${path}/identity.key`, new Uint8Array(32)]]),
    (disk) => stateOn(disk).forget(),
    (after, isDone) => {
      if (stateOn(after).readEnrollment() !== null) expect(read(after)).toBe(6);
      if (isDone) expect(filesOn(after).size).toBe(0);
    },
  );
});

const whole = filesAfter(1, 4, 6);
const kept = [...whole.keys()].filter((name) => !name.endsWith("/own"));

/** What is read when this file alone is another one. The two large files are read by themselves. */
function readBent(name: string, bytes: Uint8Array): number | string {
  const disk = new FakeDisk(new Map([...whole, [name, bytes]]));
  return outcomeOf(() => {
    const [genesis] = ledger.history;
    if (name.includes("/membership.") && genesis !== undefined)
      return new MembershipFile(path, disk).read(genesis, {
        epoch: 6,
        root: ledger.membership.root,
      });
    const state = stateOn(disk);
    return state.readView(state.readEnrollment() ?? enrollment).membership;
  });
}

function judgeDamage(name: string, bytes: Uint8Array, label: string): void {
  const outcome = readBent(name, bytes);
  expect(["store_corrupt", "version_unknown", 6], `${name} ${label}`).toContain(outcome);
}

test.each(kept.map((name) => [name.slice(path.length + 1), name]))(
  "%s cut short at any byte is refused, or what was acted upon is there",
  (_, name) => {
    const bytes = whole.get(name) ?? new Uint8Array();
    for (let size = 0; size < bytes.length; size++)
      judgeDamage(name, bytes.subarray(0, size), `${size} bytes`);
  },
);

test.each(kept.map((name) => [name.slice(path.length + 1), name]))(
  "any flipped bit in %s is refused",
  (_, name) => {
    const bytes = whole.get(name) ?? new Uint8Array();
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const bent = bytes.slice();
      bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(typeof readBent(name, bent), `${name} bit ${bit}`).toBe("string");
    }
  },
);

test.each(kept.map((name) => [name.slice(path.length + 1), name]))(
  "bytes behind the end of %s are refused, or cut off",
  (_, name) => {
    const bytes = whole.get(name) ?? new Uint8Array();
    for (let value = 0; value < 256; value++)
      for (const count of [1, 11, 12, 80]) {
        const longer = new Uint8Array(bytes.length + count).fill(value);
        longer.set(bytes);
        judgeDamage(name, longer, `${count} times ${value}`);
      }
  },
);

test("a snapshot that is not there, or is an older or a later one, is refused", () => {
  const older = filesAfter(1, 4).get(snapshotPath) ?? new Uint8Array();
  const later = filesAfter(6, 6).get(snapshotPath) ?? new Uint8Array();
  const early = filesAfter(1, 2);
  const without = new Map(whole);
  without.delete(snapshotPath);
  expect(read(new FakeDisk(without))).toBe("store_corrupt");
  expect(read(new FakeDisk(new Map([...whole, [snapshotPath, older]])))).toBe("store_corrupt");
  expect(read(new FakeDisk(new Map([...early, [snapshotPath, later]])))).toBe("store_corrupt");
});

test("a disk that is full keeps what was acknowledged, and says so", () => {
  const files = filesAfter(1, 4);
  let isTaken = false;
  for (let steps = 0; !isTaken; steps++) {
    const disk = new FullDisk(files, steps);
    const state = stateOn(disk);
    state.readView(enrollment);
    try {
      state.writeView(viewAt(6), ledger.entries.slice(4, 6));
      isTaken = true;
    } catch (error) {
      expect(error).toBeInstanceOf(Fault);
    }
    const { epoch } = state.readView(enrollment).membership.state;
    expect(epoch).toBeGreaterThanOrEqual(4);
    disk.isFull = false;
    state.writeView(viewAt(6), ledger.entries.slice(epoch, 6));
    expect(read(new FakeDisk(filesOn(disk)))).toBe(6);
  }
});

/** Has room for so many writes, until somebody makes more. */
class FullDisk extends FakeDisk {
  isFull = true;
  #writesLeft: number;

  constructor(files: ReadonlyMap<string, Uint8Array>, writes: number) {
    super(files);
    this.#writesLeft = writes;
  }

  override create(name: string) {
    return this.#limited(super.create(name));
  }

  override open(name: string) {
    return this.#limited(super.open(name));
  }

  #limited(file: ReturnType<FakeDisk["open"]>): ReturnType<FakeDisk["open"]> {
    return {
      ...file,
      write: (bytes, offset) => {
        if (this.isFull && this.#writesLeft-- <= 0) {
          // Half of it found room.
          file.write(bytes.subarray(0, bytes.length >> 1), offset);
          throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
        }
        file.write(bytes, offset);
      },
    };
  }
}
