/**
 * exceptions are findings that somebody answers for until a day: docs/gates/exceptions.json. They end by
 * themselves, and one that nothing needs any more has to go.
 */
import * as v from "valibot";

export const lifeMaxDays = 90;
/** The calendar counts: 30 February is no day. */
const Day = v.pipe(
  v.string(),
  v.isoDate(),
  v.check((text) => new Date(text).toJSON()?.startsWith(text) === true, "not a day"),
);
const Text = v.pipe(v.string(), v.minLength(1));
const dayMs = 86_400_000;

const Exception = v.pipe(
  v.strictObject({
    gate: Text,
    /** The finding, as the gate words it, up to its first colon. */
    finding: Text,
    owner: Text,
    reason: Text,
    approvedOn: Day,
    /** The last day on which it holds, in UTC. */
    until: Day,
  }),
  v.check(
    ({ approvedOn, until }) => Date.parse(until) >= Date.parse(approvedOn),
    "it ends before it begins",
  ),
  v.check(
    ({ approvedOn, until }) => Date.parse(until) - Date.parse(approvedOn) <= lifeMaxDays * dayMs,
    `it is for longer than ${lifeMaxDays} days`,
  ),
);
export type Exception = v.InferOutput<typeof Exception>;

export const Exceptions = v.strictObject({
  version: v.literal(1),
  exceptions: v.array(Exception),
});
export type Exceptions = v.InferOutput<typeof Exceptions>;

export type Excused = {
  /** What remains, with what is wrong with the exceptions themselves. */
  readonly findings: readonly string[];
  /** To be shown even when the gate passes. */
  readonly warnings: readonly string[];
};

const headOf = (finding: string): string => finding.split(":", 1)[0] ?? finding;

/** Takes away the findings of a gate that an exception in force names. */
export function excuse(
  gate: string,
  findings: readonly string[],
  { exceptions }: Exceptions,
  now: Date,
): Excused {
  const own = exceptions.filter((one) => one.gate === gate);
  const inForce = own.filter(
    ({ approvedOn, until }) =>
      now.getTime() >= Date.parse(approvedOn) && now.getTime() < Date.parse(until) + dayMs,
  );
  const applies = (one: Exception): boolean =>
    findings.some((finding) => headOf(finding) === one.finding);
  const isExcused = (finding: string): boolean =>
    inForce.some((one) => one.finding === headOf(finding));
  return {
    findings: [
      ...findings.filter((finding) => !isExcused(finding)),
      ...own
        .filter((one) => !inForce.includes(one))
        .map(
          ({ finding, until }) => `the exception for "${finding}" is over (${until}): remove it`,
        ),
      ...inForce
        .filter((one) => !applies(one))
        .map(({ finding }) => `the exception for "${finding}" is not needed: remove it`),
    ],
    warnings: inForce
      .filter(applies)
      .map(
        ({ finding, owner, reason, until }) =>
          `excused until ${until} by ${owner}: ${finding} (${reason})`,
      ),
  };
}
