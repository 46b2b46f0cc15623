import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { concatBytes, encodeUtf8 } from "../../src/base/bytes.ts";
import { Fault } from "../../src/base/fault.ts";
import { openAppendLog, recordMaxBytes } from "../../src/store/append-log.ts";
import type { Disk } from "../../src/store/disk.ts";
import { FakeDisk, forEachPowerLoss } from "../support/fake-disk.ts";

const path = "/state/membership";
const format = { kind: "membership", version: 1 };
const texts = ["genesis", "add a node", "", "revoke it"];
const line = "rustynet-log 1 membership 1\n";

function written(records: readonly string[], as = format): Uint8Array {
  const disk = new FakeDisk();
  const log = openAppendLog(path, as, disk);
  for (const record of records) log.append(encodeUtf8(record));
  return disk.read(path) ?? new Uint8Array();
}

const diskOf = (bytes: Uint8Array): FakeDisk => new FakeDisk(new Map([[path, bytes]]));

function recordsOn(disk: Disk): string[] {
  return openAppendLog(path, format, disk).records.map((record) => Buffer.from(record).toString());
}

/** The records, or the code of the refusal. */
function outcome(bytes: Uint8Array): string[] | string {
  try {
    return recordsOn(diskOf(bytes));
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}

const whole = written(texts);
/** Where each record ends; the first entry is where the line does. */
const ends = texts.reduce(
  (all, text) => [...all, (all.at(-1) ?? 0) + 44 + text.length],
  [line.length],
);

test("records come back in order, across closing and opening", () => {
  const disk = new FakeDisk();
  for (const [i, text] of texts.entries()) {
    const log = openAppendLog(path, format, disk);
    expect(log.records).toHaveLength(i);
    expect(log.truncatedTail).toBe(0);
    log.append(encodeUtf8(text));
    log.close();
  }
  expect(recordsOn(disk)).toEqual(texts);
});

test("the file is what it was when version 1 was fixed", () => {
  const fields = [
    encodeUtf8(line).toHex(),
    "00000001", // size
    "2ae0da10b1fbea7e", // head check
    "61", // payload
    "700a7e1290ac3b5e73d8c6fddea7af45d4d30a304dc934435aa447eace899f67", // link
  ];
  expect(written(["a"]).toHex()).toBe(fields.join(""));
});

test("a log cut short at any byte keeps its whole records, or is refused if its line is cut", () => {
  for (let size = 0; size < whole.length; size++) {
    const kept = ends.filter((end) => end <= size).length - 1;
    const expected = kept < 0 ? "store_corrupt" : texts.slice(0, kept);
    expect(outcome(whole.subarray(0, size)), `${size} bytes`).toEqual(expected);
  }
});

test("any flipped bit of a whole log is damage, in the last record too", () => {
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const bent = whole.slice();
    bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(outcome(bent), `bit ${bit}`).toBeOneOf(["store_corrupt", "version_unknown"]);
  }
});

test("a flipped bit before a torn tail is still damage", () => {
  const torn = whole.subarray(0, whole.length - 5);
  const lastWhole = ends.at(-2) ?? 0;
  for (let at = line.length; at < lastWhole; at++) {
    const bent = torn.slice();
    bent[at] = (bent[at] ?? 0) ^ 0x10;
    expect(outcome(bent), `byte ${at}`).toBe("store_corrupt");
  }
});

test("bytes added after the end are never read as a record", () => {
  for (let byte = 0; byte < 256; byte++) {
    expect(outcome(Uint8Array.of(...whole, byte))).toEqual(texts);
    expect(outcome(concatBytes(whole, new Uint8Array(64).fill(byte)))).toBe("store_corrupt");
  }
});

test("records dropped, repeated, exchanged or taken from another log are damage", () => {
  const part = (i: number) => whole.subarray(ends[i], ends[i + 1]);
  const head = whole.subarray(0, line.length);
  const other = written(["another genesis", "add a node"]);
  const bent = {
    dropped: concatBytes(head, part(0), part(2), part(3)),
    dropped_first: concatBytes(head, part(1), part(2), part(3)),
    repeated: concatBytes(head, part(0), part(1), part(1)),
    exchanged: concatBytes(head, part(1), part(0)),
    transplanted: concatBytes(head, part(0), other.subarray(line.length + 44 + 15)),
  };
  for (const [name, bytes] of Object.entries(bent)) {
    expect(outcome(bytes), name).toBe("store_corrupt");
  }
});

test("a log of another kind or version is not read", () => {
  expect(outcome(written(texts, { kind: "audit", version: 1 }))).toBe("store_corrupt");
  expect(outcome(written(texts, { kind: "membership", version: 2 }))).toBe("version_unknown");
  expect(outcome(encodeUtf8("rustynet-log 01 membership 1\n"))).toBe("version_unknown");
  expect(outcome(new Uint8Array())).toBe("store_corrupt");
});

test("after a torn tail the log says how much it lost and goes on", () => {
  const disk = diskOf(whole.subarray(0, whole.length - 3));
  const log = openAppendLog(path, format, disk);
  expect(log.truncatedTail).toBe(44 + "revoke it".length - 3);
  log.append(encodeUtf8("revoke it again"));
  expect(recordsOn(disk)).toEqual([...texts.slice(0, -1), "revoke it again"]);
});

test("a power loss at any step of an append loses at most what was not promised", () => {
  const files = new Map([[path, whole]]);
  const seen = new Set<number>();
  forEachPowerLoss(
    files,
    (disk) => openAppendLog(path, format, disk).append(encodeUtf8("one more")),
    (after, isDone) => {
      const found = recordsOn(after);
      expect(found).toEqual([...texts, "one more"].slice(0, found.length));
      expect(found.length).toBeGreaterThanOrEqual(isDone ? texts.length + 1 : texts.length);
      seen.add(found.length);
    },
  );
  expect(seen).toEqual(new Set([4, 5]));
});

test("a power loss while a log is made, or its tail is cut, does no harm", () => {
  forEachPowerLoss(
    new Map(),
    (disk) => openAppendLog(path, format, disk),
    (after, isDone) => {
      if (isDone) expect(after.read(path)).not.toBeNull();
      expect(recordsOn(after)).toEqual([]);
    },
  );
  forEachPowerLoss(
    new Map([[path, whole.subarray(0, whole.length - 3)]]),
    (disk) => openAppendLog(path, format, disk).append(encodeUtf8("x")),
    (after) => expect(recordsOn(after).slice(0, 3)).toEqual(texts.slice(0, 3)),
  );
});

test("after a failed append nothing more is written until the log is opened again", () => {
  const disk = new FakeDisk(new Map([[path, whole]]), 1);
  const log = openAppendLog(path, format, disk);
  const failing = expect.objectContaining({ code: "unavailable" });
  expect(() => log.append(encodeUtf8("one"))).toThrow(failing);
  expect(() => log.append(encodeUtf8("two"))).toThrow(/an append failed/);
});

test("a second writer is noticed", () => {
  const disk = diskOf(whole);
  const [first, second] = [openAppendLog(path, format, disk), openAppendLog(path, format, disk)];
  first.append(encodeUtf8("mine"));
  expect(() => second.append(encodeUtf8("yours"))).toThrow(/somebody else/);
  expect(recordsOn(disk)).toEqual([...texts, "mine"]);
});

test("a record above the limit is refused and leaves the log as it was", () => {
  const disk = diskOf(whole);
  const log = openAppendLog(path, format, disk);
  expect(() => log.append(new Uint8Array(recordMaxBytes + 1))).toThrow(/too large/);
  log.append(encodeUtf8("fine"));
  expect(recordsOn(disk)).toEqual([...texts, "fine"]);
});

test("on a real disk a log survives its writer being killed at any moment", async () => {
  const folder = fs.mkdtempSync(join(tmpdir(), "rustynet-test-"));
  const real = join(folder, "log");
  const writer = join(import.meta.dir, "../support/append-forever.ts");
  let found = 0;
  for (let round = 0; round < 3; round++) {
    const child = Bun.spawn([process.execPath, writer, real], { stdout: "pipe", env: {} });
    const promised = await killAfter(child, 20 + round);
    const { records } = openAppendLog(real, { kind: "numbers", version: 1 });
    expect(records.length).toBeGreaterThanOrEqual(promised);
    expect(records.length).toBeGreaterThan(found);
    expect(records.map((record) => Number(Buffer.from(record).toString()))).toEqual(
      records.map((_, i) => i),
    );
    found = records.length;
  }
  fs.rmSync(folder, { recursive: true });
});

/** Reads numbers from the child until `count` have come, kills it, and returns the last it promised. */
async function killAfter(child: Bun.Subprocess<"ignore", "pipe">, count: number): Promise<number> {
  let text = "";
  for await (const chunk of child.stdout) {
    text += Buffer.from(chunk).toString();
    if (text.split("\n").length > count) child.kill("SIGKILL");
  }
  await child.exited;
  return Number(text.split("\n").at(-2)) + 1;
}
