/** report: what the bench wrote is read back, and what somebody typed into it is refused. */
import { expect, test } from "bun:test";
import { parseBenchReport } from "./report.ts";
import { sampleReport } from "./sample-report.ts";

const text = (change: (report: ReturnType<typeof plain>) => void = () => {}): string => {
  const report = plain();
  change(report);
  return JSON.stringify({ version: 1, cases: [report] });
};
const plain = () => JSON.parse(JSON.stringify(sampleReport()));
const codeOf = (report: string): string => {
  try {
    parseBenchReport(report, "here");
    return "accepted";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "broken";
  }
};

test("a report is what it was before it was written", () => {
  expect(parseBenchReport(text(), "here").cases).toEqual([sampleReport()]);
});

test.each([
  ["a median", (report) => (report.figures[0].points[0].median = 1)],
  ["a sample", (report) => (report.figures[0].points[0].samples[0] = 1)],
  ["a number of samples", (report) => (report.figures[0].points[0].n = 30)],
  ["a verdict", (report) => (report.figures[0].points[0].verdict = "aim")],
  ["an exponent", (report) => (report.figures[1].exponent = 0)],
] as const satisfies [string, (report: ReturnType<typeof plain>) => void][])(
  "%s that was typed in is refused",
  (_what, change) => expect(codeOf(text(change))).toBe("store_corrupt"),
);

test.each([
  ["no figure", (report) => (report.figures = [])],
  ["no sample", (report) => (report.figures[0].points[0].samples = [])],
  ["no machine", (report) => delete report.machine],
  ["no commit", (report) => (report.build.commit = "")],
  ["no time", (report) => (report.startedAt = "yesterday")],
  ["a field that nobody knows", (report) => (report.extra = 1)],
  ["another version", (report) => (report.version = 2)],
] as const satisfies [string, (report: ReturnType<typeof plain>) => void][])(
  "a report with %s is refused",
  (_what, change) => expect(codeOf(text(change))).toBe("store_corrupt"),
);

test("what is no JSON is refused, with the place and the way out", () => {
  expect(() => parseBenchReport("{", "perf.json")).toThrow(
    expect.objectContaining({ code: "store_corrupt", remedy: "measure anew: scripts/bench" }),
  );
});
