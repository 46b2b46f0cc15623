/** waitFor polls a condition up to a deadline: how a test waits for the world without guessing. */
import { Fault } from "../../src/base/fault.ts";

export type Waiting<T> = {
  /** Counted from the call. Generous: it is met only when something is wrong. */
  readonly deadlineMs?: number;
  readonly pollMs?: number;
  /** When the value read is the awaited one. Without it: when it is truthy. */
  readonly until?: (value: T) => boolean;
};

/**
 * Resolves to the first value that satisfies. A condition that throws counts as not yet satisfied.
 * On the deadline throws Fault `timeout`, which says what was awaited and what was seen last.
 */
export async function waitFor<T>(
  what: string,
  condition: () => T | Promise<T>,
  { deadlineMs = 10_000, pollMs = 5, until = Boolean }: Waiting<T> = {},
): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  let seen = "nothing";
  for (;;) {
    try {
      const value = await condition();
      if (until(value)) return value;
      seen = Bun.inspect(value);
    } catch (error) {
      seen = `a thrown ${Bun.inspect(error)}`;
    }
    if (performance.now() >= endMs) {
      throw new Fault("timeout", `waited ${deadlineMs} ms for ${what}; last seen: ${seen}`);
    }
    await Bun.sleep(pollMs);
  }
}
