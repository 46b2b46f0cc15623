/**
 * trace joins what is required to what shows it: an index of requirements in our own words, and a mapping
 * that names evidence. Nothing is done because somebody wrote so: evidence is tests that ran and passed,
 * or gates that measure anew.
 */
import * as v from "valibot";
import type { TestCase } from "./junit.ts";

const Text = v.pipe(v.string(), v.minLength(1));
const Path = v.pipe(v.string(), v.regex(/^[\w.][\w./-]*$/));

/** docs/requirements.json. */
export const Index = v.strictObject({
  version: v.literal(1),
  /** Sections of the documents that ask nothing of the product, and what they are instead. */
  omitted: v.array(v.strictObject({ document: Text, sections: Text, why: Text })),
  sections: v.array(
    v.strictObject({
      document: Text,
      section: Text,
      title: Text,
      requirements: v.pipe(
        v.array(v.strictObject({ id: v.pipe(v.string(), v.regex(/^[\w.-]+$/)), text: Text })),
        v.minLength(1),
      ),
    }),
  ),
});
export type Index = v.InferOutput<typeof Index>;

/** What shows something: the code that does it, and the tests or gates that try it. */
export const Evidence = v.strictObject({
  code: v.pipe(v.array(Path), v.minLength(1)),
  /** Test files, each with names of its tests; `*` in a name stands for any text. */
  tests: v.optional(v.record(Path, v.pipe(v.array(Text), v.minLength(1)))),
  /** Rows of the gates that decide it at each run. */
  gates: v.optional(v.pipe(v.array(Text), v.minLength(1))),
});
export type Evidence = v.InferOutput<typeof Evidence>;

/** docs/traceability.map.json. */
export const Mapping = v.strictObject({
  version: v.literal(1),
  evidence: v.record(Text, Evidence),
  /** By requirement: names of evidence, and what they leave open. */
  requirements: v.record(
    Text,
    v.strictObject({ evidence: v.optional(v.array(Text)), gap: v.optional(Text) }),
  ),
});
export type Mapping = v.InferOutput<typeof Mapping>;

/**
 * `tested`: tests that passed show it. `gated`: a gate decides it at each run. `in part`: some of it is
 * shown, and the gap says what is not. `missing`: nothing shows it.
 */
export type State = "tested" | "gated" | "in part" | "missing";

export function stateOf(id: string, mapping: Mapping): State {
  const entry = mapping.requirements[id];
  const names = entry?.evidence ?? [];
  if (names.length === 0) return "missing";
  if (entry?.gap !== undefined) return "in part";
  const isTested = names.some((name) => mapping.evidence[name]?.tests !== undefined);
  return isTested ? "tested" : "gated";
}

export const idsOf = (index: Index): readonly string[] =>
  index.sections.flatMap(({ requirements }) => requirements.map(({ id }) => id));

const quote = (text: string): string => text.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`);

/** Returns a test of names for one name of a mapping. */
export function matcherOf(name: string): (candidate: string) => boolean {
  const pattern = new RegExp(`^${name.split("*").map(quote).join("[\\s\\S]*")}$`);
  return (candidate) => pattern.test(candidate);
}

/** What is wrong with index and mapping by themselves. */
export function flawsOf(
  index: Index,
  mapping: Mapping,
  world: { readonly gates: ReadonlySet<string>; readonly exists: (path: string) => boolean },
): readonly string[] {
  const ids = idsOf(index);
  const known = new Set(ids);
  const used = new Set(Object.values(mapping.requirements).flatMap((one) => one.evidence ?? []));
  const twice = ids.filter((id, i) => ids.indexOf(id) !== i);
  return [
    ...twice.map((id) => `${id} stands twice in the index`),
    ...Object.keys(mapping.requirements)
      .filter((id) => !known.has(id))
      .map((id) => `the mapping names ${id}, which is not in the index`),
    ...[...used]
      .filter((name) => mapping.evidence[name] === undefined)
      .map((name) => `the mapping names the evidence "${name}", which it does not describe`),
    ...Object.entries(mapping.evidence).flatMap(([name, evidence]) =>
      flawsOfEvidence(evidence, used.has(name), world).map((flaw) => `evidence "${name}": ${flaw}`),
    ),
  ];
}

function flawsOfEvidence(
  { code, tests, gates }: Evidence,
  isUsed: boolean,
  world: Parameters<typeof flawsOf>[2],
): readonly string[] {
  const paths = [...code, ...Object.keys(tests ?? {})];
  return [
    ...(isUsed ? [] : ["no requirement rests on it"]),
    ...(tests === undefined && gates === undefined ? ["it names neither tests nor gates"] : []),
    ...paths.filter((path) => !world.exists(path)).map((path) => `there is no ${path}`),
    ...(gates ?? [])
      .filter((gate) => !world.gates.has(gate))
      .map((gate) => `there is no gate ${gate}`),
  ];
}

/** Tests that run only in a guest of the virtual lab, by the command that runs them. */
const guests: Readonly<Record<string, (file: string) => boolean>> = {
  "scripts/test --vm": (file) => file.endsWith(".vm.test.ts"),
  "scripts/test --vm-systemd": (file) => file.startsWith("test/vm/systemd/"),
};

/** Commands for tests that the mapping names, and of which the run had none: whoever wants to know runs them. */
export function unaskedGuests(mapping: Mapping, cases: readonly TestCase[]): readonly string[] {
  const named = Object.values(mapping.evidence).flatMap(({ tests = {} }) => Object.keys(tests));
  return Object.entries(guests)
    .filter(([, isOf]) => named.some(isOf) && !cases.some(({ file }) => isOf(file)))
    .map(([command]) => command);
}

/**
 * Tests that the mapping names and that did not all run and pass. Those of a guest that was not asked for are
 * left out; of a guest that was there, every one must have run.
 */
export function unshown(mapping: Mapping, cases: readonly TestCase[]): readonly string[] {
  const unasked = unaskedGuests(mapping, cases).map((command) => guests[command]);
  return Object.entries(mapping.evidence).flatMap(([name, { tests = {} }]) => {
    const asked = Object.entries(tests).filter(([file]) => !unasked.some((isOf) => isOf?.(file)));
    const flaws = unshownTests(Object.fromEntries(asked), cases);
    return flaws.map((flaw) => `evidence "${name}": ${flaw}`);
  });
}

export function unshownTests(
  tests: NonNullable<Evidence["tests"]>,
  cases: readonly TestCase[],
): readonly string[] {
  return Object.entries(tests).flatMap(([file, names]) =>
    names.flatMap((name) => {
      const matches = matcherOf(name);
      const found = cases.filter((one) => one.file === file && matches(one.name));
      if (found.length === 0) return [`${file}: no test "${name}" ran`];
      return found
        .filter(({ outcome }) => outcome !== "passed")
        .map((one) => `${file}: "${one.name}" ${one.outcome}`);
    }),
  );
}
