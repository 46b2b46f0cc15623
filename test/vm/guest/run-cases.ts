/** run-cases runs cases of the bench in the guest, one after the other, and hands out what they found. */
import { cpSync, existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { readLines } from "../lines.ts";
import { benchFolder, type GuestEvent, type Plan, resultsFolder } from "../plan.ts";

const root = resolve(import.meta.dir, "../../..");

type Tell = (event: GuestEvent) => void;

export async function runCases(
  { cases, isQuick }: Extract<Plan, { mode: "bench" }>,
  tell: Tell,
): Promise<void> {
  for (const name of cases) {
    tell({ event: "begun", file: name });
    const startedMs = performance.now();
    const isDone = await isMeasured(name, isQuick, tell);
    handOut();
    tell({
      ...{ event: "ran", file: name, passed: isDone ? 1 : 0, failed: isDone ? 0 : 1, skipped: 0 },
      ...{ failures: isDone ? [] : [`bench: ${name}`], output: "" },
      elapsedMs: performance.now() - startedMs,
    });
  }
}

/** Everything that the case says is told as it says it: how far it is, what it found, or why it failed. */
async function isMeasured(name: string, isQuick: boolean, tell: Tell): Promise<boolean> {
  const argv = [process.execPath, join(root, "scripts/bench.ts"), name];
  const child = Bun.spawn([...argv, ...(isQuick ? ["--quick"] : [])], {
    ...{ cwd: root, stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  });
  await readLines(child.stderr, (text) => tell({ event: "said", text }));
  return (await child.exited) === 0;
}

function handOut(): void {
  const found = join(root, "artifacts/perf");
  if (existsSync(found)) cpSync(found, join(resultsFolder, benchFolder), { recursive: true });
}
