/** test-process runs test files in processes of their own and counts what became of the tests. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { root } from "./checks.ts";

export type Tally = { readonly passed: number; readonly failed: number; readonly skipped: number };

export type TestRun = Tally & {
  /** What the process printed: only about tests that failed. */
  readonly output: string;
  readonly failures: readonly string[];
  readonly elapsedMs: number;
};

/** How many processes run tests at the same time. */
export const processesMax = 2;

/** A process that takes longer hangs in a way that the limit of each test cannot end. */
const processLimitMs = 10 * 60_000;

// Whatever a test does to the network by mistake, it does to this namespace, which ends with it.
const insulated = [
  "/usr/bin/unshare",
  "--net",
  "/bin/sh",
  "-c",
  'ip link set lo up; exec "$@"',
  "sh",
];

export const isRoot: boolean = process.getuid?.() === 0;

const running = new Set<Bun.Subprocess>();

/** Ends every test process that is still running, and with it all that it started. */
export function endAll(): void {
  for (const child of running) child.kill("SIGTERM");
}

/** Runs the files in a process of their own, or in a few if there are many. `name` names the report in artifacts/test/. */
export async function runTests(
  files: readonly string[],
  name: string,
  timeoutMs: number,
): Promise<TestRun> {
  const report = join(root, "artifacts/test", `${name}.xml`);
  await rm(report, { force: true });
  const startedMs = performance.now();
  const many = files.length > 1 ? [`--parallel=${processesMax}`] : [];
  const options = ["--only-failures", "--no-orphans", `--timeout=${timeoutMs}`, ...many];
  const child = Bun.spawn(
    [
      ...(isRoot ? insulated : []),
      ...[process.execPath, "test", ...options],
      ...["--reporter=junit", `--reporter-outfile=${report}`],
      ...files.map((file) => `./${file}`),
    ],
    {
      cwd: root,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: processLimitMs,
      killSignal: "SIGKILL",
    },
  );
  running.add(child);
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  running.delete(child);
  const xml = (await Bun.file(report).exists()) ? await Bun.file(report).text() : "";
  const output = stdout + stderr;
  const elapsedMs = performance.now() - startedMs;
  return { ...tallyOf(xml, output, exitCode), output, failures: failuresIn(xml), elapsedMs };
}

/**
 * Returns the counts of a JUnit report. Bun leaves out of it what went wrong outside of any test, such
 * as a file that did not load: that is counted from the output, and one failure is the least that a
 * process which failed can have.
 */
export function tallyOf(xml: string, output: string, exitCode: number): Tally {
  const attributes = /<testsuites\b([^>]*)>/.exec(xml)?.[1] ?? "";
  const count = (name: string) =>
    Number(new RegExp(`\\b${name}="(\\d+)"`).exec(attributes)?.[1] ?? 0);
  const [tests, failures, skipped] = [count("tests"), count("failures"), count("skipped")];
  const outside = output.match(/^# Unhandled error between tests$/gm)?.length ?? 0;
  const failed = Math.max(failures + outside, exitCode === 0 && tests > 0 ? 0 : 1);
  return { passed: tests - failures - skipped, failed, skipped };
}

const entities: Readonly<Record<string, string>> = {
  "&quot;": '"',
  "&apos;": "'",
  "&lt;": "<",
  "&gt;": ">",
  "&amp;": "&",
};

/** Returns the tests that failed, as `file: group > name`. */
export function failuresIn(xml: string): readonly string[] {
  const cases = xml.matchAll(
    /<testcase name="([^"]*)" classname="([^"]*)"[^>]*?file="([^"]*)"[^>]*>\s*<failure/g,
  );
  return [...cases].map(([, name = "", group = "", file = ""]) => {
    const title = `${file}: ${group === "" ? "" : `${group} > `}${name}`;
    return title.replaceAll(/&(?:quot|apos|lt|gt|amp);/g, (entity) => entities[entity] ?? entity);
  });
}
