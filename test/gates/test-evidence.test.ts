/** A run of the tests counts as evidence only if it was whole, of this very tree, and nothing in it is empty. */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { casesOf } from "../../scripts/gates/junit.ts";
import { testFindings } from "../../scripts/gates/test-evidence.ts";
import { endRun, readRun, startRun, wholeRun } from "../../scripts/gates/test-run.ts";

const report = (cases: string): string =>
  `<?xml version="1.0"?>\n<testsuites name="bun test"><testsuite name="a">${cases}</testsuite></testsuites>`;
const passed =
  '<testcase name="it holds" classname="" time="0.1" file="test/a.test.ts" line="1" assertions="2" />';
const failed =
  '<testcase name="it breaks" classname="a &gt; b" time="0" file="test/a.test.ts" line="2" assertions="1"><failure type="AssertionError" /></testcase>';
const skipped =
  '<testcase name="it waits" classname="" time="0" file="test/a.test.ts" line="3" assertions="0"><skipped /></testcase>';
const empty =
  '<testcase name="it &quot;asks&quot; &lt;nothing&gt;" classname="" time="0" file="test/a.test.ts" line="4" assertions="0" />';

test("a report is read case by case, with groups, outcomes and names as they were", () => {
  const file = "test/a.test.ts";
  expect(casesOf(report(passed + failed + skipped + empty))).toEqual([
    { file, name: "it holds", outcome: "passed", assertions: 2 },
    { file, name: "a > b > it breaks", outcome: "failed", assertions: 1 },
    { file, name: "it waits", outcome: "skipped", assertions: 0 },
    { file, name: 'it "asks" <nothing>', outcome: "passed", assertions: 0 },
  ]);
});

test("the runner's own report of a file that passes, fails, skips and is empty reads the same", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rustynet-gates-"));
  const outfile = join(folder, "report.xml");
  writeFileSync(
    join(folder, "a.test.ts"),
    `import { describe, expect, test } from "bun:test";
     test("holds", () => expect(1).toBe(1));
     describe("group", () => test("breaks", () => expect(1).toBe(2)));
     test.${"skip"}("waits", () => expect(1).toBe(1));
     test("is empty", () => {});`,
  );
  const argv = [process.execPath, "test", "--reporter=junit", `--reporter-outfile=${outfile}`];
  await Bun.spawn(argv, { cwd: folder, stdout: "ignore", stderr: "ignore" }).exited;
  const cases = casesOf(await Bun.file(outfile).text());
  rmSync(folder, { recursive: true });
  expect(cases.map(({ name, outcome, assertions }) => [name, outcome, assertions])).toEqual([
    ["holds", "passed", 1],
    ["group > breaks", "failed", 1],
    ["waits", "skipped", 0],
    ["is empty", "passed", 0],
  ]);
});

const none = { withoutAssertions: [] };
const files = ["test/a.test.ts"];

test("a run in which all is well has no findings", () => {
  expect(testFindings(casesOf(report(passed)), files, none)).toEqual([]);
});

const flawed: readonly (readonly [what: string, cases: string, finding: RegExp])[] = [
  ["with nothing in it", "", /no test ran/],
  ["with a failure", passed + failed, /failed: a > b > it breaks/],
  ["with a test that was skipped", passed + skipped, /skipped: it waits/],
  ["with a test that asks nothing", passed + empty, /asks nothing: it "asks"/],
];

test.each(flawed)("a run %s is refused", (_, cases, finding) => {
  expect(testFindings(casesOf(report(cases)), files, none).join("\n")).toMatch(finding);
});

test("a file of which no test ran is missed", () => {
  const findings = testFindings(casesOf(report(passed)), [...files, "test/b.test.ts"], none);
  expect(findings).toEqual(["test/b.test.ts: no test of it ran"]);
});

test("a test that may ask nothing is let be, until it asks something", () => {
  const allowance = { file: "test/a.test.ts", name: 'it "asks" <nothing>', why: "it throws" };
  const allowances = { withoutAssertions: [allowance] };
  expect(testFindings(casesOf(report(passed + empty)), files, allowances)).toEqual([]);
  expect(testFindings(casesOf(report(passed)), files, allowances)).toHaveLength(1);
});

const roots: string[] = [];
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true });
});

/** A repository with one source, after a whole run of its tests. */
async function afterRun(options: { kinds?: readonly string[]; filters?: string[] } = {}) {
  const root = mkdtempSync(join(tmpdir(), "rustynet-gates-"));
  roots.push(root);
  for (const folder of ["src", "artifacts/test"])
    mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, "src/a.ts"), "export const a = 1;\n");
  writeFileSync(join(root, ".gitignore"), "artifacts/\n");
  await Bun.spawn(["git", "init", "-q", root], { stdout: "ignore" }).exited;
  const start = await startRun(root);
  writeFileSync(join(root, "artifacts/test/unit.xml"), report(passed));
  const { kinds = wholeRun, filters = [] } = options;
  const end = () => endRun(root, start, { kinds: [...kinds], filters, reports: ["unit"] });
  return { root, end };
}

test("a whole run of the tree as it is counts", async () => {
  const { root, end } = await afterRun();
  await end();
  const run = await readRun(root);
  expect(run.ok && run.value.map(({ name }) => name)).toEqual(["it holds"]);
});

const codeOf = async (root: string): Promise<string> => {
  const run = await readRun(root);
  return run.ok ? "counts" : run.error.code;
};

test("without a run there is no evidence", async () => {
  const { root } = await afterRun();
  expect(await codeOf(root)).toBe("no_run");
});

test("a run does not count for another tree: changed, added or removed", async () => {
  const { root, end } = await afterRun();
  await end();
  writeFileSync(join(root, "src/b.ts"), "");
  expect(await codeOf(root)).toBe("another_tree");
  rmSync(join(root, "src/b.ts"));
  expect(await codeOf(root)).toBe("counts");
  writeFileSync(join(root, "src/a.ts"), "export const a = 2;\n");
  expect(await codeOf(root)).toBe("another_tree");
  rmSync(join(root, "src/a.ts"));
  expect(await codeOf(root)).toBe("another_tree");
});

test("a run during which the tree changed counts for none", async () => {
  const { root, end } = await afterRun();
  writeFileSync(join(root, "src/a.ts"), "export const a = 2;\n");
  await end();
  expect(await codeOf(root)).toBe("tree_changed_meanwhile");
});

test("a run of some tests is not one of all", async () => {
  const kinds = await afterRun({ kinds: ["unit"] });
  await kinds.end();
  expect(await codeOf(kinds.root)).toBe("part_of_a_run");
  const filtered = await afterRun({ filters: ["join"] });
  await filtered.end();
  expect(await codeOf(filtered.root)).toBe("part_of_a_run");
});

test("a report that was changed or removed after the run does not count", async () => {
  const { root, end } = await afterRun();
  await end();
  writeFileSync(join(root, "artifacts/test/unit.xml"), report(passed + passed));
  expect(await codeOf(root)).toBe("report_changed");
  rmSync(join(root, "artifacts/test/unit.xml"));
  expect(await codeOf(root)).toBe("report_changed");
});

test("a record in another form is not read", async () => {
  const { root, end } = await afterRun();
  await end();
  writeFileSync(join(root, "artifacts/test/run.json"), '{ "version": 1, "tree": "done" }');
  expect(await codeOf(root)).toBe("unreadable_record");
});
