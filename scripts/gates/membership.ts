/** membership writes the reports on membership from what ran, reads them again, and decides. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as v from "valibot";
import { drills as catalogue } from "../../test/drills/catalogue.ts";
import { root } from "../checks.ts";
import { Allowances } from "./allowances.ts";
import { type JudgedDrill, judgeDrill, readDrill } from "./drills.ts";
import { membershipGates, textGates } from "./gate-names.ts";
import type { TestCase } from "./junit.ts";
import { auditLines, auditLogFindings } from "./membership-audit.ts";
import { MembershipPlan, type PlanRow } from "./membership-plan.ts";
import { makeReport, type Material, reportFindings, rowOfCases } from "./membership-report.ts";
import { renderRows, type Row, rowOf } from "./row.ts";
import { readSubject } from "./subject.ts";
import { runDurationMs } from "./test-run.ts";
import { hashOfTree } from "./tree.ts";
import {
  brokenRule,
  judgeTests,
  read,
  readSources,
  textFindings,
  tunnelRule,
  write,
} from "./verdicts.ts";

const folder = "artifacts/membership";
const reportPaths = {
  conformance: `${folder}/membership_conformance_report.json`,
  "negative tests": `${folder}/membership_negative_tests_report.json`,
  recovery: `${folder}/membership_recovery_report.json`,
} as const;
const auditPath = `${folder}/membership_audit_integrity.log`;

const textAt = (path: string): string | null =>
  existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : null;

type Check = Material["checks"][number];
const checkOf = (name: string, findings: readonly string[]): Check => ({
  ...{ name, passes: findings.length === 0, findings: [...findings] },
});

/** What the guests of scripts/test --vm show is none of what the plan asks for here. */
const isOfThisMachine = (file: string): boolean => !file.endsWith(".vm.test.ts");

/** Everything that is decided anew each time: the text, and a run of the tests that counts. */
async function lookAnew(allowances: Allowances) {
  const tests = await judgeTests(allowances, isOfThisMachine);
  const checks: Check[] = [];
  for (const name of textGates) checks.push(checkOf(name, await textFindings(name)));
  checks.push(checkOf("tests", tests.findings));
  checks.push(checkOf("tunnel words", brokenRule(readSources(), tunnelRule)));
  return { checks, cases: tests.cases ?? [] };
}

type Subject = { readonly commit: string; readonly sha256: string; readonly tree: string };

const judgeDrills = (subject: Subject): readonly JudgedDrill[] =>
  catalogue.map(({ name, runbook }) =>
    judgeDrill(name, readDrill(root, name), read(runbook), subject),
  );

async function gather() {
  const allowances = v.parse(Allowances, JSON.parse(read("docs/gates/allowances.json")));
  const plan = v.parse(MembershipPlan, JSON.parse(read("docs/gates/membership.json")));
  const subject: Subject = { ...readSubject(root), tree: await hashOfTree(root) };
  const { checks, cases } = await lookAnew(allowances);
  const mayAskNothing = ({ file, name }: TestCase): boolean =>
    allowances.withoutAssertions.some((one) => one.file === file && one.name === name);
  const rowsOf = (rows: readonly PlanRow[]) =>
    rows.map((row) => rowOfCases(row, cases, mayAskNothing));
  const drills = judgeDrills(subject);
  const testsMs = runDurationMs(root);
  const drillsMs = drills.reduce((sum, { evidence }) => sum + (evidence?.durationMs ?? 0), 0);
  const about = { ...subject, at: new Date().toISOString(), durationMs: testsMs };
  const plain = { ...about, drills: [] };
  return {
    about,
    audit: rowsOf(plan.audit),
    drills,
    reports: {
      conformance: makeReport({
        ...plain,
        ...{ report: "conformance", checks, rows: rowsOf(plan.conformance) },
      }),
      "negative tests": makeReport({
        ...plain,
        ...{ report: "negative tests", checks: [], rows: rowsOf(plan.negative) },
      }),
      recovery: makeReport({
        ...{ ...about, durationMs: testsMs + drillsMs, drills },
        ...{ report: "recovery", checks: [], rows: rowsOf(plan.recovery) },
      }),
    },
  } as const;
}

type Gathered = Awaited<ReturnType<typeof gather>>;
const kinds = ["conformance", "negative tests", "recovery"] as const;

const auditOf = ({ about, audit, drills }: Gathered): readonly string[] => {
  const reports = Object.fromEntries(
    Object.values(reportPaths).map((path) => [path.replace(/^.*\//, ""), textAt(path) ?? ""]),
  );
  return auditLines({ about, rows: audit, drills, reports });
};

async function writeAll(gathered: Gathered): Promise<void> {
  for (const kind of kinds) await write(reportPaths[kind], gathered.reports[kind]);
  await Bun.write(join(root, auditPath), `${auditOf(gathered).join("\n")}\n`);
}

/** One row for each gate by name: what was asked, and what is wrong with it. */
function judge(gathered: Gathered): readonly Row[] {
  const { reports, drills, audit } = gathered;
  const inside = (kind: (typeof kinds)[number]): readonly string[] =>
    reports[kind].rows.flatMap(({ row, findings }) => findings.map((one) => `${row}: ${one}`));
  const lying = (kind: (typeof kinds)[number]): readonly string[] =>
    reportFindings(textAt(reportPaths[kind]), reports[kind]);
  const findings: Readonly<Record<(typeof membershipGates)[number], readonly string[]>> = {
    "membership conformance": [...inside("conformance"), ...lying("conformance")],
    "membership negative tests": [...inside("negative tests"), ...lying("negative tests")],
    "membership recovery": [...inside("recovery"), ...lying("recovery")],
    "membership drills": drills.flatMap((one) =>
      one.findings.map((each) => `${one.name}: ${each}`),
    ),
    "membership audit integrity": [
      ...audit.flatMap(({ row, findings: own }) => own.map((one) => `${row}: ${one}`)),
      ...auditLogFindings(textAt(auditPath), auditOf(gathered)),
    ],
  };
  return [
    ...reports.conformance.checks.map((one) => rowOf("MEM-M8-2", one.name, one.findings)),
    ...membershipGates.map((name) => rowOf("MEM-M8-4", name, findings[name])),
  ];
}

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: { check: { type: "boolean", default: false } },
});
const gathered = await gather();
if (!values.check) await writeAll(gathered);
const rows = judge(gathered);
console.log(renderRows(rows));
for (const kind of kinds) {
  const { counts, verdict } = gathered.reports[kind];
  console.log(
    `${kind}: ${verdict}, ${counts.passed} of ${counts.cases} cases in ${counts.rows} rows`,
  );
}
const failed = rows.filter((row) => !row.passes).length;
console.log(`\n${rows.length - failed} of ${rows.length} pass; see ${folder}/`);
process.exitCode = failed === 0 ? 0 : 1;
