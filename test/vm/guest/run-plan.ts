/** run-plan does in the guest what the plan says, and tells that it came to its end. */
import { release, uptime } from "node:os";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { Plan } from "../plan.ts";
import { openEvents } from "./events.ts";
import { runCases } from "./run-cases.ts";
import { runSuites } from "./run-suites.ts";

const root = resolve(import.meta.dir, "../../..");

const tell = openEvents();
const plan = v.parse(Plan, await Bun.file(join(root, "plan.json")).json());
tell({ event: "ready", kernel: release(), uptimeS: uptime() });
switch (plan.mode) {
  case "suites":
    await runSuites(plan, tell);
    break;
  case "bench":
    await runCases(plan, tell);
    break;
  case "shell":
    throw new Error("the plan is for a shell, and this is none");
}
tell({ event: "done" });
