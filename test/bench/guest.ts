/** guest has cases measured in the virtual lab's guest, and takes home what they found. */
import { existsSync } from "node:fs";
import { loadavg } from "node:os";
import { join, resolve } from "node:path";
import { benchFolder } from "../vm/plan.ts";
import type { Case } from "./bench.ts";
import { forget, keep, read } from "./files.ts";

const root = resolve(import.meta.dir, "../..");
const found = join(root, "artifacts/vm/results", benchFolder);

/** Returns the names of those that failed. What the guest says is shown as it comes. */
export async function measureInGuest(
  cases: readonly Case[],
  isQuick: boolean,
): Promise<readonly string[]> {
  for (const { name } of cases) forget(name);
  const [busy = 0] = loadavg();
  const names = cases.map(({ name }) => name);
  const argv = [join(root, "scripts/lab-vm"), "bench", ...names, ...(isQuick ? ["--quick"] : [])];
  // Tables and JSON alone go to the output.
  const child = Bun.spawn(argv, { stdio: ["ignore", 2, 2] });
  const exitCode = await child.exited;
  if (exitCode !== 0) process.stderr.write(`scripts/lab-vm ended with ${exitCode}\n`);
  return cases.filter((one) => !takeHome(one.name, busy)).map(({ name }) => name);
}

/** The guest cannot see who else wanted the processors that it was emulated on. */
function takeHome(name: string, busy: number): boolean {
  const path = join(found, `${name}.json`);
  if (!existsSync(path)) return false;
  for (const report of read(path).cases) {
    const note = `The machine that emulated it was not idle before: ${busy.toFixed(1)} programs wanted to run.`;
    const noted = busy > 0.5 ? { ...report, notes: [...report.notes, note] } : report;
    keep(noted);
  }
  return true;
}
