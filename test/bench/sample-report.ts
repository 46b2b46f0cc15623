/** sample-report is a small report as the bench would have written it, for the tests of the bench. */
import type { FigureSpec } from "./figure.ts";
import { type CaseReport, figureOf } from "./report.ts";

export const waiting: FigureSpec = {
  name: "waiting_time",
  unit: "ms",
  better: "less",
  about: "how long nothing happened",
  limit: { of: "median", required: 10, aim: 5 },
};

export const growing: FigureSpec = {
  name: "work",
  unit: "us",
  better: "less",
  sizedBy: "nodes",
  about: "what each node adds",
};

const grown = new Map([
  [10, [100, 100, 100]],
  [100, [1_000, 1_000, 1_000]],
]);

export const sampleReport = (waits: readonly number[] = [4, 6, 8]): CaseReport => ({
  version: 1,
  case: "sample",
  about: "Nothing is measured here.",
  isQuick: true,
  ground: "paper",
  machine: { cpu: "abacus <2 & 3>", cores: 1, memoryMb: 64, kernel: "6.1.0" },
  build: { commit: "0123456789ab", sha256: "ab".repeat(32), bun: "1.4.5" },
  startedAt: "2026-01-02T03:04:05.678Z",
  tookMs: 12,
  notes: ["It never was."],
  figures: [figureOf(waiting, new Map([[null, waits]])), figureOf(growing, grown)],
});
