/** run-cases runs cases of the bench in the guest, one after the other, and hands out what they found. */
import { cpSync, existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { run } from "../../../scripts/run.ts";
import { benchFolder, type GuestEvent, type Plan, resultsFolder } from "../plan.ts";

const root = resolve(import.meta.dir, "../../..");

export async function runCases(
  { cases, isQuick }: Extract<Plan, { mode: "bench" }>,
  tell: (event: GuestEvent) => void,
): Promise<void> {
  for (const name of cases) {
    tell({ event: "begun", file: name });
    const startedMs = performance.now();
    const argv = [process.execPath, join(root, "scripts/bench.ts"), name];
    const { exitCode, stdout, stderr } = await run([...argv, ...(isQuick ? ["--quick"] : [])], {
      cwd: root,
    });
    const isDone = exitCode === 0;
    const said = `${stdout}${stderr}`;
    await Bun.write(join(resultsFolder, `bench-${name}.txt`), said);
    tell({
      ...{ event: "ran", file: name, passed: isDone ? 1 : 0, failed: isDone ? 0 : 1, skipped: 0 },
      ...{ failures: isDone ? [] : [`bench: ${name}`], output: isDone ? "" : said },
      elapsedMs: performance.now() - startedMs,
    });
  }
  const found = join(root, "artifacts/perf");
  if (existsSync(found)) cpSync(found, join(resultsFolder, benchFolder), { recursive: true });
}
