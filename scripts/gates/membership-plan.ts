/**
 * membership-plan says which tests and drills the reports on membership are made of: docs/gates/membership.json.
 * A row that no test stands for, or whose tests did not all run and pass, fails the gate.
 */
import * as v from "valibot";

const Text = v.pipe(v.string(), v.minLength(1));
/** Test files, each with names of its tests; `*` in a name stands for any text. */
const Tests = v.pipe(
  v.record(Text, v.pipe(v.array(Text), v.minLength(1))),
  v.check((tests) => Object.keys(tests).length > 0, "no test is named"),
);
const Rows = v.pipe(v.array(v.strictObject({ row: Text, tests: Tests })), v.minLength(1));

export const MembershipPlan = v.strictObject({
  version: v.literal(1),
  /** What holds of the log, by the phases of the plan. */
  conformance: Rows,
  /** The rows of the threat matrix, and of the list of attacks on logs and maps. */
  negative: Rows,
  /** What comes back after damage and loss. Every drill of the catalogue is in it besides. */
  recovery: Rows,
  /** Who did what stays written down, and shows when somebody changed it. */
  audit: Rows,
});
export type MembershipPlan = v.InferOutput<typeof MembershipPlan>;
export type PlanRow = v.InferOutput<typeof Rows>[number];
