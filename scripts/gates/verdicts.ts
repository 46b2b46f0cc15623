/** verdicts are what several gates ask alike: of the text, of the sources, and of the tests. */
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Glob } from "bun";
import { type RuleName, rules, type Source } from "../../test/architecture/rules.ts";
import { checks, root } from "../checks.ts";
import { run } from "../run.ts";
import type { Allowances } from "./allowances.ts";
import type { TestCase } from "./junit.ts";
import { type Row, rowOf } from "./row.ts";
import type { SourceFile } from "./source-scan.ts";
import { testFindings } from "./test-evidence.ts";
import { readRun, staleText } from "./test-run.ts";

export const read = (path: string): string => readFileSync(join(root, path), "utf8");
export const readAll = (paths: Iterable<string>): readonly SourceFile[] =>
  [...paths].sort().map((path) => ({ path, text: read(path) }));
export const readSources = (): readonly SourceFile[] =>
  readAll(new Glob("src/**/*.ts").scanSync(root));

/** The verdict of one gate, by the name that evidence calls it. */
export type Gate = { readonly name: string; readonly row: Row };
export const gate = (name: string, requirement: string, findings: readonly string[]): Gate => ({
  name,
  row: rowOf(requirement, name, findings),
});

/** What one of the programs of scripts/check objects to. */
export async function textFindings(name: string): Promise<readonly string[]> {
  const program = checks.find((one) => one.name === name);
  if (program === undefined) return ["there is no such program"];
  const { exitCode, stdout, stderr } = await run(program.argv, { cwd: root });
  if (exitCode === 0) return [];
  const lines = `${stdout}${stderr}`.split("\n").filter((line) => line.trim() !== "");
  return [`exit ${exitCode}: scripts/check shows all of it`, ...lines.slice(0, 5)];
}

/** The rule that keeps the words of one kind of tunnel out of all but its adapter. */
export const tunnelRule: RuleName = "keeps the tunnel's make to its adapter";

export const brokenRule = (sources: readonly SourceFile[], name: RuleName): readonly string[] =>
  sources.flatMap(({ path, text }) => {
    const source: Source = { path: path.replace(/^src\//, ""), text };
    return rules[name](source).map((finding) => `${path}: ${finding}`);
  });

/** `cases` is null when no run counts for this tree. `isAsked`: of which files some test has to have run. */
export async function judgeTests(
  allowances: Allowances,
  isAsked: (file: string) => boolean = () => true,
): Promise<{
  readonly cases: readonly TestCase[] | null;
  readonly findings: readonly string[];
}> {
  const tests = await readRun(root);
  if (!tests.ok) return { cases: null, findings: [staleText(tests.error)] };
  const files = [...new Glob("test/**/*.test.ts").scanSync(root)].filter(isAsked).sort();
  return { cases: tests.value, findings: testFindings(tests.value, files, allowances) };
}

export async function write(path: string, value: unknown): Promise<void> {
  await mkdir(join(root, path, ".."), { recursive: true });
  await Bun.write(join(root, path), `${JSON.stringify(value, null, 2)}\n`);
}
