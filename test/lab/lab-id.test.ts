/** The names of labs tell whose they are, and refuse what is not one of them. */
import { expect, test } from "bun:test";
import { creatorOf, isAlive, labName, newLabId } from "./lab-id.ts";

test("a name tells its creator, who lives", () => {
  const creator = creatorOf(labName(newLabId(), "alice"));
  expect(creator?.pid).toBe(process.pid);
  expect(creator !== null && isAlive(creator)).toBe(true);
});

test("a later process with the same number is not the creator", () => {
  const creator = creatorOf(labName(newLabId()));
  if (creator === null) throw new Error("no creator in the name");
  expect(isAlive({ ...creator, startTicks: creator.startTicks - 1 })).toBe(false);
});

test("two labs of one process differ", () => {
  expect(newLabId()).not.toBe(newLabId());
});

const strangers = ["rnlab", "rnlab-1-2", "rnlab-1-2-xyz", "netns1", "x-rnlab-1-2-abcdef-a", ""];
test.each(strangers)("%p is not the name of a lab's thing", (name) => {
  expect(creatorOf(name)).toBeNull();
});
