/** What the guest did not tell of has failed. */
import { expect, test } from "bun:test";
import type { GuestEvent } from "./plan.ts";
import { Tally } from "./tally.ts";

const ran = (
  file: string,
  changes: Partial<Extract<GuestEvent, { event: "ran" }>> = {},
): GuestEvent => ({
  ...{
    event: "ran",
    file,
    passed: 2,
    failed: 0,
    skipped: 0,
    failures: [],
    elapsedMs: 10,
    output: "",
  },
  ...changes,
});
const silent = (): void => {};

function tallyOf(files: readonly string[], events: readonly GuestEvent[]): Tally {
  const tally = new Tally(files, silent);
  for (const event of events) tally.take(event);
  return tally;
}

test("what the guest says on its way is shown, and counts for nothing", () => {
  const shown: string[] = [];
  const tally = new Tally(["a"], (line) => shown.push(line));
  tally.take({ event: "said", text: "half of it" });
  expect(shown).toEqual(["  half of it"]);
  expect([tally.isDone, tally.summary.passed]).toEqual([false, 0]);
});

test("every file run and the end told: done", () => {
  const tally = tallyOf(
    ["a", "b"],
    [
      { event: "ready", kernel: "6.1", uptimeS: 5 },
      ran("a"),
      ran("b", { passed: 1, skipped: 1 }),
      { event: "done" },
    ],
  );
  expect(tally.isDone).toBe(true);
  expect(tally.summary).toEqual({ kernel: "6.1", passed: 3, failed: 0, skipped: 1, failures: [] });
});

test.each([
  ["a file was not run", [ran("a"), { event: "done" }]],
  ["the end was not told", [ran("a"), ran("b")]],
  ["nothing was told", []],
] as const)("not done when %s", (_what, events) => {
  expect(tallyOf(["a", "b"], events).isDone).toBe(false);
});

test("a guest that hung fails, and with it each file that did not end", () => {
  const tally = tallyOf(["a", "b"], [ran("a")]);
  tally.fail("the guest hung");
  expect(tally.summary).toMatchObject({
    passed: 2,
    failed: 2,
    failures: ["the guest hung", "b: not run to its end"],
  });
});

test("a failure that no test has is counted to the file", () => {
  const tally = tallyOf(["a"], [ran("a", { failed: 2, failures: ["a: one"] }), { event: "done" }]);
  expect(tally.summary.failures).toEqual(["a: one", "a: 1 outside of any test"]);
  expect(tally.summary.failed).toBe(2);
});
