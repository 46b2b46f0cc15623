/**
 * baseline turns what the bench measured of the executable that this tree builds into the metrics of phase
 * 1. What was not measured, is of another executable, or does not look like a measurement has no value.
 */
import { type BenchReport, type CaseReport, parseBenchReport } from "../../test/bench/report.ts";
import type { metricGates } from "./gate-names.ts";

type MetricName = (typeof metricGates)[number];
type Statistic = "median" | "p95" | "max" | "min";

type Metric = {
  readonly name: MetricName;
  readonly unit: string;
  readonly threshold: number;
  readonly about: string;
  /** Where the bench keeps it: the worst of these figures, at each of their sizes, counts. */
  readonly case: string;
  readonly figures: readonly string[];
  readonly of: Statistic;
  /** From the bench's unit to ours. */
  readonly convert: (value: number) => number;
  /** Fewer do not make that statistic. */
  readonly samplesMin: number;
  /** Times are never equal to the last digit; numbers that are were written by somebody. */
  readonly varies: boolean;
};

const same = (value: number): number => value;

export const metrics: readonly Metric[] = [
  {
    name: "idle_cpu",
    unit: "percent of one core",
    threshold: 2,
    about: "the daemon when nothing happens, at the number of peers where it is most",
    case: "idle",
    figures: ["daemon_cpu"],
    of: "max",
    convert: same,
    samplesMin: 1,
    varies: false,
  },
  {
    name: "idle_memory",
    unit: "MB resident",
    threshold: 120,
    about: "the daemon's memory, its program text included, where it is most",
    case: "idle",
    figures: ["daemon_rss"],
    of: "max",
    convert: same,
    samplesMin: 1,
    varies: false,
  },
  {
    name: "reconnect",
    unit: "s",
    threshold: 5,
    about: "the longest, of a link that was down and of an address that changed",
    case: "reconnect",
    figures: ["flap_to_first_answer", "move_to_first_answer"],
    of: "max",
    convert: (ms) => ms / 1_000,
    samplesMin: 3,
    varies: true,
  },
  {
    name: "policy_apply_p95",
    unit: "s",
    threshold: 2,
    about: "from an operator's change to its being in force on the last node, p95",
    case: "change",
    figures: ["renamed_to_applied", "revoked_to_applied"],
    of: "p95",
    convert: (ms) => ms / 1_000,
    samplesMin: 5,
    varies: true,
  },
  {
    name: "throughput_overhead",
    unit: "percent",
    threshold: 15,
    about: "what the product's tunnel loses against the same tunnel made by hand, the worst kind",
    case: "throughput",
    figures: ["tcp_out_ratio", "tcp_back_ratio", "small_datagrams_ratio"],
    of: "median",
    convert: (ratio) => (1 - ratio) * 100,
    samplesMin: 3,
    varies: true,
  },
];

export type Measured = {
  readonly name: MetricName;
  readonly about: string;
  readonly value: number | null;
  readonly unit: string;
  readonly threshold: number;
  readonly pass: boolean;
  readonly samples: number;
  /** On what it was measured, for how long, and what a reader has to know. Null without a report. */
  readonly measured: Circumstances | null;
  /** Why there is no value, or why it does not pass. */
  readonly findings: readonly string[];
};

type Circumstances = Pick<CaseReport, "ground" | "machine" | "startedAt" | "isQuick" | "notes">;

/** The executable that figures have to be of, and when it was made. */
export type Subject = {
  readonly sha256: string;
  readonly commit: string;
  readonly builtAt: Date;
  readonly now: Date;
};

/** `texts`: the bench's files by the name of their case; null where there is none. */
export function measuredOf(
  texts: Readonly<Record<string, string | null>>,
  subject: Subject,
): readonly Measured[] {
  return metrics.map((metric) => {
    const read = readCase(texts[metric.case] ?? null, metric.case, subject);
    return "findings" in read ? without(metric, read.findings) : measure(metric, read.report);
  });
}

const without = (
  { name, about, unit, threshold }: Metric,
  findings: readonly string[],
  samples = 0,
): Measured => ({
  ...{ name, about, value: null, unit, threshold, pass: false, samples },
  ...{ measured: null, findings },
});

type Read = { readonly report: CaseReport } | { readonly findings: readonly string[] };

function readCase(text: string | null, name: string, subject: Subject): Read {
  const remedy = `measure it: scripts/bench ${name}`;
  if (text === null) return { findings: [`was not measured; ${remedy}`] };
  let parsed: BenchReport;
  try {
    parsed = parseBenchReport(text, name);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { findings: [`is not what the bench wrote (${why}); ${remedy}`] };
  }
  const report = parsed.cases.find((one) => one.case === name);
  if (report === undefined) return { findings: [`was not measured; ${remedy}`] };
  const findings = staleness(report, subject).map((why) => `${why}; ${remedy}`);
  return findings.length === 0 ? { report } : { findings };
}

function staleness({ build, startedAt, tookMs }: CaseReport, subject: Subject): readonly string[] {
  const started = Date.parse(startedAt);
  return [
    ...(build.sha256 === subject.sha256 ? [] : ["was measured of another executable"]),
    ...(build.commit === subject.commit
      ? []
      : [`was measured at commit ${build.commit}, this is ${subject.commit}`]),
    ...(subject.commit.endsWith("-dirty")
      ? ["is of sources that no commit holds: commit them first"]
      : []),
    ...(started < subject.builtAt.getTime() ? ["claims to be older than its executable"] : []),
    ...(started + tookMs > subject.now.getTime() ? ["claims to be of the future"] : []),
  ];
}

function measure(metric: Metric, report: CaseReport): Measured {
  const { figures, ground, machine, startedAt, isQuick, notes } = report;
  const found = metric.figures.map((name) => figures.find((figure) => figure.name === name));
  const missing = metric.figures.filter((_, i) => found[i] === undefined);
  if (missing.length > 0)
    return without(metric, [`the bench says nothing of ${missing.join(", ")}`]);
  const points = found.flatMap((figure) => figure?.points ?? []);
  const samples = Math.min(...points.map(({ n }) => n));
  if (samples < metric.samplesMin) {
    const few = `${samples} samples are too few for the ${metric.of}, ${metric.samplesMin} are needed`;
    return without(metric, [few], samples);
  }
  if (metric.varies && points.some(({ min, max }) => min === max)) {
    return without(metric, ["all samples are equal: that is no measurement"], samples);
  }
  const value = Math.max(...points.map((point) => metric.convert(point[metric.of])));
  const pass = value <= metric.threshold;
  const { name, about, unit, threshold } = metric;
  const findings = pass ? [] : [`${round(value)} ${unit} are more than ${threshold}`];
  const measured = { ground, machine, startedAt, isQuick, notes };
  return { name, about, value, unit, threshold, pass, samples, measured, findings };
}

export const round = (value: number): number => Number(value.toPrecision(3));
