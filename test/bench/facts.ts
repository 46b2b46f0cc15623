/** facts says on which machine, and of which build, figures were taken. */
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import * as v from "valibot";
import { output } from "../../scripts/run.ts";
import type { Build, Machine } from "./report.ts";

export function readMachine(): Machine {
  const [first] = cpus();
  return {
    cpu: first?.model.trim() || "unknown",
    cores: cpus().length,
    memoryMb: Math.round(totalmem() / 1e6),
    kernel: release(),
  };
}

const Version = v.object({ commit: v.string() });

/** Asked of the executable itself: what lies beside it may be of another. */
export async function readBuild(binary: string): Promise<Build> {
  const said: unknown = JSON.parse(await output([binary, "version", "--json"], "/"));
  const hasher = new Bun.CryptoHasher("sha256");
  hasher.update(readFileSync(binary));
  return {
    commit: v.parse(Version, said).commit,
    sha256: hasher.digest("hex"),
    bun: Bun.version,
  };
}
