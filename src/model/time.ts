/** time: moments and spans as signed statements carry them, in whole seconds. */
import * as v from "valibot";

/** Seconds since 1970-01-01 UTC, up to the year 9999. */
export const UnixS = v.pipe(
  v.number(),
  v.safeInteger("not a whole number"),
  v.minValue(0),
  v.maxValue(253_402_300_799),
);
export type UnixS = v.InferOutput<typeof UnixS>;

/** A counter that only grows. Its ceiling leaves room for more steps than anything can take. */
export const Counter = v.pipe(
  v.number(),
  v.safeInteger("not a whole number"),
  v.minValue(0),
  v.maxValue(2 ** 48),
);
export type Counter = v.InferOutput<typeof Counter>;

/** How far two honest clocks may differ (requirements, phase 1 section 5.3). */
export const skewMaxS = 90;
