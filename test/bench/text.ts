/** text renders reports for people: a table, the difference between two runs, and a page of Markdown. */
import type { BenchReport, CaseReport, Figure, Point } from "./report.ts";
import type { Verdict } from "./figure.ts";

const digits = 3;

/** Three digits, and no exponent as long as people count without one. */
export function renderNumber(value: number): string {
  if (value === 0) return "0";
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(digits)));
}

type Row = readonly string[];

const headings: Row = ["figure", "n", "median", "± MAD", "p95", "unit", "required", "aim", ""];

const verdictText: Readonly<Record<Verdict, string>> = {
  aim: "meets the aim",
  required: "meets what is required",
  missed: "MISSED",
  unlimited: "",
};

function rowOf(figure: Figure, point: Point): Row {
  const { unit, limit, sizedBy } = figure;
  const at = point.size === null ? "" : ` at ${renderNumber(point.size)} ${sizedBy ?? ""}`;
  return [
    figure.name.replaceAll("_", " ") + at,
    String(point.n),
    renderNumber(point.median),
    renderNumber(point.mad),
    renderNumber(point.p95),
    unit,
    boundOf(figure, limit?.required),
    boundOf(figure, limit?.aim),
    verdictText[point.verdict],
  ];
}

function boundOf({ better, limit }: Figure, bound: number | null | undefined): string {
  if (bound === null || bound === undefined) return "";
  const which = limit?.of === "p95" ? "p95 " : "";
  return `${which}${better === "less" ? "≤" : "≥"} ${renderNumber(bound)}`;
}

const rowsOf = ({ figures }: CaseReport): readonly Row[] =>
  figures.flatMap((figure) => figure.points.map((point) => rowOf(figure, point)));

const growthOf = ({ figures }: CaseReport): readonly string[] =>
  figures.flatMap(({ name, exponent, sizedBy }) =>
    exponent === null
      ? []
      : [
          `${name.replaceAll("_", " ")} grows with ${sizedBy} to the power of ${exponent.toFixed(2)}`,
        ],
  );

export function renderCase(report: CaseReport): string {
  const { about, notes } = report;
  const table = align([headings, ...rowsOf(report)]);
  return [`${report.case}: ${about}`, ...table, ...growthOf(report), ...notes]
    .map((line, i) => (i === 0 ? line : `  ${line}`))
    .join("\n");
}

/** Columns of one width; numbers to the right. */
function align(rows: readonly Row[]): readonly string[] {
  const widths = headings.map((_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length)));
  const isNumeric = (column: number): boolean => column >= 1 && column <= 4;
  return rows.map((row) =>
    row
      .map((cell, i) =>
        isNumeric(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}

/** For each figure that both have: what it was, what it is, and the ratio of the medians. */
export function renderComparison(before: BenchReport, after: BenchReport): string {
  const old = new Map(before.cases.flatMap((report) => medians(report)));
  const rows = after.cases.flatMap((report) =>
    medians(report).map(([label, { value, unit }]): Row => {
      const was = old.get(label);
      if (was === undefined) return [label, "new", renderNumber(value), unit, ""];
      const ratio = was.value === 0 ? "" : `× ${(value / was.value).toFixed(2)}`;
      return [label, renderNumber(was.value), renderNumber(value), unit, ratio];
    }),
  );
  const all: readonly Row[] = [["figure", "before", "now", "unit", "ratio"], ...rows];
  const widths = [0, 1, 2, 3, 4].map((i) => Math.max(...all.map((row) => (row[i] ?? "").length)));
  return all
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function medians(report: CaseReport): [string, { value: number; unit: string }][] {
  return report.figures.flatMap(({ name, unit, points }) =>
    points.map(({ size, median }): [string, { value: number; unit: string }] => [
      `${report.case}/${name}${size === null ? "" : `/${size}`}`,
      { value: median, unit },
    ]),
  );
}

/** The page's part that the bench writes, between its two marks. */
export function renderMarkdown({ cases }: BenchReport): string {
  return cases.map(markdownOf).join("\n\n");
}

function markdownOf(report: CaseReport): string {
  const { machine, build, isQuick, startedAt, ground, notes } = report;
  const length = isQuick ? "a quick run" : "a full run";
  const where = `${machine.cpu}, ${machine.cores} cores, ${machine.memoryMb} MB, Linux ${machine.kernel}`;
  const cells = (row: Row): string => `| ${row.join(" | ")} |`;
  return [
    `### ${report.case}`,
    "",
    `${report.about}`,
    "",
    cells(headings),
    cells(headings.map((_, i) => (i >= 1 && i <= 4 ? "---:" : "---"))),
    ...rowsOf(report).map(cells),
    "",
    ...report.figures.map(({ name, about }) => `- _${name.replaceAll("_", " ")}_: ${about}`),
    ...growthOf(report).map((line) => `- ${line}.`),
    ...notes.map((note) => `- ${note}`),
    "",
    `Commit ${build.commit}, Bun ${build.bun}, ${startedAt.slice(0, 10)}, ${length}, ${ground}, on ${where}.`,
  ].join("\n");
}
