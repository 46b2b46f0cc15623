/** file-lock: one holder at a time, and a refusal that says whether trying again may help. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../../src/base/fault.ts";
import { lockFile } from "../../src/kernel/file-lock.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rustynet-lock-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function codeOf(path: string): string {
  try {
    lockFile(path, "taken", "end it")[Symbol.dispose]();
    return "locked";
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}

test("a second holder is refused until the first lets go", () => {
  const path = join(directory, "lock");
  const first = lockFile(path, "taken", "end it");
  expect(codeOf(path)).toBe("busy");
  first[Symbol.dispose]();
  expect(codeOf(path)).toBe("locked");
});

test("what the disk refuses may pass, and is no verdict that ends a service for good", () => {
  expect(codeOf(join(directory, "missing", "lock"))).toBe("unavailable");
});
