/** wait-for waits for the world up to a deadline, without guessing how long it takes. */
import { Fault } from "../../src/base/fault.ts";
import { pace } from "../support/pace.ts";

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
  const patienceMs = deadlineMs * pace;
  const endMs = performance.now() + patienceMs;
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
      throw new Fault("timeout", `waited ${patienceMs} ms for ${what}; last seen: ${seen}`);
    }
    await Bun.sleep(pollMs);
  }
}

/** The promise's value, or `late` at the deadline. Leaves no timer behind that would keep Bun alive. */
export async function within<T>(promise: Promise<T>, deadlineMs: number): Promise<T | "late"> {
  const { promise: late, resolve } = Promise.withResolvers<"late">();
  const timer = setTimeout(() => resolve("late"), deadlineMs * pace);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
