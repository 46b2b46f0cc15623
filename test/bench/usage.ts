/** usage reads what programs take of the machine, from proc(5). */
import { readdirSync, readFileSync } from "node:fs";
import { Fault } from "../../src/base/fault.ts";
import type { Host } from "../lab/host.ts";
import { membersOf } from "../lab/namespaces.ts";

export type Memory = {
  readonly rssMb: number;
  /** Pages shared with others count in part. */
  readonly pssMb: number;
  /** What no file stands behind. */
  readonly anonymousMb: number;
};

/** The time that all threads of a process have run so far, in milliseconds. */
export function cpuMs(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((thread) => ranNs(`/proc/${pid}/task/${thread}/schedstat`))
    .reduce((sum, ns) => sum + ns / 1e6, 0);
}

/** A thread may end while it is looked at. */
function ranNs(path: string): number {
  try {
    return Number(readFileSync(path, "utf8").split(" ")[0]);
  } catch {
    return 0;
  }
}

export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const read = (name: string): number => {
    const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1];
    if (kib === undefined) throw new Fault("host_failed", `process ${pid} shows no ${name}`);
    return (Number(kib) * 1_024) / 1e6;
  };
  return { rssMb: read("Rss"), pssMb: read("Pss"), anonymousMb: read("Anonymous") };
}

/** The processes of this name on a host. */
export function processesNamed(host: Host, name: string): readonly number[] {
  return membersOf(new Set([host.station.net])).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/comm`, "utf8").trim() === name;
    } catch {
      return false;
    }
  });
}
