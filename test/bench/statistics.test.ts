/** statistics: the numbers that describe samples are those of the textbook. */
import { expect, test } from "bun:test";
import { growthExponent, quantile, summarise } from "./statistics.ts";

test.each([
  [[1], 0.95, 1],
  [[1, 2], 0.5, 1.5],
  [[3, 1, 2], 0.5, 2],
  [[1, 2, 3, 4, 5], 0.25, 2],
  [[0, 10], 0.95, 9.5],
  [[10, 2, 33, 4], 0, 2],
  [[10, 2, 33, 4], 1, 33],
])("of %p the part %p lies below %p", (samples, part, value) => {
  expect(quantile(samples, part)).toBeCloseTo(value, 12);
});

test("one outlier moves neither the median nor the spread", () => {
  const calm = summarise([10, 11, 12, 13, 14]);
  const upset = summarise([10, 11, 12, 13, 9_999]);
  expect([calm.median, calm.mad]).toEqual([12, 1]);
  expect([upset.median, upset.mad]).toEqual([12, 1]);
  expect([upset.n, upset.min, upset.max]).toEqual([5, 10, 9_999]);
});

test("nothing, and what is no number, describes nothing", () => {
  expect(() => summarise([])).toThrow("there is a sample");
  expect(() => summarise([1, Number.NaN])).toThrow("every sample is a number");
  expect(() => summarise([Number.POSITIVE_INFINITY])).toThrow("every sample is a number");
});

test.each([0, 0.5, 1, 2, -1])("what grows with the power of %p is said to", (power) => {
  const points = [3, 10, 1_000, 50_000].map((size) => ({ size, value: 7 * size ** power }));
  expect(growthExponent(points)).toBeCloseTo(power, 9);
});

test("noise around a power leaves the exponent near it", () => {
  const points = [10, 100, 1_000].map((size, i) => ({
    size,
    value: size * (i === 1 ? 1.1 : 0.95),
  }));
  expect(growthExponent(points)).toBeCloseTo(1, 1);
});

test("one size, and a value without a logarithm, have no exponent", () => {
  expect(growthExponent([])).toBeNull();
  expect(
    growthExponent([
      { size: 5, value: 1 },
      { size: 5, value: 2 },
    ]),
  ).toBeNull();
  expect(
    growthExponent([
      { size: 5, value: 0 },
      { size: 9, value: 2 },
    ]),
  ).toBeNull();
  expect(
    growthExponent([
      { size: 0, value: 1 },
      { size: 9, value: 2 },
    ]),
  ).toBeNull();
});
