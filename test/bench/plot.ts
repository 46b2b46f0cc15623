/** plot draws figures that grow with size as an SVG: both axes logarithmic, so that a power is a line. */
import { assert } from "../../src/base/assert.ts";
import type { CaseReport, Figure } from "./report.ts";
import { renderNumber } from "./text.ts";

const [width, height] = [640, 400];
const margin = { left: 70, right: 200, top: 40, bottom: 50 };
const colours = ["#0b6e99", "#c1440e", "#3a7d44", "#7d3a6e", "#8a6d00", "#444444"];

/** Null when nothing of the case was taken at two sizes or more. */
export function renderPlot(report: CaseReport): string | null {
  const grown = report.figures.filter((figure) => pointsOf(figure).length > 1);
  const [first] = grown;
  if (first === undefined) return null;
  // Other units would need axes of their own.
  const drawn = grown.filter(
    ({ unit, sizedBy }) => unit === first.unit && sizedBy === first.sizedBy,
  );
  const all = drawn.flatMap(pointsOf);
  const x = axis(
    all.map(({ size }) => size),
    margin.left,
    width - margin.right,
  );
  const y = axis(
    all.map(({ value }) => value),
    height - margin.bottom,
    margin.top,
  );
  const lines = drawn.map((figure, i) =>
    lineOf(figure, x, y, colours[i % colours.length] ?? "", i),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(margin.left, 22, `${report.case}: median, in ${first.unit}, by ${first.sizedBy ?? ""}`),
    ...x.ticks.map(({ at, label }) => tick(at, height - margin.bottom + 18, label, "middle")),
    ...y.ticks.map(({ at, label }) => tick(margin.left - 8, at + 4, label, "end")),
    ...y.ticks.map(
      ({ at }) =>
        `<line x1="${margin.left}" x2="${width - margin.right}" y1="${at}" y2="${at}" stroke="#dddddd"/>`,
    ),
    ...lines,
    "</svg>",
    "",
  ].join("\n");
}

type Drawn = { readonly size: number; readonly value: number };

const pointsOf = ({ points }: Figure): readonly Drawn[] =>
  points.flatMap(({ size, median }) =>
    size === null || size <= 0 || median <= 0 ? [] : [{ size, value: median }],
  );

type Axis = {
  readonly place: (value: number) => number;
  readonly ticks: readonly { readonly at: number; readonly label: string }[];
};

/** From the power of ten below the smallest to the one above the largest. */
function axis(values: readonly number[], from: number, to: number): Axis {
  assert(values.length > 0, "an axis has values");
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const place = (value: number): number =>
    Math.round((from + ((Math.log10(value) - low) / (high - low)) * (to - from)) * 10) / 10;
  const powers = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  return {
    place,
    ticks: powers.map((power) => ({ at: place(power), label: renderNumber(power) })),
  };
}

function lineOf(figure: Figure, x: Axis, y: Axis, colour: string, index: number): string {
  const places = pointsOf(figure).map(({ size, value }) => [x.place(size), y.place(value)]);
  const path = places.map(([left, top]) => `${left},${top}`).join(" ");
  const exponent = figure.exponent === null ? "" : ` (size^${figure.exponent.toFixed(2)})`;
  const label = figure.name.replaceAll("_", " ") + exponent;
  return [
    `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...places.map(([left, top]) => `<circle cx="${left}" cy="${top}" r="3" fill="${colour}"/>`),
    text(width - margin.right + 10, margin.top + 16 * index, label, colour),
  ].join("\n");
}

const text = (left: number, top: number, words: string, colour = "#000000"): string =>
  `<text x="${left}" y="${top}" fill="${colour}">${Bun.escapeHTML(words)}</text>`;

const tick = (left: number, top: number, words: string, anchor: string): string =>
  `<text x="${left}" y="${top}" fill="#555555" text-anchor="${anchor}">${Bun.escapeHTML(words)}</text>`;
