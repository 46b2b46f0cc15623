/** files keeps what was measured under artifacts/perf, a file for each case and one for all of them. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { output } from "../../scripts/run.ts";
import { Fault } from "../../src/base/fault.ts";
import { renderPlot } from "./plot.ts";
import { type BenchReport, type CaseReport, parseBenchReport } from "./report.ts";
import { renderMarkdown } from "./text.ts";

const root = resolve(import.meta.dir, "../..");
const folder = join(root, "artifacts/perf");
const latest = join(folder, "latest.json");
const page = join(root, "docs/performance.md");
const begin =
  /^<!-- figures: written by scripts\/bench --write-docs, sha256 ([0-9a-f]{64}|none) -->$/m;
const end = "<!-- end of figures -->";

const pathOf = (name: string, ending: "json" | "svg"): string => join(folder, `${name}.${ending}`);

/** A case that fails leaves nothing: an older result would pass for the new one. */
export function forget(name: string): void {
  rmSync(pathOf(name, "json"), { force: true });
  rmSync(pathOf(name, "svg"), { force: true });
}

export function keep(report: CaseReport): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(pathOf(report.case, "json"), encode({ version: 1, cases: [report] }));
  const plot = renderPlot(report);
  if (plot !== null) writeFileSync(pathOf(report.case, "svg"), plot);
}

/** Puts what there is of each case into one file, in the order of `names`, and returns it. */
export function combine(names: readonly string[]): BenchReport {
  const there = new Set(existsSync(folder) ? readdirSync(folder) : []);
  const cases = names
    .filter((name) => there.has(`${name}.json`))
    .flatMap((name) => read(pathOf(name, "json")).cases);
  const report: BenchReport = { version: 1, cases };
  if (cases.length > 0) writeFileSync(latest, encode(report));
  return report;
}

/** Throws Fault `not_found`, or `store_corrupt` for what the bench did not write. */
export function read(path: string): BenchReport {
  if (!existsSync(path)) throw new Fault("not_found", `there is no ${path}`);
  return parseBenchReport(readFileSync(path, "utf8"), path);
}

const encode = (report: BenchReport): string => `${JSON.stringify(report, null, 1)}\n`;

/** Of the words: the formatter may align the tables. */
function hashOf(text: string): string {
  const words = text.replaceAll(/-{2,}/g, "--").replaceAll(/\s+/g, " ").trim();
  return new Bun.CryptoHasher("sha256").update(words).digest("hex");
}

/**
 * Puts figures into docs/performance.md, in the form that `bun fmt` gives every page. What the page holds of
 * cases of `names` that the report has not stays. Throws Fault `store_corrupt` when the bench did not write that.
 */
export async function writePage(report: BenchReport, names: readonly string[]): Promise<void> {
  const text = readFileSync(page, "utf8");
  const parts = splitPage(text);
  if (!isAsWritten(text))
    throw new Fault(
      "store_corrupt",
      "docs/performance.md has figures that the bench did not write",
      {
        remedy: "git checkout docs/performance.md",
      },
    );
  const figures = `\n\n${mergeSections(parts.figures, report, names)}\n\n`;
  const mark = `<!-- figures: written by scripts/bench --write-docs, sha256 ${hashOf(figures)} -->`;
  writeFileSync(page, `${parts.before}${mark}${figures}${end}${parts.after}`);
  await output([process.execPath, "fmt", page], root);
}

/** Whether the figures of a page are those that the bench wrote into it. */
export function isAsWritten(text: string): boolean {
  const { figures, hash } = splitPage(text);
  return hash === hashOf(figures);
}

/** One section for each case, in the order of `names`: as reported now, or else as it was. */
export function mergeSections(
  before: string,
  { cases }: BenchReport,
  names: readonly string[],
): string {
  const sections = new Map(
    before.split(/^(?=### )/m).flatMap((text): [string, string][] => {
      const name = /^### (\S+)$/m.exec(text)?.[1];
      return name === undefined ? [] : [[name, text.trim()]];
    }),
  );
  for (const one of cases) sections.set(one.case, renderMarkdown({ version: 1, cases: [one] }));
  return names.flatMap((name) => sections.get(name) ?? []).join("\n\n");
}

function splitPage(text: string) {
  const opened = begin.exec(text);
  const endAt = text.indexOf(end);
  if (opened === null || endAt < opened.index)
    throw new Fault("store_corrupt", "docs/performance.md has lost the marks around its figures");
  const startAt = opened.index + opened[0].length;
  return {
    before: text.slice(0, opened.index),
    hash: opened[1] ?? "",
    figures: text.slice(startAt, endAt),
    after: text.slice(endAt + end.length),
  };
}
