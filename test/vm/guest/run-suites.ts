/** run-suites runs the test files of the plan in the guest, and tells of each as it ends. */
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { release, uptime } from "node:os";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { runTests } from "../../../scripts/test-process.ts";
import { pace } from "../../support/pace.ts";
import { type GuestEvent, Plan, reportName, resultsFolder } from "../plan.ts";
import { openEvents } from "./events.ts";

const root = resolve(import.meta.dir, "../../..");
const testMaxMs = 30_000 * pace;

const tell: (event: GuestEvent) => void = openEvents();

async function runFile(file: string): Promise<void> {
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

const plan = v.parse(Plan, await Bun.file(join(root, "plan.json")).json());
if (plan.mode !== "suites") throw new Error(`the plan is for ${plan.mode}`);
tell({ event: "ready", kernel: release(), uptimeS: uptime() });
mkdirSync(join(root, "artifacts/test"), { recursive: true });
const waiting = [...plan.files];
const work = async (): Promise<void> => {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) await runFile(file);
};
await Promise.all(Array.from({ length: plan.processesMax }, work));
tell({ event: "done" });
