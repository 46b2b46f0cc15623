/** Waiting ends with the condition, or says what it waited for. */
import { expect, test } from "bun:test";
import { waitFor } from "./wait-for.ts";

test("the first value that is truthy is returned", async () => {
  const values = [0, "", null, "there", "later"];
  expect(await waitFor("a value", () => values.shift())).toBe("there");
});

test("a condition may say itself what it awaits", async () => {
  let count = 5;
  expect(await waitFor("zero", () => --count, { until: (value) => value === 0 })).toBe(0);
});

test("a condition that throws is asked again", async () => {
  let asked = 0;
  const condition = (): number => {
    asked++;
    if (asked < 3) throw new Error("not yet");
    return asked;
  };
  expect(await waitFor("the third time", condition)).toBe(3);
});

test.each([
  { name: "a value", condition: () => ({ peers: 2 }), seen: "peers: 2" },
  {
    name: "an error",
    condition: () => {
      throw new Error("no socket");
    },
    seen: "no socket",
  },
])("on the deadline it says what was awaited, and $name seen last", async ({ condition, seen }) => {
  const waiting = waitFor("three peers", condition, { deadlineMs: 0, until: () => false });
  const failure = await waiting.catch(String);
  expect(failure).toContain("three peers");
  expect(failure).toContain(seen);
});
