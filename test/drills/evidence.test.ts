/** A drill counts only if it typed all that its page says, asked something at each step, and got it. */
import { expect, test } from "bun:test";
import { drillFindings, type Step } from "./evidence.ts";

const runbook = "# A page\n\n```sh\nrustynet membership propose revoke-node NODE   # why\n```\n";
const measured = { name: "to the last packet", value: 40, unit: "ms", atMost: 2_000 };
const step: Step = {
  what: "propose it",
  durationMs: 12,
  commands: [
    {
      ...{ who: "ann", exitCode: 0, durationMs: 10 },
      command: "rustynet membership propose revoke-node carol",
    },
  ],
  expectations: [{ what: "it waits", holds: true }],
  measurements: [measured],
};
const whole = { steps: [step], failure: null };

test("a drill that did all of its page has no findings", () => {
  expect(drillFindings(whole, runbook)).toEqual([]);
});

const flawed: readonly (readonly [what: string, Parameters<typeof drillFindings>[0], RegExp])[] = [
  ["without a step", { ...whole, steps: [] }, /it has no steps/],
  [
    "that broke off",
    { ...whole, failure: "Error: nobody answers\nat x" },
    /broke off: Error: nobody/,
  ],
  [
    "with a step that asks nothing",
    { ...whole, steps: [step, { ...step, what: "look", expectations: [], measurements: [] }] },
    /"look" asks nothing/,
  ],
  [
    "in which something was not so",
    { ...whole, steps: [{ ...step, expectations: [{ what: "it waits", holds: false }] }] },
    /not so: it waits/,
  ],
  [
    "that took too long",
    { ...whole, steps: [{ ...step, measurements: [{ ...measured, value: 2_001 }] }] },
    /to the last packet 2001 ms > 2000/,
  ],
  [
    "that measured no number",
    { ...whole, steps: [{ ...step, measurements: [{ ...measured, value: NaN }] }] },
    /NaN ms > 2000/,
  ],
  [
    "that left a command of its page out",
    { ...whole, steps: [{ ...step, commands: [] }] },
    /the runbook says "rustynet membership propose revoke-node NODE", which nobody typed/,
  ],
];

test.each(flawed)("a drill %s is refused", (_, drill, finding) => {
  expect(drillFindings(drill, runbook).join("\n")).toMatch(finding);
});

test("a page without commands can be practised by nobody", () => {
  expect(drillFindings(whole, "# A page\n")).toEqual(["its runbook has no commands"]);
});
