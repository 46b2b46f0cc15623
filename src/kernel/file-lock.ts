/** file-lock keeps a second process of the same kind away (flock(2)); the kernel lifts it at death. */
import { closeSync, openSync } from "node:fs";
import { Fault } from "../base/fault.ts";
import { libc } from "./libc.ts";

const exclusiveWithoutWaiting = 2 | 4;

/**
 * Throws Fault `busy` with this message and way out when another process holds the lock, and
 * `permission_denied` when this user may not take it.
 */
export function lockFile(path: string, busy: string, remedy: string): Disposable {
  const fd = openLock(path);
  if (libc.flock(fd, exclusiveWithoutWaiting) !== 0) {
    closeSync(fd);
    throw new Fault("busy", `${busy} (${path} is locked)`, { remedy });
  }
  return { [Symbol.dispose]: () => closeSync(fd) };
}

function openLock(path: string): number {
  try {
    return openSync(path, "a", 0o600);
  } catch (cause) {
    const remedy = "run as the user that owns the directory";
    throw new Fault("permission_denied", `cannot open ${path}`, { cause, remedy });
  }
}
