/** A metric has a value only if the bench measured it, of this executable, and it looks like a measurement. */
import { expect, test } from "bun:test";
import { metrics, type Measured, measuredOf, type Subject } from "../../scripts/gates/baseline.ts";
import { metricGates } from "../../scripts/gates/gate-names.ts";
import type { FigureSpec } from "../bench/figure.ts";
import { catalogue } from "../bench/catalogue.ts";
import { type CaseReport, figureOf } from "../bench/report.ts";

const sha256 = "ab".repeat(32);
const subject: Subject = {
  sha256,
  commit: "0123456789ab",
  builtAt: new Date("2026-03-01T10:00:00Z"),
  now: new Date("2026-03-01T12:00:00Z"),
};

const samples: Readonly<Record<string, readonly number[]>> = {
  daemon_cpu: [0.1, 0.2],
  daemon_rss: [50, 51],
  flap_to_first_answer: [400, 500, 600],
  move_to_first_answer: [700, 800, 900],
  renamed_to_applied: [10, 20, 30, 40, 50],
  revoked_to_applied: [10, 20, 30, 40, 60],
  tcp_out_ratio: [0.97, 0.98, 0.99],
  tcp_back_ratio: [0.96, 0.97, 0.98],
  small_datagrams_ratio: [0.9, 0.95, 0.99],
};

/** A report as the bench writes it, with these samples where it measured. */
function report(name: string, taken: typeof samples = samples, changes: Partial<CaseReport> = {}) {
  const specs = catalogue.find((one) => one.name === name)?.figures ?? [];
  const figure = (spec: FigureSpec) => {
    const size = spec.sizedBy === undefined ? null : 3;
    return figureOf(spec, new Map([[size, taken[spec.name] ?? [1]]]));
  };
  const whole: CaseReport = {
    ...{ version: 1, case: name, about: "a case", isQuick: false, ground: "namespaces" },
    machine: { cpu: "a", cores: 2, memoryMb: 1, kernel: "6.1" },
    build: { commit: subject.commit, sha256, bun: "1.4.5" },
    ...{ startedAt: "2026-03-01T11:00:00.000Z", tookMs: 60_000, notes: [] },
    figures: specs.map(figure),
    ...changes,
  };
  return JSON.stringify({ version: 1, cases: [whole] });
}

const cases = [...new Set(metrics.map((metric) => metric.case))];
const whole = Object.fromEntries(cases.map((name) => [name, report(name)]));
const find = (all: readonly Measured[], name: string): Measured => {
  const found = all.find((one) => one.name === name);
  if (found === undefined) throw new Error(`there is a metric ${name}`);
  return found;
};

test("every metric that is required is there, with its threshold", () => {
  expect(metrics.map(({ name, threshold }) => [name, threshold])).toEqual([
    ["idle_cpu", 2],
    ["idle_memory", 120],
    ["reconnect", 5],
    ["policy_apply_p95", 2],
    ["throughput_overhead", 15],
  ]);
  expect(metrics.map(({ name }) => name)).toEqual([...metricGates]);
});

test("every figure that a metric is made of is one that the bench takes", () => {
  for (const metric of metrics) {
    const figures = catalogue.find(({ name }) => name === metric.case)?.figures ?? [];
    expect(figures.map(({ name }) => name)).toEqual(expect.arrayContaining([...metric.figures]));
  }
});

test("what was measured and holds passes, and the worst counts", () => {
  const all = measuredOf(whole, subject);
  expect(all.map(({ pass, findings }) => [pass, findings])).toEqual(all.map(() => [true, []]));
  expect(find(all, "idle_cpu").value).toBe(0.2);
  expect(find(all, "reconnect").value).toBe(0.9);
  expect(find(all, "policy_apply_p95").value).toBeCloseTo(0.056);
  expect(find(all, "throughput_overhead").value).toBeCloseTo(5);
});

test("what is above its threshold has its value and does not pass", () => {
  const slow = report("reconnect", { ...samples, move_to_first_answer: [700, 800, 5_001] });
  const { value, pass } = find(measuredOf({ ...whole, reconnect: slow }, subject), "reconnect");
  expect([value, pass]).toEqual([5.001, false]);
});

const typedIn = (text: string): string => text.replace(/"median":[\d.]+/g, '"median":0.001');
const without = (text: string): string => text.replace('"daemon_cpu"', '"daemon_cpu_then"');

const refused: readonly (readonly [what: string, text: string | null, finding: RegExp])[] = [
  ["is missing", null, /was not measured/],
  ["is empty", '{"version":1,"cases":[]}', /was not measured/],
  ["is of another case", report("reconnect"), /was not measured/],
  ["is cut off", report("idle").slice(0, -9), /not what the bench wrote/],
  ["has a number typed in", typedIn(report("idle")), /does not follow from its samples/],
  ["lacks the figure", without(report("idle")), /says nothing of daemon_cpu/],
  [
    "says that it could not be measured",
    '{"idle_cpu":"not_measurable"}',
    /not what the bench wrote/,
  ],
  [
    "is of another executable",
    report("idle", samples, {
      build: { commit: subject.commit, sha256: "cd".repeat(32), bun: "1" },
    }),
    /another executable/,
  ],
  [
    "is of another commit",
    report("idle", samples, { build: { commit: "ba9876543210", sha256, bun: "1" } }),
    /at commit ba9876543210/,
  ],
  [
    "is older than its executable",
    report("idle", samples, { startedAt: "2026-03-01T09:00:00Z" }),
    /older/,
  ],
  ["is of the future", report("idle", samples, { startedAt: "2026-03-02T09:00:00Z" }), /future/],
];

test.each(refused)("a report that %s gives no value", (_, text, finding) => {
  const measured = find(measuredOf({ ...whole, idle: text }, subject), "idle_cpu");
  expect([measured.value, measured.pass]).toEqual([null, false]);
  expect(measured.findings.join("\n")).toMatch(finding);
});

test("figures of sources that no commit holds give no value", () => {
  const dirty = { ...subject, commit: `${subject.commit}-dirty` };
  expect(measuredOf(whole, dirty).every(({ value }) => value === null)).toBe(true);
});

test("a p95 of a few samples is none", () => {
  const few = report("change", { ...samples, renamed_to_applied: [1, 2, 3, 4] });
  const measured = find(measuredOf({ ...whole, change: few }, subject), "policy_apply_p95");
  expect(measured.findings.join()).toMatch(/4 samples are too few/);
});

test("times that are equal to the last digit were measured by nobody", () => {
  const equal = report("reconnect", { ...samples, flap_to_first_answer: [500, 500, 500] });
  const measured = find(measuredOf({ ...whole, reconnect: equal }, subject), "reconnect");
  expect(measured.findings.join()).toMatch(/no measurement/);
});
