/** test-process: whatever goes wrong in a test file is counted, and nothing is counted as passed that did not run. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../scripts/run.ts";
import { failuresIn, type Tally, tallyOf } from "../../scripts/test-process.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rustynet-tally-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const start = 'import { describe, expect, test } from "bun:test";\n';
const cases: readonly (readonly [name: string, text: string, tally: Tally])[] = [
  [
    "tests that pass",
    'test("a", () => {});\ntest("b", () => {});',
    { passed: 2, failed: 0, skipped: 0 },
  ],
  [
    "one that fails",
    'test("a", () => {});\ntest("b", () => expect(1).toBe(2));',
    { passed: 1, failed: 1, skipped: 0 },
  ],
  [
    "one that is skipped",
    'test("a", () => {});\ntest.skip("b", () => {});',
    { passed: 1, failed: 0, skipped: 1 },
  ],
  ["a file that does not load", 'throw new Error("early");', { passed: 0, failed: 1, skipped: 0 }],
  [
    "an error after a test",
    'test("a", () => { setTimeout(() => { throw new Error("late"); }, 0); });\ntest("b", () => new Promise((done) => setTimeout(done, 0)));',
    { passed: 1, failed: 1, skipped: 0 },
  ],
  [
    "a process that ends early",
    'test("a", () => process.exit(0));',
    { passed: 0, failed: 1, skipped: 0 },
  ],
  ["a file without tests", "export {};", { passed: 0, failed: 1, skipped: 0 }],
];

test.each(cases)("%s: counted as they are", async (_name, text, tally) => {
  const report = join(folder, "report.xml");
  await rm(report, { force: true });
  await Bun.write(join(folder, "sample.test.ts"), start + text);
  const argv = [process.execPath, "test", "--reporter=junit", `--reporter-outfile=${report}`];
  const { stdout, stderr, exitCode } = await run([...argv, "./sample.test.ts"], { cwd: folder });
  const xml = (await Bun.file(report).exists()) ? await Bun.file(report).text() : "";
  expect(tallyOf(xml, stdout + stderr, exitCode)).toEqual(tally);
});

test("failures are named as a reader would look for them", () => {
  const xml = `<testcase name="passes" classname="" time="0" file="a.test.ts" line="1" assertions="0" />
    <testcase name="says &quot;no&quot; &amp; &lt;why&gt;" classname="group" time="0" file="a.test.ts" line="2">
      <failure type="AssertionError" message="m">text</failure>
    </testcase>
    <testcase name="skipped" classname="" time="0" file="a.test.ts" line="3"><skipped /></testcase>`;
  expect(failuresIn(xml)).toEqual(['a.test.ts: group > says "no" & <why>']);
});
