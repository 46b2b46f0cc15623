/** Each page for an incident has a drill, each drill a page, and people find the pages. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/checks.ts";
import { drills } from "./catalogue.ts";
import { commandsIn, wasTyped } from "./runbook.ts";

const read = (path: string): string => readFileSync(join(root, path), "utf8");

test("commands are read out of a page without sudo, without what explains them, and from shell blocks alone", () => {
  const page =
    "```sh\nsudo rustynet audit   # on its host\ncp -a A B\n```\n\n```\nrustynet no\n```\n";
  expect(commandsIn(page)).toEqual(["rustynet audit"]);
});

test.each([
  ["rustynet node revoke NODE", "rustynet node revoke carol", true],
  ["rustynet node revoke NODE", "rustynet node revoke carol --json", true],
  ["rustynet node revoke NODE", "rustynet node revoke", false],
  ["rustynet node revoke NODE", "rustynet node rename carol", false],
  ["rustynet membership sign --all", "rustynet membership sign carol", false],
])("%p is typed with %p: %p", (command, line, isTyped) => {
  expect(wasTyped(command, line)).toBe(isTyped);
});

test.each(drills.map((drill) => [drill.name, drill] as const))(
  "%s has a page with commands that names its drill, and the overview links to it",
  (name, { runbook }) => {
    const page = read(runbook);
    expect(commandsIn(page).length).toBeGreaterThan(1);
    expect(page).toContain(`scripts/drill ${name}`);
    expect(page).toContain("## Over when");
    expect(read("docs/README.md")).toContain(runbook.replace("docs/", ""));
  },
);

test("no two drills have one name or one page", () => {
  expect(new Set(drills.map(({ name }) => name)).size).toBe(drills.length);
  expect(new Set(drills.map(({ runbook }) => runbook)).size).toBe(drills.length);
});

test("what people run in an emergency was drilled: there is a drill for each of the plan's incidents", () => {
  expect(drills.map(({ name }) => name).toSorted()).toEqual([
    ...["emergency-revocation", "lost-quorum", "restore", "stolen-approver-key", "stolen-node"],
  ]);
});
