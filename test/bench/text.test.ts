/** text and plot: figures as people see them. */
import { expect, test } from "bun:test";
import { renderPlot } from "./plot.ts";
import { sampleReport } from "./sample-report.ts";
import { renderCase, renderComparison, renderMarkdown, renderNumber } from "./text.ts";

test.each([
  [0, "0"],
  [0.012345, "0.0123"],
  [1.5, "1.5"],
  [99.96, "100"],
  [999.4, "999"],
  [1_234.5, "1,235"],
  [2e6, "2,000,000"],
])("%p is shown as %p", (value, shown) => {
  expect(renderNumber(value)).toBe(shown);
});

test("a case is a table, how it grows, and what to know about it", () => {
  expect(renderCase(sampleReport()).split("\n")).toEqual([
    "sample: Nothing is measured here.",
    "  figure             n  median  ± MAD    p95  unit  required  aim",
    "  waiting time       3       6      2    7.8  ms    ≤ 10      ≤ 5  meets what is required",
    "  work at 10 nodes   3     100      0    100  us",
    "  work at 100 nodes  3   1,000      0  1,000  us",
    "  work grows with nodes to the power of 1.00",
    "  It never was.",
  ]);
});

test("two runs are compared figure by figure", () => {
  const [before, after] = [
    [8, 8, 8],
    [4, 4, 4],
  ].map((waits) => ({
    version: 1 as const,
    cases: [sampleReport(waits)],
  }));
  if (before === undefined || after === undefined) throw new Error("two runs");
  const lines = renderComparison(before, after).split("\n");
  expect(lines[1]).toBe("sample/waiting_time  8       4      ms    × 0.50");
  expect(lines[2]).toBe("sample/work/10       100     100    us    × 1.00");
  const alone = renderComparison({ version: 1, cases: [] }, after).split("\n");
  expect(alone[1]).toBe("sample/waiting_time  new     4      ms");
});

test("a page of Markdown names machine, commit and day of each case", () => {
  const page = renderMarkdown({ version: 1, cases: [sampleReport()] });
  expect(page).toContain("### sample\n\nNothing is measured here.\n\n| figure |");
  expect(page).toContain("| work at 100 nodes | 3 | 1,000 | 0 | 1,000 | us |  |  |  |");
  expect(page).toContain("- _waiting time_: how long nothing happened");
  expect(page).toContain(
    "Commit 0123456789ab, Bun 1.4.5, 2026-01-02, a quick run, paper, on abacus <2 & 3>, 1 cores",
  );
});

test("what grows is plotted with both axes logarithmic, and a power is a straight line", () => {
  const plot = renderPlot(sampleReport()) ?? "";
  expect(plot).toStartWith("<svg ");
  expect(plot).toContain("work (size^1.00)");
  expect(plot).toContain('points="70,350 440,40"');
  expect(plot.match(/<circle /g)).toHaveLength(2);
});

test("text in a plot cannot end its element", () => {
  const report = { ...sampleReport(), case: "a</text><script>" };
  expect(renderPlot(report)).not.toContain("<script>");
});

test("without growth there is no plot", () => {
  const { figures, ...rest } = sampleReport();
  expect(renderPlot({ ...rest, figures: figures.slice(0, 1) })).toBeNull();
});
