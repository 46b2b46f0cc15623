import { expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeUtf8 } from "../../src/base/bytes.ts";
import { Fault } from "../../src/base/fault.ts";
import { readStateFile, writeStateFile } from "../../src/store/atomic-file.ts";
import { FakeDisk, forEachPowerLoss } from "../support/fake-disk.ts";

const path = "/state/watermark";
const format = { kind: "watermark", version: 1 };
const [older, newer] = [encodeUtf8("epoch 7"), encodeUtf8("epoch 8, and longer")];

function framed(content: Uint8Array, as = format): Uint8Array {
  const disk = new FakeDisk();
  writeStateFile(path, as, content, disk);
  return disk.read(path) ?? new Uint8Array();
}

/** The content as text, or the code of the refusal. */
function outcome(bytes: Uint8Array): string {
  try {
    const content = readStateFile(path, format, new FakeDisk(new Map([[path, bytes]])));
    return content === null ? "none" : Buffer.from(content).toString();
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}

test("what was written is read", () => {
  expect(outcome(framed(older))).toBe("epoch 7");
  expect(outcome(framed(new Uint8Array()))).toBe("");
  expect(readStateFile(path, format, new FakeDisk())).toBeNull();
});

test("the frame is what it was when version 1 was fixed", () => {
  expect(Buffer.from(framed(older)).toString()).toBe(
    "rustynet-state 1 watermark 1 7 " +
      "e38e896a7275e256076e89e25fb4f93962266f435978872cc6d94bd31c6d1a17\nepoch 7",
  );
});

test("a file cut short at any byte is refused", () => {
  const whole = framed(older);
  for (let size = 0; size < whole.length; size++) {
    expect(outcome(whole.subarray(0, size)), `${size} bytes`).toBe("store_corrupt");
  }
});

test("any flipped bit is refused", () => {
  const whole = framed(older);
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const bent = whole.slice();
    bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    // A frame of another version is not ours to judge, and refused all the same.
    expect(outcome(bent), `bit ${bit}`).toMatch(/^(?:store_corrupt|version_unknown)$/);
  }
});

test("any byte added after the end is refused", () => {
  for (let byte = 0; byte < 256; byte++) {
    expect(outcome(Uint8Array.of(...framed(older), byte))).toBe("store_corrupt");
  }
});

test("a file of another kind or version is not read", () => {
  expect(outcome(framed(older, { kind: "cache", version: 1 }))).toBe("store_corrupt");
  expect(outcome(framed(older, { kind: "watermark", version: 2 }))).toBe("version_unknown");
});

test("a refusal names the file and the way out", () => {
  const disk = new FakeDisk(new Map([[path, encodeUtf8("{}")]]));
  expect(() => readStateFile(path, format, disk)).toThrow(
    expect.objectContaining({
      code: "store_corrupt",
      message: expect.stringContaining(path),
      remedy: expect.stringContaining("backup"),
    }),
  );
});

test("a power loss at any step leaves the old content or the new, and the new once it was promised", () => {
  const files = new Map([[path, framed(older)]]);
  const seen = new Set<string>();
  const steps = forEachPowerLoss(
    files,
    (disk) => writeStateFile(path, format, newer, disk),
    (after, isDone) => {
      const found = Buffer.from(readStateFile(path, format, after) ?? []).toString();
      seen.add(found);
      expect(isDone ? ["epoch 8, and longer"] : ["epoch 7", "epoch 8, and longer"]).toContain(
        found,
      );
    },
  );
  expect(seen.size).toBe(2);
  expect(steps).toBeGreaterThan(4);
});

test("what a crash left lying about does not stop the next write", () => {
  const disk = new FakeDisk(new Map([[`${path}.new`, encodeUtf8("half")]]));
  writeStateFile(path, format, newer, disk);
  expect(readStateFile(path, format, disk)).toEqual(newer);
  expect(disk.read(`${path}.new`)).toBeNull();
});

test("on a real disk the file is the owner's alone, and nothing else remains", () => {
  const folder = fs.mkdtempSync(join(tmpdir(), "rustynet-test-"));
  const real = join(folder, "watermark");
  writeStateFile(real, format, older);
  writeStateFile(real, format, newer);
  expect(readStateFile(real, format)).toEqual(newer);
  expect(fs.statSync(real).mode & 0o777).toBe(0o600);
  expect(fs.readdirSync(folder)).toEqual(["watermark"]);
  expect(() => writeStateFile(join(folder, "no", "such"), format, older)).toThrow(
    expect.objectContaining({ code: "not_found" }),
  );
  fs.rmSync(folder, { recursive: true });
});
