/** boot-clock counts the time since boot, also that in which the machine slept (clock_gettime(2)). */
import { assert } from "../base/assert.ts";
import { addressOf, libc, pinned } from "./libc.ts";

const clockBoottime = 7;
const now = pinned(16);
const view = new DataView(now.buffer);

/** Milliseconds since boot. No setting of the wall clock moves it, and no suspend holds it up. */
export function bootMs(): number {
  const failed = libc.clock_gettime(clockBoottime, addressOf(now));
  assert(failed === 0, "every kernel since 2.6.39 has this clock");
  return Number(view.getBigInt64(0, true)) * 1_000 + Number(view.getBigInt64(8, true)) / 1e6;
}
