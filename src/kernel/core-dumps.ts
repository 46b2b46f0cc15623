/** core-dumps keeps keys that are in memory from ending up in a file, or in another process (prctl(2)). */
import { assert } from "../base/assert.ts";
import { addressOf, libc, pinned } from "./libc.ts";

const rlimitCore = 4;
const setDumpable = 4;

/**
 * From now on a crash of this process, or of one that it starts, writes no core file, and no process
 * of the same user can trace this one or read its memory.
 */
export function forbidCoreDumps(): void {
  const none = pinned(16);
  const isLimited = libc.setrlimit(rlimitCore, addressOf(none)) === 0;
  const isClosed = libc.prctl(setDumpable, 0, 0, 0, 0) === 0;
  assert(isLimited && isClosed, "everybody may give these up");
}
