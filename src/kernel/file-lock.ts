/** file-lock keeps a second process of the same kind away (flock(2)); the kernel lifts it at death. */
import { closeSync, openSync } from "node:fs";
import { Fault } from "../base/fault.ts";
import { libc } from "./libc.ts";

const exclusiveWithoutWaiting = 2 | 4;

/**
 * Throws Fault `busy` with this message and way out when another process holds the lock, and
 * `permission_denied` when this user may not take it, `unavailable` when the disk does not let it.
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
    // A disk that is full or has turned read-only may recover: whoever restarts us is to go on.
    const isForbidden = /EACCES|EPERM/.test(String(cause));
    throw isForbidden
      ? new Fault("permission_denied", `cannot open ${path}`, {
          cause,
          remedy: "run as the user that owns the directory",
        })
      : new Fault("unavailable", `cannot open ${path}`, {
          cause,
          remedy: "see that its directory is there, and that the disk can be written and has room",
        });
  }
}
