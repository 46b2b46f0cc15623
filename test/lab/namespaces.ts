/**
 * namespaces tells which process stands in which namespace. It owns the one rule that protects the
 * machine: nothing that a lab starts may run in the machine's own network namespace.
 */
import { readdirSync, readlinkSync } from "node:fs";
import { assert } from "../../src/base/assert.ts";
import { Fault } from "../../src/base/fault.ts";
import { pace } from "../support/pace.ts";

/** A namespace as namespaces(7) spells it: `net:[4026531840]`. */
export type NamespaceId = string;
export type NamespaceKind = "net" | "mnt";

/** Null when the process has ended. */
export function namespaceOf(pid: number | "self", kind: NamespaceKind): NamespaceId | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`);
  } catch {
    return null;
  }
}

/** The namespaces that this process or the machine's first process stands in. */
export function machineNamespaces(kind: NamespaceKind): ReadonlySet<NamespaceId> {
  const both = [namespaceOf("self", kind), namespaceOf(1, kind)];
  return new Set(both.filter((id) => id !== null));
}

/** The processes in any of the namespaces. Refuses to look for those in the machine's own. */
export function membersOf(namespaces: ReadonlySet<NamespaceId>): number[] {
  for (const kind of ["net", "mnt"] as const) {
    const shared = machineNamespaces(kind).intersection(namespaces);
    assert(shared.size === 0, "the machine's own namespace was taken for a lab's");
  }
  return processes().filter((pid) =>
    (["net", "mnt"] as const).some((kind) => namespaces.has(namespaceOf(pid, kind) ?? "")),
  );
}

const processes = (): number[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/** Throws Fault unless the process lives, and in a network namespace that is not the machine's. */
export function assertNotInRootNamespace(pid: number): void {
  const net = namespaceOf(pid, "net");
  if (net === null) throw new Fault("not_found", `process ${pid} has ended`);
  if (!machineNamespaces("net").has(net)) return;
  throw new Fault("permission_denied", `process ${pid} runs in the machine's own network`, {
    remedy: "start it through Host.run or Host.spawn",
  });
}

type Child = {
  readonly pid: number;
  readonly exitCode: number | null;
  kill(signal: "SIGKILL"): void;
};

/**
 * Resolves once the child stands in `net`, or has ended. A child that does not get there is killed,
 * and Fault `permission_denied` thrown: it may be running in the machine's own network.
 */
export async function holdToNamespace(
  child: Child,
  net: NamespaceId,
  deadlineMs = 5_000,
): Promise<void> {
  const endMs = performance.now() + deadlineMs * pace;
  while (child.exitCode === null) {
    const now = namespaceOf(child.pid, "net");
    if (now === net || now === null) return;
    if (performance.now() >= endMs) {
      child.kill("SIGKILL");
      const where = machineNamespaces("net").has(now) ? "the machine's own network" : now;
      throw new Fault("permission_denied", `process ${child.pid} ran in ${where}, not in ${net}`);
    }
    await Bun.sleep(1);
  }
}
