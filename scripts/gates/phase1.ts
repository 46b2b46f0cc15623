/** phase1 collects what each gate looks at, and prints and writes one verdict for each requirement. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Glob } from "bun";
import * as v from "valibot";
import { type RuleName, rules, type Source } from "../../test/architecture/rules.ts";
import { checks, root } from "../checks.ts";
import { run } from "../run.ts";
import { acceptanceRows } from "./acceptance.ts";
import { Allowances } from "./allowances.ts";
import { type Measured, measuredOf, metrics, round, type Subject } from "./baseline.ts";
import { auditFindings, licenceFindings, sourceFindings } from "./dependencies.ts";
import { excuse, Exceptions } from "./exceptions.ts";
import { type metricGates, textGates } from "./gate-names.ts";
import type { TestCase } from "./junit.ts";
import { renderRows, type Row, rowOf } from "./row.ts";
import { type SourceFile, unresolvedFindings, unsafeFindings } from "./source-scan.ts";
import { testFindings } from "./test-evidence.ts";
import { readRun, staleText } from "./test-run.ts";
import { readIndex, readMapping } from "./trace-files.ts";
import { filesOfTree, hashOfTree } from "./tree.ts";

const read = (path: string): string => readFileSync(join(root, path), "utf8");
const readAll = (paths: Iterable<string>): readonly SourceFile[] =>
  [...paths].sort().map((path) => ({ path, text: read(path) }));

/** The verdict of one gate, by the name that evidence calls it. */
type Gate = { readonly name: string; readonly row: Row };
const gate = (name: string, requirement: string, findings: readonly string[]): Gate => ({
  name,
  row: rowOf(requirement, name, findings),
});

async function textVerdicts(): Promise<readonly Gate[]> {
  const verdicts: Gate[] = [];
  const ids: Readonly<Record<string, string>> = {
    format: "P1I-7-1",
    lint: "P1I-7-2",
    types: "P1I-7-3",
  };
  for (const name of textGates) {
    const program = checks.find((one) => one.name === name);
    const findings =
      program === undefined ? ["there is no such program"] : await fails(program.argv);
    verdicts.push(gate(name, ids[name] ?? name, findings));
  }
  return verdicts;
}

async function fails(argv: readonly string[]): Promise<readonly string[]> {
  const { exitCode, stdout, stderr } = await run(argv, { cwd: root });
  if (exitCode === 0) return [];
  const lines = `${stdout}${stderr}`.split("\n").filter((line) => line.trim() !== "");
  return [`exit ${exitCode}: scripts/check shows all of it`, ...lines.slice(0, 5)];
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
  const paths = [...new Glob("src/**/*.ts").scanSync(root)];
  const sources = readAll(paths);
  const broken = (name: RuleName): readonly string[] =>
    sources.flatMap(({ path, text }) => {
      const source: Source = { path: path.replace(/^src\//, ""), text };
      return rules[name](source).map((finding) => `${path}: ${finding}`);
    });
  const documents = readAll(
    (await filesOfTree(root, ["docs", "README.md", "CHANGELOG.md"])).filter((path) =>
      path.endsWith(".md"),
    ),
  );
  const unsafe = [...unsafeFindings(sources, allowances), ...broken("runs no shell")];
  return [
    gate("tunnel words", "P1I-7-7", broken("keeps the tunnel's make to its adapter")),
    gate("unsafe constructs", "P1I-7-8", unsafe),
    gate("unresolved markers", "P1I-7-9", unresolvedFindings([...sources, ...documents])),
  ];
}

type Tests = { readonly cases: readonly TestCase[] | null; readonly verdict: Gate };

async function testVerdict(allowances: Allowances): Promise<Tests> {
  const tests = await readRun(root);
  const files = [...new Glob("test/**/*.test.ts").scanSync(root)].sort();
  return tests.ok
    ? {
        cases: tests.value,
        verdict: gate("tests", "P1I-7-4", testFindings(tests.value, files, allowances)),
      }
    : { cases: null, verdict: gate("tests", "P1I-7-4", [staleText(tests.error)]) };
}

const Manifest = v.object({
  commit: v.string(),
  built: v.array(v.object({ target: v.string(), file: v.string(), sha256: v.string() })),
});

function subject(): Subject {
  const { commit, built } = v.parse(
    v.pipe(v.string(), v.parseJson(), Manifest),
    read("artifacts/build/manifest.json"),
  );
  const own = built.find(({ target }) => target === `linux-${process.arch}`);
  if (own === undefined) throw new Error("this machine's executable is not built: scripts/build");
  const builtAt = statSync(join(root, "artifacts/build", own.file)).mtime;
  return { sha256: own.sha256, commit, builtAt, now: new Date() };
}

async function write(path: string, value: unknown): Promise<void> {
  await mkdir(join(root, path, ".."), { recursive: true });
  await Bun.write(join(root, path), `${JSON.stringify(value, null, 2)}\n`);
}

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
