/** bench: a case measures every figure it declares, and two things in turn. */
import { expect, test } from "bun:test";
import { alternate, Bench } from "./bench.ts";
import { catalogue } from "./catalogue.ts";
import { type FigureSpec, judge } from "./figure.ts";
import { growing, waiting } from "./sample-report.ts";

const open = (figures: readonly FigureSpec[] = [waiting, growing]): Bench =>
  new Bench({ figures, isQuick: true, say: () => {} });

test("what was recorded comes back, by size and with its exponent", () => {
  const bench = open();
  for (const ms of [4, 6, 8]) bench.record("waiting_time", ms);
  for (const size of [100, 10]) bench.record("work", size * 3, size);
  const [wait, work] = bench.figures();
  expect(wait?.points[0]).toMatchObject({ size: null, n: 3, median: 6, verdict: "required" });
  expect(work?.points.map(({ size, median }) => [size, median])).toEqual([
    [10, 30],
    [100, 300],
  ]);
  expect(work?.exponent).toBeCloseTo(1, 9);
});

test("a figure that was not measured is a bug of its case", () => {
  const bench = open();
  bench.record("waiting_time", 1);
  expect(() => bench.figures()).toThrow("work was measured");
});

test.each([
  ["nonsense", 1, undefined, "nonsense is a figure of this case"],
  ["waiting_time", Number.NaN, undefined, "waiting_time is NaN"],
  ["waiting_time", -1, undefined, "waiting_time is -1"],
  ["waiting_time", 1, 5, "waiting_time is taken by its size"],
  ["work", 1, undefined, "work is taken by its size"],
])("recording %p as %p at size %p is refused", (name, value, size, why) => {
  expect(() => open().record(name, value, size)).toThrow(why);
});

test("two figures of one name are refused", () => {
  expect(() => open([waiting, waiting])).toThrow("a name of its own");
});

test("each of two things is first in every other round, and the first round only warms up", async () => {
  const order: string[] = [];
  const run = (name: string) => async (round: number) => {
    order.push(name);
    return `${name}${round}`;
  };
  const pairs = await alternate(3, run("product"), run("bare"));
  expect(order).toEqual([
    ...["product", "bare", "bare", "product"],
    ...["product", "bare", "bare", "product"],
  ]);
  expect(pairs).toEqual([1, 2, 3].map((i) => ({ product: `product${i}`, bare: `bare${i}` })));
});

test.each([
  [4, "less", "aim"],
  [5, "less", "aim"],
  [7, "less", "required"],
  [11, "less", "missed"],
  [4, "more", "missed"],
  [10, "more", "aim"],
] as const)("%p, of which %p is better, is judged %p", (value, better, verdict) => {
  const limit = {
    of: "median",
    required: better === "less" ? 10 : 5,
    aim: better === "less" ? 5 : 10,
  };
  expect(judge(value, better, limit as Parameters<typeof judge>[2])).toBe(verdict);
});

test("without anything required, an aim that is not met is missed", () => {
  expect(judge(2, "less", { of: "p95", required: null, aim: 1 })).toBe("missed");
  expect(judge(2, "less", { of: "p95", required: null, aim: null })).toBe("unlimited");
  expect(judge(2, "less", null)).toBe("unlimited");
});

test("every case has a name and figures of its own, said in whole words", () => {
  const names = catalogue.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, about, figures } of catalogue) {
    expect(name).toMatch(/^[a-z]+$/);
    expect(about).toMatch(/^[A-Z].*\.$/);
    for (const figure of figures) expect(figure.name).toMatch(/^[a-z]+(?:_[a-z]+)*$/);
    expect(() => open(figures)).not.toThrow();
  }
});
