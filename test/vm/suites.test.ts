/** What can be asked of the virtual lab is found, and what names nothing is told. */
import { expect, test } from "bun:test";
import { filesOf, groupNames } from "./suites.ts";

test("every group has files, and the stage is a part of all", () => {
  const all = new Set(filesOf(["all"]).files);
  for (const name of groupNames) {
    const { files, strays } = filesOf([name]);
    expect([name, strays]).toEqual([name, []]);
    expect(files.filter((file) => !all.has(file))).toEqual([]);
  }
});

test("every file of the stage is there", () => {
  expect(filesOf([]).files).toEqual(filesOf(["stage"]).files);
  expect(filesOf(["stage"]).files.length).toBe(7);
});

test("what only the guest can run is in the stage", () => {
  const { files } = filesOf(["stage"]);
  const all = filesOf(["all"]).files.filter((file) => file.endsWith(".vm.test.ts"));
  expect(all.filter((file) => !files.includes(file))).toEqual([]);
});

test("unit tests are not for the guest", () => {
  expect(
    filesOf(["all"]).files.filter((file) => !/\.(?:netns|e2e|vm)\.test\.ts$/.test(file)),
  ).toEqual([]);
});

const some = ["test/e2e/a.e2e.test.ts", "test/e2e/b.e2e.test.ts", "test/lab/a.netns.test.ts"];

test.each([
  { words: ["e2e"], files: some.slice(0, 2), strays: [] },
  { words: ["/a."], files: [some[0], some[2]], strays: [] },
  { words: ["lab", "a.netns"], files: [some[2]], strays: [] },
  { words: ["b.e2e", "nothing"], files: [some[1]], strays: ["nothing"] },
])("$words names $files", ({ words, files, strays }) => {
  expect(filesOf(words, some)).toEqual({ files, strays } as ReturnType<typeof filesOf>);
});
