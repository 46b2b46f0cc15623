/** usage reads what programs take of the machine, from proc(5). */
import { readFileSync } from "node:fs";
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

/** proc(5): `stat` counts in hundredths of a second, whatever the kernel itself counts in. */
const tickMs = 10;

/** The time that all threads of a process have run so far, ended ones included, in milliseconds. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name, in parentheses, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
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
