/** test runs the stages one after the other, all of them whatever fails, and ends with a summary. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Glob } from "bun";
import { checks, root } from "./checks.ts";
import { endRun, startRun, wholeRun } from "./gates/test-run.ts";
import { run } from "./run.ts";
import {
  endAll,
  isRoot,
  processesMax,
  runTests,
  type Tally,
  type TestRun,
} from "./test-process.ts";
import { guestNames, runInVm } from "./vm-stage.ts";

type Stage = {
  readonly name: string;
  readonly run: (filters: readonly string[]) => Promise<Outcome>;
};
type Outcome = Tally & { readonly failures: readonly string[] };
type Row = Outcome & { readonly name: string; readonly elapsedMs: number };

/** Test files by the end of their name; "unit" is what has none of the others' ends. */
const kinds = {
  unit: { suffix: ".test.ts", timeoutMs: 30_000, isAlone: false },
  netns: { suffix: ".netns.test.ts", timeoutMs: 30_000, isAlone: true },
  e2e: { suffix: ".e2e.test.ts", timeoutMs: 60_000, isAlone: true },
} as const;
type Kind = keyof typeof kinds;
/** For the guest of scripts/lab-vm alone. */
const guestSuffix = ".vm.test.ts";

const isColoured = process.stdout.isTTY && process.env["CI"] !== "true";
const red = (text: string) => (isColoured ? `\u001b[31m${text}\u001b[0m` : text);
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
const none: Outcome = { passed: 0, failed: 0, skipped: 0, failures: [] };

function count({ passed, failed, skipped }: Tally): string {
  const parts = [`${passed} passed`];
  if (failed > 0) parts.push(red(`${failed} failed`));
  if (skipped > 0) parts.push(`${skipped} skipped`);
  return parts.join(", ");
}

function add(left: Outcome, right: Outcome): Outcome {
  return {
    passed: left.passed + right.passed,
    failed: left.failed + right.failed,
    skipped: left.skipped + right.skipped,
    failures: [...left.failures, ...right.failures],
  };
}

function filesOf(kind: Kind, filters: readonly string[]): readonly string[] {
  const others = [kinds.netns.suffix, kinds.e2e.suffix, guestSuffix];
  return [...new Glob("test/**/*.test.ts").scanSync(root)]
    .filter((file) => file.endsWith(kinds[kind].suffix))
    .filter((file) => kind !== "unit" || !others.some((suffix) => file.endsWith(suffix)))
    .filter((file) => filters.length === 0 || filters.some((part) => file.includes(part)))
    .sort();
}

/** Names of the reports that this run has written. */
const reports: string[] = [];

async function runGroup(files: readonly string[], name: string, kind: Kind): Promise<Outcome> {
  reports.push(name);
  if (files.length > 1) console.log(`  ${files.length} files ...`);
  const result = await runTests(files, name, kinds[kind].timeoutMs);
  const label = files.length === 1 ? files[0] : `${files.length} files`;
  console.log(`  ${label}  ${count(result)}  ${seconds(result.elapsedMs)}`);
  if (result.failed > 0) console.log(result.output.trim());
  return { ...result, failures: namesOf(result, files) };
}

function namesOf({ failed, failures }: TestRun, files: readonly string[]): readonly string[] {
  const unnamed = failed - failures.length;
  const where = files.length === 1 ? files[0] : "a file that did not load or did not end";
  return unnamed > 0 ? [...failures, `${where}: ${unnamed} outside of any test`] : failures;
}

function testStage(kind: Kind): Stage {
  return {
    name: kind,
    run: async (filters) => {
      const files = filesOf(kind, filters);
      if (files.length === 0) return none;
      if (!kinds[kind].isAlone) return runGroup(files, kind, kind);
      if (!isRoot) {
        console.log("  namespaces can be made by root only; run: sudo scripts/test");
        return { ...none, failed: files.length, failures: [`${kind}: not run, not root`] };
      }
      let total = none;
      const waiting = [...files];
      const work = async () => {
        for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
          const name = file
            .replace(/^test\//, "")
            .replace(/\.test\.ts$/, "")
            .replaceAll("/", "-");
          // Awaited first: the sum must not begin before the other process has added to it.
          const outcome = await runGroup([file], name, kind);
          total = add(total, outcome);
        }
      };
      await Promise.all(Array.from({ length: processesMax }, work));
      return total;
    },
  };
}

function programStage(name: string, argv: readonly string[]): Stage {
  return {
    name,
    run: async () => {
      const { exitCode, stdout, stderr } = await run(argv, { cwd: root });
      if (exitCode === 0) return { ...none, passed: 1 };
      console.log(`${stdout}${stderr}`.trimEnd());
      return { ...none, failed: 1, failures: [name] };
    },
  };
}

const guestStages: readonly Stage[] = guestNames.map((name) => ({
  name,
  run: async (filters) => {
    const { reports: added, ...outcome } = await runInVm(name, filters);
    reports.push(...added);
    return outcome;
  },
}));
const isOfGuest = (name: string): boolean => guestStages.some((stage) => stage.name === name);

const stages: readonly Stage[] = [
  programStage("build", [join(root, "scripts/build")]),
  ...checks.map(({ name, argv }) => programStage(name, argv)),
  testStage("unit"),
  testStage("netns"),
  testStage("e2e"),
  ...guestStages,
];

/** Whether the tests that the requirements rest on are among those that have just run and passed. */
const evidence = programStage("evidence", [
  process.execPath,
  join(root, "scripts/traceability.ts"),
  "--check",
]);

/** Emulating a machine takes minutes on two cores, and longer on busy ones: who wants it says so, as `--vm`. */
const optionOf = (name: string): string => `--${name}`;
const options: readonly string[] = guestStages.map(({ name }) => optionOf(name));

/** Stages by name, then parts of file names. Files are tested against a fresh build, so that is always made. */
function choose(args: readonly string[]): { chosen: readonly Stage[]; filters: readonly string[] } {
  const names = new Set(stages.map(({ name }) => name));
  const words = args.filter((arg) => !options.includes(arg));
  const filters = words.filter((arg) => !names.has(arg));
  const asked = new Set(words.filter((arg) => names.has(arg)));
  if (asked.size === 0 && filters.length > 0) for (const kind in kinds) asked.add(kind);
  const isLeftOut = ({ name }: Stage): boolean => isOfGuest(name) && !args.includes(optionOf(name));
  if (asked.size === 0) return { chosen: stages.filter((each) => !isLeftOut(each)), filters };
  asked.add("build");
  return { chosen: stages.filter(({ name }) => asked.has(name)), filters };
}

function summarise(rows: readonly Row[]): void {
  const failures = rows.flatMap((row) => row.failures);
  if (failures.length > 0)
    console.log(`\nFailures:\n${failures.map((one) => `  ${one}`).join("\n")}`);
  console.log("");
  for (const row of rows) {
    console.log(`${row.name.padEnd(12)}${seconds(row.elapsedMs).padStart(9)}  ${count(row)}`);
  }
  const { passed, failed } = rows.reduce<Outcome>(add, none);
  const tested = rows.filter(({ name }) => name in kinds || isOfGuest(name));
  const ranNothing = tested.length > 0 && tested.every((row) => row.passed + row.failed === 0);
  if (ranNothing) console.log("\nNo tests ran: that is a failure.");
  console.log(`\n${passed} passed, ${failed + (ranNothing ? 1 : 0)} failed`);
  process.exitCode = failed > 0 || ranNothing ? 1 : 0;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    endAll();
    process.exit(130);
  });
}

const { chosen, filters } = choose(process.argv.slice(2));
await mkdir(join(root, "artifacts/test"), { recursive: true });
const rows: Row[] = [];

async function perform(stage: Stage): Promise<void> {
  console.log(`> ${stage.name}`);
  const startedMs = performance.now();
  const outcome = await stage.run(filters);
  rows.push({ ...outcome, name: stage.name, elapsedMs: performance.now() - startedMs });
}

const start = await startRun(root);
for (const stage of chosen) await perform(stage);
const ran = chosen.map(({ name }) => name).filter((name) => name in kinds);
await endRun(root, start, { kinds: ran, filters: [...filters], reports });
if (wholeRun.every((kind) => ran.includes(kind)) && filters.length === 0) await perform(evidence);
summarise(rows);
