/** phase1 collects what each gate looks at, and prints and writes one verdict for each requirement. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as v from "valibot";
import { root } from "../checks.ts";
import { run } from "../run.ts";
import { acceptanceRows } from "./acceptance.ts";
import { Allowances } from "./allowances.ts";
import { type Measured, measuredOf, metrics, round, type Subject } from "./baseline.ts";
import { auditFindings, licenceFindings, sourceFindings } from "./dependencies.ts";
import { excuse, Exceptions } from "./exceptions.ts";
import { type metricGates, textGates } from "./gate-names.ts";
import { renderRows, type Row, rowOf } from "./row.ts";
import { unresolvedFindings, unsafeFindings } from "./source-scan.ts";
import { builtAt, readSubject } from "./subject.ts";
import { readIndex, readMapping } from "./trace-files.ts";
import { filesOfTree, hashOfTree } from "./tree.ts";
import {
  brokenRule,
  type Gate,
  gate,
  judgeTests,
  read,
  readAll,
  readSources,
  textFindings,
  tunnelRule,
  write,
} from "./verdicts.ts";

async function textVerdicts(): Promise<readonly Gate[]> {
  const verdicts: Gate[] = [];
  const ids: Readonly<Record<string, string>> = {
    format: "P1I-7-1",
    lint: "P1I-7-2",
    types: "P1I-7-3",
  };
  for (const name of textGates) {
    verdicts.push(gate(name, ids[name] ?? name, await textFindings(name)));
  }
  return verdicts;
}

async function dependencyVerdicts(exceptions: Exceptions): Promise<{
  readonly gates: readonly Gate[];
  readonly warnings: readonly string[];
}> {
  const audit = await run([process.execPath, "audit", "--json"], { cwd: root });
  const licences = await run([process.execPath, "pm", "licenses", "--json"], { cwd: root });
  const vulnerable = excuse("vulnerabilities", auditFindings(audit), exceptions, new Date());
  const lock: unknown = Bun.JSONC.parse(read("bun.lock"));
  const disallowed = excuse(
    "dependencies",
    [...licenceFindings(licences.stdout), ...sourceFindings(lock)],
    exceptions,
    new Date(),
  );
  return {
    gates: [
      gate("vulnerabilities", "P1I-7-5", vulnerable.findings),
      gate("dependencies", "P1I-7-6", disallowed.findings),
    ],
    warnings: [...vulnerable.warnings, ...disallowed.warnings],
  };
}

async function sourceVerdicts(allowances: Allowances): Promise<readonly Gate[]> {
  const sources = readSources();
  const documents = readAll(
    (await filesOfTree(root, ["docs", "README.md", "CHANGELOG.md"])).filter((path) =>
      path.endsWith(".md"),
    ),
  );
  const unsafe = [...unsafeFindings(sources, allowances), ...brokenRule(sources, "runs no shell")];
  return [
    gate("tunnel words", "P1I-7-7", brokenRule(sources, tunnelRule)),
    gate("unsafe constructs", "P1I-7-8", unsafe),
    gate("unresolved markers", "P1I-7-9", unresolvedFindings([...sources, ...documents])),
  ];
}

async function testVerdict(allowances: Allowances) {
  const { cases, findings } = await judgeTests(allowances);
  return { cases, verdict: gate("tests", "P1I-7-4", findings) };
}

const subject = (): Subject => ({
  ...readSubject(root),
  ...{ builtAt: builtAt(root), now: new Date() },
});

async function performanceVerdicts(): Promise<readonly Gate[]> {
  const about = subject();
  const cases = [...new Set(metrics.map((metric) => metric.case))];
  const texts = Object.fromEntries(
    cases.map((name) => {
      const path = `artifacts/perf/${name}.json`;
      return [name, existsSync(join(root, path)) ? read(path) : null];
    }),
  );
  const measured = measuredOf(texts, about);
  const { commit, sha256 } = about;
  const passes = measured.every(({ pass }) => pass);
  await write("artifacts/perf/phase1/baseline.json", {
    ...{ version: 1, commit, sha256, tree: await hashOfTree(root), passes, metrics: measured },
  });
  return measured.map(verdictOf);
}

const requirementOf: Readonly<Record<(typeof metricGates)[number], string>> = {
  idle_cpu: "P1I-8-6",
  idle_memory: "P1I-8-7",
  reconnect: "P1I-8-8",
  policy_apply_p95: "P1I-8-9",
  throughput_overhead: "P1I-8-10",
};

function verdictOf({ name, value, unit, threshold, findings }: Measured): Gate {
  const shown = value === null ? "no value" : `${round(value)} ${unit}`;
  const evidence = `${name}: ${shown} (at most ${threshold})`;
  return { name, row: rowOf(requirementOf[name], evidence, findings) };
}

async function judge(): Promise<{ rows: readonly Row[]; warnings: readonly string[] }> {
  const allowances = v.parse(Allowances, JSON.parse(read("docs/gates/allowances.json")));
  const exceptions = v.parse(Exceptions, JSON.parse(read("docs/gates/exceptions.json")));
  const tests = await testVerdict(allowances);
  const dependencies = await dependencyVerdicts(exceptions);
  const gates = [
    ...(await textVerdicts()),
    tests.verdict,
    ...dependencies.gates,
    ...(await sourceVerdicts(allowances)),
    ...(await performanceVerdicts()),
  ];
  const verdicts = new Map(gates.map(({ name, row }) => [name, row.passes]));
  const [index, mapping] = [await readIndex(root), await readMapping(root)];
  const accepted = acceptanceRows(index, mapping, tests.cases, verdicts);
  return { rows: [...gates.map(({ row }) => row), ...accepted], warnings: dependencies.warnings };
}

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: { test: { type: "boolean", default: false } },
});
if (values.test) {
  // What fails in there is found in its reports; here it only has to have been run.
  await Bun.spawn([join(root, "scripts/test")], { stdout: 2, stderr: 2, stdin: "ignore" }).exited;
}
const { rows, warnings } = await judge();
const passes = rows.every((row) => row.passes);
await write("artifacts/gates/phase1.json", {
  ...{ version: 1, at: new Date().toISOString(), commit: subject().commit },
  ...{ tree: await hashOfTree(root), passes, warnings, rows },
});
console.log(renderRows(rows));
for (const warning of warnings) console.log(`warning: ${warning}`);
const failed = rows.filter((row) => !row.passes).length;
console.log(`\n${rows.length - failed} of ${rows.length} pass; see artifacts/gates/phase1.json`);
process.exitCode = passes ? 0 : 1;
