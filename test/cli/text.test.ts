/** text: exact words for people, and nothing in them that a terminal would act upon. */
import { describe, expect, test } from "bun:test";
import { parseCount, parseDurationS } from "../../src/cli/quantity.ts";
import {
  quoted,
  renderJson,
  renderMoment,
  renderRoundTrip,
  renderSize,
  renderSpan,
  renderTable,
} from "../../src/cli/text.ts";
import { nowS } from "./stage.ts";

const textsOf = (lines: ReturnType<typeof renderTable>) =>
  lines.map((line) => (typeof line === "string" ? line : line.text));

test("a table's columns are as wide as their widest cell, as a terminal counts", () => {
  const lines = renderTable(
    [{ title: "NAME" }, { title: "N", align: "right" }, { title: "LAST" }],
    [
      ["漢字", "1", "x"],
      ["", "1000", ""],
    ],
  );
  expect(textsOf(lines)).toEqual(["NAME     N  LAST", "漢字     1  x", "-     1000  -"]);
});

test("a cell from outside can neither move the cursor nor break the table", () => {
  const [, line] = textsOf(renderTable([{ title: "A" }], [["\u001b[2J\n\u202eevil"]]));
  expect(line).toBe("\\u{1b}[2J\\u{a}\\u{202e}evil");
});

test("a cell of 300 letters is cut", () => {
  const [, line] = textsOf(renderTable([{ title: "A" }], [["x".repeat(300)]]));
  expect(line).toBe(`${"x".repeat(63)}…`);
});

describe("what somebody typed is shown so that it deceives nobody", () => {
  test.each([
    ["alpha", '"alpha"'],
    ["", '""'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ["a\nb\u001b[31m", '"a\\u{a}b\\u{1b}[31m"'],
    ["\u0430lpha", '"\\u{430}lpha"'],
    ["\u{1f600}", '"\\u{1f600}"'],
    ["x".repeat(300), `"${"x".repeat(40)}" and 260 letters more`],
  ])("%j", (text, shown) => {
    expect(quoted(text)).toBe(shown);
  });
});

test.each([
  [0, "0 s"],
  [-5, "0 s"],
  [119, "119 s"],
  [120, "2 min"],
  [7_199, "120 min"],
  [7_200, "2 h"],
  [172_799, "48 h"],
  [172_800, "2 days"],
])("%p seconds are %p", (seconds, shown) => {
  expect(renderSpan(seconds)).toBe(shown);
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1_000, "1.0 kB"],
  [9_949, "9.9 kB"],
  [9_950, "10 kB"],
  [999_499, "999 kB"],
  [999_500, "1.0 MB"],
  [1_234_567, "1.2 MB"],
  [34_000_000_000, "34 GB"],
])("%p bytes are %p", (bytes, shown) => {
  expect(renderSize(bytes)).toBe(shown);
});

test.each([
  [0, "0 us"],
  [999, "999 us"],
  [1_234, "1.23 ms"],
  [2_100_000, "2.10 s"],
])("%p microseconds are %p", (us, shown) => {
  expect(renderRoundTrip(us)).toBe(shown);
});

test("a moment is told in UTC", () => {
  expect(renderMoment(nowS)).toBe("2026-11-21 04:00 UTC");
});

test("JSON keeps every letter and hands none to the terminal that it would act upon", () => {
  const text = renderJson({ name: "a\u009b31m\u202e\u{e0001}\u2028b" });
  expect(text).toBe('{\n  "name": "a\\u009b31m\\u202e\\udb40\\udc01\\u2028b"\n}');
  expect(JSON.parse(text)).toEqual({ name: "a\u009b31m\u202e\u{e0001}\u2028b" });
});

test.each([
  ["90s", 90],
  ["5m", 300],
  ["1h30m", 5_400],
  ["7d", 604_800],
  ["1d1h1m1s", 90_061],
])("%p is %p seconds", (text, seconds) => {
  expect(parseDurationS("--timeout", text)).toBe(seconds);
});

test.each(["", "0s", "5", "-5s", "5 m", "m", "1m1h", "1.5h", "1e3s", "9999999999s", "5M"])(
  "%p is no span of time",
  (text) => {
    expect(() => parseDurationS("--timeout", text)).toThrow("is no span of time");
  },
);

test.each(["", "0", "6", "-1", "1.0", "1e0", "0x1", " 1", "99999999999"])(
  "%p is no number from 1 to 5",
  (text) => {
    expect(() => parseCount("-c", text, 1, 5)).toThrow("is no number from 1 to 5");
  },
);
