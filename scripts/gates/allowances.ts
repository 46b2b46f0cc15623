/**
 * allowances are single places that a search objects to and that somebody has looked at:
 * docs/gates/allowances.json. One that nothing matches any more has to go, so the list stays true.
 */
import * as v from "valibot";

const Text = v.pipe(v.string(), v.minLength(1));

export const Allowances = v.strictObject({
  version: v.literal(1),
  /** Lines that a search for unsafe constructs finds, without the blanks around them. */
  lines: v.array(v.strictObject({ file: Text, line: Text, why: Text })),
  /** Tests that ask nothing by `expect`, because what they wait for throws if it does not come. */
  withoutAssertions: v.array(v.strictObject({ file: Text, name: Text, why: Text })),
});
export type Allowances = v.InferOutput<typeof Allowances>;
