/** ground is what the suites stand on: the binary that ships, and which tunnel carries their packets. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { Fault } from "../../src/base/fault.ts";

export type Ground = {
  /** `userspace` runs anywhere; `kernel` needs one that has tunnels of its own. */
  readonly backend: "userspace" | "kernel";
  /** The executable as scripts/build left it: never the sources, so that what is tested ships. */
  readonly binary: string;
};

const root = resolve(import.meta.dir, "../..");

const Settings = v.object({
  RUSTYNET_E2E_BACKEND: v.optional(v.picklist(["userspace", "kernel"]), "userspace"),
  RUSTYNET_E2E_BINARY: v.optional(
    v.pipe(v.string(), v.startsWith("/")),
    join(root, `artifacts/build/rustynet-linux-${process.arch}`),
  ),
});

const settings = v.parse(Settings, process.env);

export const ground: Ground = {
  backend: settings.RUSTYNET_E2E_BACKEND,
  binary: settings.RUSTYNET_E2E_BINARY,
};

export function requireBinary(): void {
  if (existsSync(ground.binary)) return;
  throw new Fault("not_found", `there is no ${ground.binary}`, { remedy: "scripts/build" });
}
