/** The figures of docs/performance.md are those that the bench wrote there: none was typed in. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isAsWritten, mergeSections } from "./files.ts";
import { sampleReport } from "./sample-report.ts";

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

test("a case that was not measured again keeps its figures, and one that is no more loses them", () => {
  const before = "\n\n### gone\n\nold\n\n### beta\n\nold\n\n### alpha\n\nold\n";
  const report = { version: 1 as const, cases: [{ ...sampleReport(), case: "alpha" }] };
  const after = mergeSections(before, report, ["alpha", "beta", "gamma"]);
  expect(after.match(/^### \S+$/gm)).toEqual(["### alpha", "### beta"]);
  expect(after.match(/^old$/gm)).toEqual(["old"]);
  expect(after).toContain(sampleReport().about);
});
