/** figure says what a case finds out: in which unit, whether less is better, and what is asked of it. */

export type Unit = "ms" | "us" | "MB" | "kB" | "percent" | "ratio" | "Mbit/s" | "packets/s" | "1/s";

/** What design.md holds a figure to. `of`: which number of the samples is meant. */
export type Limit = {
  readonly of: "median" | "p95";
  readonly required: number | null;
  readonly aim: number | null;
};

export type FigureSpec = {
  readonly name: string;
  readonly unit: Unit;
  readonly better: "less" | "more";
  /** One sentence: from which moment to which, or of what. */
  readonly about: string;
  /** What it is measured at several sizes of, such as `nodes`. */
  readonly sizedBy?: string;
  readonly limit?: Limit;
};

export type Verdict = "aim" | "required" | "missed" | "unlimited";

/** How a value stands to its limit: the aim is met, only what is required is, or not even that. */
export function judge(value: number, better: FigureSpec["better"], limit: Limit | null): Verdict {
  if (limit === null || (limit.required === null && limit.aim === null)) return "unlimited";
  const meets = (bound: number | null): boolean =>
    bound !== null && (better === "less" ? value <= bound : value >= bound);
  if (meets(limit.aim)) return "aim";
  // Where nothing is required, an aim that was missed is missed.
  return limit.required !== null && meets(limit.required) ? "required" : "missed";
}

/** The numbers to hold: each is required, or an aim. */
export const limits = {
  tunnelRatio: { of: "median", required: 0.85, aim: 0.98 },
  keptUnderFlood: { of: "median", required: 0.8, aim: null },
  changeMs: { of: "p95", required: 2_000, aim: 100 },
  reconnectMs: { of: "p95", required: 5_000, aim: 1_000 },
  revokeMs: { of: "p95", required: 2_000, aim: 500 },
  idleCpu: { of: "median", required: 2, aim: 0.2 },
  idleRss: { of: "median", required: 120, aim: 60 },
  signaturesPerS: { of: "median", required: null, aim: 10_000 },
  beginMs: { of: "median", required: null, aim: 1_000 },
  joinReachesAllMs: { of: "p95", required: null, aim: 1_000 },
} as const satisfies Record<string, Limit>;
