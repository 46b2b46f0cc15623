/** sweep ends what runs in a lab and removes its names: of a lab that closes, or of an abandoned one. */
import { readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { creatorOf, isAlive } from "./lab-id.ts";
import { membersOf, type NamespaceId } from "./namespaces.ts";
import { ipBatch } from "./tools.ts";
import { waitFor } from "./wait-for.ts";

const netnsFolder = "/run/netns";

/** SIGTERM to all, SIGKILL to those that stay. `list` is asked again, for some start others. */
export async function endProcesses(list: () => readonly number[], graceMs: number): Promise<void> {
  const gone = async (deadlineMs: number): Promise<boolean> =>
    waitFor("the processes to end", () => list().length === 0, { deadlineMs, pollMs: 2 }).catch(
      () => false,
    );
  signalAll(list(), "SIGTERM");
  if (await gone(graceMs)) return;
  await waitFor("killed processes to end", () => {
    const left = list();
    signalAll(left, "SIGKILL");
    return left.length === 0;
  });
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It ended between the listing and the signal.
    }
  }
}

/** Removes the names of network namespaces. One that is gone already is no failure. */
export async function removeNames(names: readonly string[]): Promise<void> {
  const present = new Set(namespaceNames());
  const lines = names.filter((name) => present.has(name)).map((name) => `netns delete ${name}`);
  await ipBatch(null, lines).catch((error: unknown) => {
    // Another process may be sweeping the same abandoned lab.
    const after = new Set(namespaceNames());
    if (names.some((name) => after.has(name))) throw error;
  });
}

/** Removes every lab whose creator is gone: its processes, its namespaces and its folder. */
export async function removeAbandoned(): Promise<void> {
  const names = namespaceNames().filter(isAbandoned);
  const namespaces = new Set(names.flatMap(namespaceBehind));
  if (namespaces.size > 0) await endProcesses(() => membersOf(namespaces), 0);
  await removeNames(names);
  for (const folder of readdirSync(tmpdir()).filter(isAbandoned)) {
    rmSync(join(tmpdir(), folder), { recursive: true, force: true });
  }
}

function isAbandoned(name: string): boolean {
  const creator = creatorOf(name);
  return creator !== null && !isAlive(creator);
}

export function namespaceNames(): string[] {
  try {
    return readdirSync(netnsFolder);
  } catch {
    return [];
  }
}

/** nsfs shows a namespace's number as the inode of the file that pins it. */
function namespaceBehind(name: string): NamespaceId[] {
  try {
    return [`net:[${statSync(join(netnsFolder, name)).ino}]`];
  } catch {
    return [];
  }
}
