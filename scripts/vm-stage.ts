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

/** The guests of scripts/lab-vm: how each is asked for, and where it leaves what came out of it. */
const guests = {
  vm: { words: [], folder: "artifacts/vm", results: "artifacts/vm/results" },
  "vm-systemd": {
    words: ["systemd"],
    folder: "artifacts/vm/systemd",
    results: "artifacts/vm/systemd",
  },
} as const satisfies Record<string, object>;
export type GuestName = keyof typeof guests;
export const guestNames: readonly GuestName[] = ["vm", "vm-systemd"];

/** `filters` are words of scripts/lab-vm: without any, it runs what fits into the time of a test run. */
export async function runInVm(guest: GuestName, filters: readonly string[]): Promise<VmRun> {
  const { folder } = guests[guest];
  // The second guest runs all that it has, in its order.
  const words = guest === "vm" ? filters : guests[guest].words;
  const summaryPath = join(root, folder, "summary.json");
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
  return { passed, failed, skipped, failures, reports: takeReports(guest) };
}

function takeReports(guest: GuestName): readonly string[] {
  const results = join(root, guests[guest].results);
  return readdirSync(results)
    .filter((name) => name.endsWith(".xml"))
    .map((name) => {
      const report = `${guest}-${name.slice(0, -".xml".length)}`;
      copyFileSync(join(results, name), join(root, "artifacts/test", `${report}.xml`));
      return report;
    });
}
