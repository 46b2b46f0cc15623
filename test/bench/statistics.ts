/** statistics turns samples into the few numbers that describe them. It knows nothing of what they mean. */
import { assert } from "../../src/base/assert.ts";

export type Summary = {
  readonly n: number;
  readonly median: number;
  /** Median of the absolute deviations from the median: half of the samples lie within it. */
  readonly mad: number;
  readonly p05: number;
  readonly p95: number;
  readonly min: number;
  readonly max: number;
};

export function summarise(samples: readonly number[]): Summary {
  assert(samples.length > 0, "there is a sample");
  assert(samples.every(Number.isFinite), "every sample is a number");
  const median = quantile(samples, 0.5);
  return {
    n: samples.length,
    median,
    mad: quantile(
      samples.map((sample) => Math.abs(sample - median)),
      0.5,
    ),
    p05: quantile(samples, 0.05),
    p95: quantile(samples, 0.95),
    min: quantile(samples, 0),
    max: quantile(samples, 1),
  };
}

/** Between two samples it is their weighted mean (type 7 of Hyndman and Fan, 1996). */
export function quantile(samples: readonly number[], part: number): number {
  assert(part >= 0 && part <= 1, "a part is from 0 to 1");
  const sorted = samples.toSorted((left, right) => left - right);
  const place = (sorted.length - 1) * part;
  const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  assert(low !== undefined && high !== undefined, "there is a sample");
  return low + (high - low) * (place - Math.floor(place));
}

export type Point = { readonly size: number; readonly value: number };

/**
 * The exponent k of value = c * size^k that fits best: the slope of a straight line through the
 * logarithms. 0 is flat, 1 grows in proportion. Null without two sizes, or with a value that has no
 * logarithm.
 */
export function growthExponent(points: readonly Point[]): number | null {
  if (new Set(points.map(({ size }) => size)).size < 2) return null;
  if (points.some(({ size, value }) => size <= 0 || value <= 0)) return null;
  const xs = points.map(({ size }) => Math.log(size));
  const ys = points.map(({ value }) => Math.log(value));
  const [meanX, meanY] = [mean(xs), mean(ys)];
  const covariance = xs.reduce((sum, x, i) => sum + (x - meanX) * ((ys[i] ?? 0) - meanY), 0);
  const variance = xs.reduce((sum, x) => sum + (x - meanX) ** 2, 0);
  return covariance / variance;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
