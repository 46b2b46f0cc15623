/** lab-id names what a lab makes, so that whoever finds a leftover can tell whether its creator lives. */
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../../src/base/fault.ts";

/** A process, told apart from a later one with the same number. Ticks count from the boot. */
export type Creator = { readonly pid: number; readonly startTicks: number };

export type LabId = `${number}-${number}-${string}`;

const prefix = "rnlab-";
const pattern = /^rnlab-((\d+)-(\d+)-[0-9a-f]{6})(?:-(.+))?$/;

/** A new id for a lab of this process: its number, its start time, and something random. */
export function newLabId(): LabId {
  const startTicks = startTicksOf(process.pid);
  if (startTicks === null) throw new Fault("host_failed", "/proc does not show this process");
  const random = crypto.getRandomValues(new Uint8Array(3)).toHex();
  return `${process.pid}-${startTicks}-${random}`;
}

/** The name of a station's network namespace; without one, of the lab's folder. */
export const labName = (lab: LabId, station?: string): string =>
  station === undefined ? `${prefix}${lab}` : `${prefix}${lab}-${station}`;

export const labFolder = (lab: LabId): string => join(tmpdir(), labName(lab));

/** Who made the lab that a namespace or folder belongs to; null when the name is none of ours. */
export function creatorOf(name: string): Creator | null {
  const match = pattern.exec(name);
  return match === null ? null : { pid: Number(match[2]), startTicks: Number(match[3]) };
}

export const isAlive = (creator: Creator): boolean =>
  startTicksOf(creator.pid) === creator.startTicks;

/** proc(5): field 22 of /proc/PID/stat. The name before it may hold blanks and parentheses. */
function startTicksOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const afterName = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(afterName[19]);
  } catch {
    return null;
  }
}
