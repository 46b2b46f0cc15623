/** row is one line of a gate's verdict: what is required, what was looked at, and whether it holds. */

export type Row = {
  /** As the index of requirements calls it. */
  readonly requirement: string;
  readonly evidence: string;
  readonly passes: boolean;
  /** What is wrong, each with the way out. Empty if and only if it passes. */
  readonly findings: readonly string[];
};

export const rowOf = (requirement: string, evidence: string, findings: readonly string[]): Row => ({
  requirement,
  evidence,
  passes: findings.length === 0,
  findings,
});

/** A table for people: long lists of findings are cut, as the JSON has them all. */
export function renderRows(rows: readonly Row[]): string {
  const widths = [0, 1].map((column) =>
    Math.max(...rows.map((row) => [row.requirement, row.evidence][column]?.length ?? 0)),
  );
  const shownMax = 8;
  return rows
    .flatMap(({ requirement, evidence, passes, findings }) => [
      `${requirement.padEnd(widths[0] ?? 0)}  ${evidence.padEnd(widths[1] ?? 0)}  ${passes ? "pass" : "FAIL"}`,
      ...findings.slice(0, shownMax).map((finding) => `    ${finding}`),
      ...(findings.length > shownMax ? [`    and ${findings.length - shownMax} more`] : []),
    ])
    .join("\n");
}
