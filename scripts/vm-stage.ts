/** vm-stage runs tests in the virtual lab, which shows its own progress, and reads what became of them. */
import { copyFileSync, existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { root } from "./checks.ts";
import type { Tally } from "./test-process.ts";

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Summary = v.strictObject({
  kernel: v.string(),
  passed: Count,
  failed: Count,
  skipped: Count,
  failures: v.array(v.string()),
});

export type VmRun = Tally & {
  readonly failures: readonly string[];
  /** Names of the reports that it added to artifacts/test/. */
  readonly reports: readonly string[];
};

/** `words` are those of scripts/lab-vm: without any, it runs what fits into the time of a test run. */
export async function runInVm(words: readonly string[]): Promise<VmRun> {
  const summaryPath = join(root, "artifacts/vm/summary.json");
  rmSync(summaryPath, { force: true });
  const child = Bun.spawn([join(root, "scripts/lab-vm"), ...words], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const end = (): void => child.kill("SIGTERM");
  process.once("SIGTERM", end);
  const exitCode = await child.exited;
  process.off("SIGTERM", end);
  if (!existsSync(summaryPath)) {
    const why = `scripts/lab-vm ended with ${exitCode} before the guest was there`;
    return { passed: 0, failed: 1, skipped: 0, failures: [why], reports: [] };
  }
  const { passed, failed, skipped, failures } = v.parse(
    Summary,
    await Bun.file(summaryPath).json(),
  );
  return { passed, failed, skipped, failures, reports: takeReports() };
}

function takeReports(): readonly string[] {
  const results = join(root, "artifacts/vm/results");
  return readdirSync(results)
    .filter((name) => name.endsWith(".xml"))
    .map((name) => {
      const report = `vm-${name.slice(0, -".xml".length)}`;
      copyFileSync(join(results, name), join(root, "artifacts/test", `${report}.xml`));
      return report;
    });
}
