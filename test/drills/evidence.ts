/** evidence is what a drill leaves behind: every command, what it came to, and what was asked of it. */
import * as v from "valibot";
import { commandsIn, wasTyped } from "./runbook.ts";

const Text = v.pipe(v.string(), v.minLength(1));
const Milliseconds = v.pipe(v.number(), v.minValue(0));
const Sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const Step = v.strictObject({
  what: Text,
  durationMs: Milliseconds,
  commands: v.array(
    v.strictObject({
      who: Text,
      /** As a person would type it. */
      command: Text,
      exitCode: v.nullable(v.number()),
      durationMs: Milliseconds,
    }),
  ),
  expectations: v.array(v.strictObject({ what: Text, holds: v.boolean() })),
  measurements: v.array(
    v.strictObject({ name: Text, value: v.number(), unit: Text, atMost: v.number() }),
  ),
});
export type Step = v.InferOutput<typeof Step>;

export const DrillEvidence = v.strictObject({
  version: v.literal(1),
  drill: Text,
  runbook: Text,
  commit: Text,
  /** The hash of the tree, runbook included, that it was run on. */
  tree: Sha256,
  /** Of the executable that did the work. */
  sha256: Sha256,
  backend: Text,
  startedAt: v.pipe(v.string(), v.isoTimestamp()),
  durationMs: Milliseconds,
  steps: v.array(Step),
  verdict: v.picklist(["passed", "failed"]),
  /** Why it ended before its end; null when it did not. */
  failure: v.nullable(v.string()),
});
export type DrillEvidence = v.InferOutput<typeof DrillEvidence>;

/** What is wrong with a drill, each as a sentence. Empty if and only if it shows its runbook. */
export function drillFindings(
  { steps, failure }: Pick<DrillEvidence, "steps" | "failure">,
  runbook: string,
): readonly string[] {
  const typed = steps.flatMap(({ commands }) => commands.map(({ command }) => command));
  const wanted = commandsIn(runbook);
  return [
    ...(failure === null ? [] : [`it broke off: ${failure.split("\n", 1)[0]}`]),
    ...(steps.length === 0 ? ["it has no steps"] : []),
    ...steps.flatMap(stepFindings),
    ...(wanted.length === 0 ? ["its runbook has no commands"] : []),
    ...wanted
      .filter((command) => !typed.some((line) => wasTyped(command, line)))
      .map((command) => `the runbook says "${command}", which nobody typed`),
  ];
}

function stepFindings({ what, expectations, measurements }: Step): readonly string[] {
  const asksNothing = expectations.length + measurements.length === 0;
  return [
    ...(asksNothing ? [`"${what}" asks nothing`] : []),
    ...expectations.filter(({ holds }) => !holds).map((one) => `"${what}": not so: ${one.what}`),
    ...measurements
      .filter(({ value, atMost }) => !(value <= atMost))
      .map(({ name, value, unit, atMost }) => `"${what}": ${name} ${value} ${unit} > ${atMost}`),
  ];
}
