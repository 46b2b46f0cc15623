/** test-evidence judges a run of the tests: every file spoke, every case asked something, and none failed. */
import type { Allowances } from "./allowances.ts";
import type { TestCase } from "./junit.ts";

/** `files`: the test files that there are. */
export function testFindings(
  cases: readonly TestCase[],
  files: readonly string[],
  { withoutAssertions }: Pick<Allowances, "withoutAssertions">,
): readonly string[] {
  if (cases.length === 0) return ["no test ran"];
  const spoken = new Set(cases.map(({ file }) => file));
  const isAllowed = (one: TestCase): boolean =>
    withoutAssertions.some(({ file, name }) => one.file === file && one.name === name);
  const isEmpty = (one: TestCase): boolean => one.outcome === "passed" && one.assertions === 0;
  return [
    ...files.filter((file) => !spoken.has(file)).map((file) => `${file}: no test of it ran`),
    ...cases
      .filter(({ outcome }) => outcome !== "passed")
      .map(({ file, name, outcome }) => `${file}: ${outcome}: ${name}`),
    ...cases
      .filter((one) => isEmpty(one) && !isAllowed(one))
      .map(({ file, name }) => `${file}: asks nothing: ${name}`),
    ...withoutAssertions
      .filter(
        ({ file, name }) =>
          !cases.some((one) => one.file === file && one.name === name && isEmpty(one)),
      )
      .map(({ file, name }) => `nothing in ${file} needs the allowance any more: ${name}`),
  ];
}
