/**
 * report is what a case leaves behind: its samples, what follows from them, and where and of what they
 * were taken. A number that does not follow from the samples beside it was not measured, and is refused.
 */
import * as v from "valibot";
import { Fault } from "../../src/base/fault.ts";
import { type FigureSpec, judge, type Verdict } from "./figure.ts";
import { growthExponent, summarise } from "./statistics.ts";

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const Text = v.pipe(v.string(), v.minLength(1));
const Sample = v.pipe(v.number(), v.finite());

const Machine = v.strictObject({
  cpu: Text,
  cores: Count,
  memoryMb: Count,
  kernel: Text,
});
export type Machine = v.InferOutput<typeof Machine>;

const Build = v.strictObject({
  commit: Text,
  sha256: v.pipe(v.string(), v.hexadecimal()),
  bun: Text,
});
export type Build = v.InferOutput<typeof Build>;

const Point = v.strictObject({
  size: v.nullable(Count),
  samples: v.pipe(v.array(Sample), v.minLength(1)),
  n: Count,
  median: Sample,
  mad: Sample,
  p05: Sample,
  p95: Sample,
  min: Sample,
  max: Sample,
  verdict: v.picklist(["aim", "required", "missed", "unlimited"] satisfies Verdict[]),
});
export type Point = v.InferOutput<typeof Point>;

const Figure = v.strictObject({
  name: Text,
  unit: v.picklist(["ms", "us", "MB", "kB", "percent", "ratio", "Mbit/s", "packets/s", "1/s"]),
  better: v.picklist(["less", "more"]),
  about: Text,
  sizedBy: v.nullable(Text),
  limit: v.nullable(
    v.strictObject({
      of: v.picklist(["median", "p95"]),
      required: v.nullable(Sample),
      aim: v.nullable(Sample),
    }),
  ),
  points: v.pipe(v.array(Point), v.minLength(1)),
  exponent: v.nullable(Sample),
});
export type Figure = v.InferOutput<typeof Figure>;

export const CaseReport = v.pipe(
  v.strictObject({
    version: v.literal(1),
    case: Text,
    about: Text,
    isQuick: v.boolean(),
    /** What the mesh stands on: how tunnels are made, and where the hosts are. */
    ground: Text,
    machine: Machine,
    build: Build,
    startedAt: v.pipe(v.string(), v.isoTimestamp()),
    tookMs: Count,
    notes: v.array(Text),
    figures: v.pipe(v.array(Figure), v.minLength(1)),
  }),
  v.check(
    ({ figures }) => figures.every((figure) => isMeasured(figure)),
    "a number does not follow from its samples",
  ),
);
export type CaseReport = v.InferOutput<typeof CaseReport>;

/** Everything that the last runs have found out, each case with its own machine and commit. */
export const BenchReport = v.strictObject({ version: v.literal(1), cases: v.array(CaseReport) });
export type BenchReport = v.InferOutput<typeof BenchReport>;

/** Samples of one figure, in the order of taking, by size; null where there is only one. */
export type Samples = ReadonlyMap<number | null, readonly number[]>;

export function figureOf(spec: FigureSpec, samples: Samples): Figure {
  const { name, unit, better, about, sizedBy = null, limit = null } = spec;
  const points = [...samples]
    .sort(([left], [right]) => (left ?? 0) - (right ?? 0))
    .map(([size, taken]): Point => {
      const summary = summarise(taken);
      const verdict = judge(limit === null ? 0 : summary[limit.of], better, limit);
      return { size, samples: [...taken], ...summary, verdict };
    });
  const growth = points.flatMap(({ size, median }) =>
    size === null ? [] : [{ size, value: median }],
  );
  return { name, unit, better, about, sizedBy, limit, points, exponent: growthExponent(growth) };
}

const isMeasured = (figure: Figure): boolean =>
  figure.points.every(({ samples }) => samples.length > 0) &&
  Bun.deepEquals(figure, derive(figure), true);

/** The same figure worked out anew from nothing but its samples. */
function derive(figure: Figure): Figure {
  const { sizedBy, limit, ...rest } = figure;
  const spec: FigureSpec = {
    ...rest,
    ...(sizedBy === null ? {} : { sizedBy }),
    ...(limit === null ? {} : { limit }),
  };
  return figureOf(spec, new Map(figure.points.map(({ size, samples }) => [size, samples])));
}

/** A report as it is in a file. Throws Fault `store_corrupt` for what the bench did not write. */
export function parseBenchReport(text: string, where: string): BenchReport {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), BenchReport), text);
  if (parsed.success) return parsed.output;
  throw new Fault("store_corrupt", `${where}: ${v.summarize(parsed.issues)}`, {
    remedy: "measure anew: scripts/bench",
  });
}
