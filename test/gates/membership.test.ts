/** The gate of membership: what is missing, skipped, empty, stale or typed in does not pass. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { root } from "../../scripts/checks.ts";
import { judgeDrill } from "../../scripts/gates/drills.ts";
import type { TestCase } from "../../scripts/gates/junit.ts";
import { auditLines, auditLogFindings } from "../../scripts/gates/membership-audit.ts";
import { MembershipPlan } from "../../scripts/gates/membership-plan.ts";
import { makeReport, reportFindings, rowOfCases } from "../../scripts/gates/membership-report.ts";
import type { DrillEvidence } from "../drills/evidence.ts";

const file = "test/a.test.ts";
const passed: TestCase = { file, name: "it is refused", outcome: "passed", assertions: 3 };
const row = { row: "6.1", tests: { [file]: ["it is refused", "each of *"] } };
const each: TestCase = { file, name: "each of two", outcome: "passed", assertions: 1 };
const never = (): boolean => false;

test("a row takes every case that its names mean, each once", () => {
  const { cases, passes } = rowOfCases(row, [passed, each], never);
  expect([cases, passes]).toEqual([[passed, each], true]);
});

const broken: readonly (readonly [what: string, cases: readonly TestCase[], finding: string])[] = [
  ["missing", [each], 'no test "it is refused" ran'],
  ["skipped", [{ ...passed, outcome: "skipped" }, each], "skipped: it is refused"],
  ["failed", [{ ...passed, outcome: "failed" }, each], "failed: it is refused"],
  ["empty", [{ ...passed, assertions: 0 }, each], "asks nothing: it is refused"],
  ["in another file only", [{ ...passed, file: "test/b.test.ts" }, each], 'no test "it is'],
];

test.each(broken)("a row with a case that is %s does not pass", (_, cases, finding) => {
  const judged = rowOfCases(row, cases, never);
  expect([judged.passes, judged.findings.join("\n")]).toEqual([
    ...[false, expect.stringContaining(finding)],
  ]);
});

const tree = "a".repeat(64);
const sha256 = "b".repeat(64);
const about = { commit: "abc", tree, sha256, at: "2026-11-24T00:00:00.000Z", durationMs: 1_000 };

const reportOf = (cases: readonly TestCase[]) =>
  makeReport({
    ...{ ...about, report: "negative tests", checks: [], drills: [] },
    rows: [rowOfCases(row, cases, never)],
  });
const honest = reportOf([passed, each]);

test("the numbers of a report follow from its cases", () => {
  expect(honest.counts).toEqual({
    ...{ rows: 1, cases: 2, passed: 2, failed: 0, skipped: 0, assertions: 4, drills: 0 },
  });
  expect([honest.verdict, reportOf([each]).verdict, reportOf([]).verdict]).toEqual([
    "pass",
    "fail",
    "fail",
  ]);
});

const text = (changes: object): string => JSON.stringify({ ...honest, ...changes });

test("a report that lies there as it was written passes, whenever that was", () => {
  expect(reportFindings(text({ at: "2026-01-01T00:00:00.000Z" }), honest)).toEqual([]);
});

const typedIn: readonly (readonly [what: string, text: string | null, finding: RegExp])[] = [
  ["is not there", null, /not there/],
  ["is no JSON", "pass", /cannot be read/],
  ["has a field too many", text({ note: "fine" }), /cannot be read/],
  ["is of another tree", text({ tree: "c".repeat(64) }), /another tree/],
  ["is of another commit", text({ commit: "def" }), /^commit is not/],
  ["counts more", text({ counts: { ...honest.counts, passed: 3 } }), /^counts is not/],
  ["has another duration", text({ durationMs: 1 }), /^durationMs is not/],
  ["names a case that did not run", text({ rows: [] }), /^rows is not/],
  ["says fail", JSON.stringify(reportOf([each])), /fail/],
];

test.each(typedIn)("a report that %s is refused", (_, written, finding) => {
  expect(reportFindings(written, honest).join("\n")).toMatch(finding);
});

test("a report that says pass where a case failed is refused", () => {
  const expected = reportOf([each]);
  const lie = JSON.stringify({ ...expected, verdict: "pass" });
  expect(reportFindings(lie, expected)).toEqual(["verdict is not what follows from what ran"]);
});

const runbook = "```sh\nrustynet audit\n```\n";
const drill: DrillEvidence = {
  ...{ version: 1, drill: "restore", runbook: "docs/a.md", commit: "abc", tree, sha256 },
  ...{ backend: "userspace", startedAt: about.at, durationMs: 5, verdict: "passed", failure: null },
  steps: [
    {
      ...{ what: "look", durationMs: 5, measurements: [] },
      commands: [{ who: "control", command: "rustynet audit", exitCode: 0, durationMs: 1 }],
      expectations: [{ what: "it is whole", holds: true }],
    },
  ],
};
const judge = (changes: Partial<DrillEvidence> | null) =>
  judgeDrill(
    "restore",
    changes === null ? null : JSON.stringify({ ...drill, ...changes }),
    runbook,
    { tree, sha256 },
  );

test("a drill of this very tree and executable passes", () => {
  expect(judge({}).findings).toEqual([]);
});

const badDrills: readonly (readonly [what: string, Partial<DrillEvidence> | null, RegExp])[] = [
  ["was not performed", null, /not performed: scripts\/drill restore/],
  ["is of another tree", { tree: "c".repeat(64) }, /files have changed/],
  ["was performed by another executable", { sha256: "c".repeat(64) }, /another executable/],
  ["is of another drill", { drill: "lost-quorum" }, /evidence of lost-quorum/],
  ["failed", { verdict: "failed" }, /it failed/],
  ["says passed without a step", { steps: [] }, /no steps/],
  ["says passed and broke off", { failure: "Error: away" }, /broke off/],
  ["has a field of another kind", { durationMs: "5" as never }, /unreadable/],
];

test.each(badDrills)("a drill that %s is refused, and so is its report", (_, changes, finding) => {
  const judged = judge(changes);
  expect(judged.findings.join("\n")).toMatch(finding);
  const report = makeReport({
    ...{ ...about, report: "recovery", checks: [], drills: [judged] },
    rows: [rowOfCases(row, [passed, each], never)],
  });
  expect(report.verdict).toBe("fail");
});

const rows = [rowOfCases(row, [passed, each], never)];
const material = { about, rows, drills: [judge({})], reports: { "a.json": "{}" } };

test("the audit log passes as it was written, and not with a line changed, removed or added", () => {
  const lines = auditLines(material);
  const written = `${lines.join("\n")}\n`;
  expect(auditLogFindings(written, lines)).toEqual([]);
  for (const changed of [
    written.replace("exit 0", "exit 1"),
    written.replace(/^passed .*\n/m, ""),
    written.replace("verdict", "passed test/b.test.ts: more (1) [6.1]\nverdict"),
    written.replace(/sha256 [0-9a-f]{4}/, "sha256 0000"),
  ]) {
    expect(changed).not.toBe(written);
    expect(auditLogFindings(changed, lines)).toEqual(["it is not what follows from what ran"]);
  }
  expect(auditLogFindings(null, lines)).toEqual(["it is not there"]);
});

test("an audit log in which no drill verified a trail says fail", () => {
  const lines = auditLines({ ...material, drills: [] });
  expect(auditLogFindings(lines.join("\n"), lines)).toEqual(["it says fail"]);
});

const plan = v.parse(
  MembershipPlan,
  JSON.parse(readFileSync(join(root, "docs/gates/membership.json"), "utf8")),
);

test("every row of the plan's threat matrix has tests in the lab", () => {
  for (let i = 1; i <= 8; i++) {
    const found = plan.negative.find((one) => one.row.startsWith(`plan 6.${i} `));
    const inLab = Object.keys(found?.tests ?? {}).filter((path) => path.endsWith(".e2e.test.ts"));
    expect([i, inLab.length > 0]).toEqual([i, true]);
  }
});

test("a plan with a row that no test stands for cannot be read", () => {
  for (const tests of [{}, { [file]: [] }])
    expect(v.safeParse(MembershipPlan, { ...plan, audit: [{ row: "a", tests }] }).success).toBe(
      false,
    );
  expect(v.safeParse(MembershipPlan, { ...plan, negative: [] }).success).toBe(false);
});
