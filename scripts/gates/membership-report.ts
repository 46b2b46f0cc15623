/**
 * membership-report makes the reports on membership from what ran, and holds a written one against it:
 * every case by name, every number counted from the cases. What is written by hand does not stand.
 */
import { isDeepStrictEqual } from "node:util";
import * as v from "valibot";
import type { JudgedDrill } from "./drills.ts";
import type { TestCase } from "./junit.ts";
import type { PlanRow } from "./membership-plan.ts";
import { matcherOf } from "./trace.ts";

const Text = v.pipe(v.string(), v.minLength(1));
const Count = v.pipe(v.number(), v.integer(), v.minValue(0));
const Findings = v.array(Text);

const Case = v.strictObject({
  file: Text,
  name: Text,
  outcome: v.picklist(["passed", "failed", "skipped"]),
  assertions: Count,
});

const Drill = v.strictObject({
  name: Text,
  verdict: v.picklist(["passed", "failed", "missing"]),
  durationMs: Count,
  commands: Count,
  expectations: Count,
  measurements: v.array(
    v.strictObject({ name: Text, value: v.number(), unit: Text, atMost: v.number() }),
  ),
  findings: Findings,
});

export const MembershipReport = v.strictObject({
  version: v.literal(1),
  report: v.picklist(["conformance", "negative tests", "recovery"]),
  commit: Text,
  tree: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  at: v.pipe(v.string(), v.isoTimestamp()),
  /** From the start of the tests to their end, and that of the drills that are named here. */
  durationMs: Count,
  checks: v.array(v.strictObject({ name: Text, passes: v.boolean(), findings: Findings })),
  rows: v.array(
    v.strictObject({ row: Text, cases: v.array(Case), passes: v.boolean(), findings: Findings }),
  ),
  drills: v.array(Drill),
  counts: v.strictObject({
    rows: Count,
    cases: Count,
    passed: Count,
    failed: Count,
    skipped: Count,
    assertions: Count,
    drills: Count,
  }),
  verdict: v.picklist(["pass", "fail"]),
});
export type MembershipReport = v.InferOutput<typeof MembershipReport>;
type ReportRow = MembershipReport["rows"][number];

/** What a report is made of. Its numbers and its verdict follow. */
export type Material = Pick<
  MembershipReport,
  "report" | "commit" | "tree" | "sha256" | "at" | "durationMs" | "checks"
> & { readonly rows: readonly ReportRow[]; readonly drills: readonly JudgedDrill[] };

/** `mayAskNothing`: tests that wait for something that throws if it does not come. */
export function rowOfCases(
  { row, tests }: PlanRow,
  cases: readonly TestCase[],
  mayAskNothing: (one: TestCase) => boolean,
): ReportRow {
  const found: TestCase[] = [];
  const findings: string[] = [];
  for (const [file, names] of Object.entries(tests))
    for (const name of names) {
      const matches = matcherOf(name);
      const own = cases.filter((one) => one.file === file && matches(one.name));
      if (own.length === 0) findings.push(`${file}: no test "${name}" ran`);
      found.push(...own.filter((one) => !found.includes(one)));
    }
  for (const one of found) {
    if (one.outcome !== "passed") findings.push(`${one.file}: ${one.outcome}: ${one.name}`);
    else if (one.assertions === 0 && !mayAskNothing(one))
      findings.push(`${one.file}: asks nothing: ${one.name}`);
  }
  return { row, cases: found, passes: findings.length === 0, findings };
}

export function makeReport({ drills: judged, rows, ...about }: Material): MembershipReport {
  const drills = judged.map(describeDrill);
  const cases = rows.flatMap((row) => row.cases);
  const count = (outcome: TestCase["outcome"]): number =>
    cases.filter((one) => one.outcome === outcome).length;
  const isWhole =
    about.checks.every(({ passes }) => passes) &&
    rows.every(({ passes }) => passes) &&
    drills.every(({ verdict }) => verdict === "passed");
  return {
    ...{ version: 1, ...about, rows: [...rows], drills },
    counts: {
      ...{ rows: rows.length, cases: cases.length, drills: drills.length },
      ...{ passed: count("passed"), failed: count("failed"), skipped: count("skipped") },
      assertions: cases.reduce((sum, one) => sum + one.assertions, 0),
    },
    verdict: isWhole && cases.length > 0 ? "pass" : "fail",
  };
}

function describeDrill({
  name,
  evidence,
  findings,
}: JudgedDrill): MembershipReport["drills"][number] {
  const steps = evidence?.steps ?? [];
  return {
    name,
    verdict: evidence === null ? "missing" : findings.length === 0 ? "passed" : "failed",
    durationMs: evidence?.durationMs ?? 0,
    commands: steps.flatMap(({ commands }) => commands).length,
    expectations: steps.flatMap(({ expectations }) => expectations).length,
    measurements: steps.flatMap(({ measurements }) => measurements),
    findings: [...findings],
  };
}

/** What is wrong with a report as it lies there: `expected` is what follows from what ran. */
export function reportFindings(text: string | null, expected: MembershipReport): readonly string[] {
  if (text === null) return ["it is not there"];
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), MembershipReport), text);
  if (!parsed.success) return [`it cannot be read: ${v.summarize(parsed.issues)}`];
  const report = parsed.output;
  // When it was written is the one thing that does not follow.
  const [found, wanted] = [report, { ...expected, at: report.at }];
  if (report.tree !== expected.tree) return ["it is of another tree"];
  const fields = Object.keys(wanted) as (keyof MembershipReport)[];
  return [
    ...fields
      .filter((field) => !isDeepStrictEqual(found[field], wanted[field]))
      .map((field) => `${field} is not what follows from what ran`),
    ...(report.verdict === "pass" ? [] : ["it says fail"]),
  ];
}
