/** run-suites runs the test files of the plan in the guest, and tells of each as it ends. */
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { runTests } from "../../../scripts/test-process.ts";
import { pace } from "../../support/pace.ts";
import { type GuestEvent, type Plan, reportName, resultsFolder } from "../plan.ts";

const root = resolve(import.meta.dir, "../../..");
const testMaxMs = 30_000 * pace;

type Tell = (event: GuestEvent) => void;

async function runFile(file: string, tell: Tell): Promise<void> {
  tell({ event: "begun", file });
  const name = reportName(file);
  const { output, ...result } = await runTests([file], name, testMaxMs);
  const report = join(root, "artifacts/test", `${name}.xml`);
  if (existsSync(report)) copyFileSync(report, join(resultsFolder, `${name}.xml`));
  await Bun.write(join(resultsFolder, `${name}.txt`), output);
  const { passed, failed, skipped, failures, elapsedMs } = result;
  const told = failed > 0 ? output : "";
  tell({
    ...{ event: "ran", file, passed, failed, skipped, elapsedMs },
    failures: [...failures],
    output: told,
  });
}

export async function runSuites(
  { files, filesAlone, processesMax }: Extract<Plan, { mode: "suites" }>,
  tell: Tell,
): Promise<void> {
  mkdirSync(join(root, "artifacts/test"), { recursive: true });
  const waiting = [...files];
  const work = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift())
      await runFile(file, tell);
  };
  await Promise.all(Array.from({ length: processesMax }, work));
  for (const file of filesAlone) await runFile(file, tell);
}
