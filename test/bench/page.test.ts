/** The figures of docs/performance.md are those that the bench wrote there: none was typed in. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isAsWritten } from "./files.ts";

const page = readFileSync(join(import.meta.dir, "../../docs/performance.md"), "utf8");

test("the page holds what the bench wrote", () => {
  expect(isAsWritten(page)).toBe(true);
});

test("another digit between the marks is found", () => {
  const startAt = page.indexOf("<!-- figures:");
  const digitAt = startAt + page.slice(startAt).search(/\| \d/) + 2;
  const other = page[digitAt] === "1" ? "2" : "1";
  expect(isAsWritten(page.slice(0, digitAt) + other + page.slice(digitAt + 1))).toBe(false);
});

test("a page without the marks is refused", () => {
  expect(() => isAsWritten(page.replace("<!-- figures:", "<!-- numbers:"))).toThrow(
    "has lost the marks",
  );
});
