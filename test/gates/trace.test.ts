/** A requirement is shown by tests that ran and passed, or by a gate, and by nothing that somebody wrote. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { acceptanceIds, acceptanceRows } from "../../scripts/gates/acceptance.ts";
import { root } from "../../scripts/checks.ts";
import type { TestCase } from "../../scripts/gates/junit.ts";
import { flawsIn, readIndex, readMapping } from "../../scripts/gates/trace-files.ts";
import { renderPage } from "../../scripts/gates/trace-page.ts";
import {
  flawsOf,
  Index,
  Mapping,
  matcherOf,
  stateOf,
  unaskedGuests,
  unshown,
} from "../../scripts/gates/trace.ts";

const requirement = (id: string) => ({ id, text: `what ${id} asks for` });
const index: Index = v.parse(Index, {
  version: 1,
  omitted: [{ document: "a.md", sections: "0", why: "the order of documents" }],
  sections: [
    {
      ...{ document: "a.md", section: "1", title: "First" },
      requirements: ["A-1-1", "A-1-2", "A-1-3", "A-1-4", "A-1-5", "P1-AT-01"].map(requirement),
    },
  ],
});

const file = "test/a.test.ts";
const mapping: Mapping = v.parse(Mapping, {
  version: 1,
  evidence: {
    tried: { code: ["src/a.ts"], tests: { [file]: ["it holds", "each of *"] } },
    watched: { code: ["src/a.ts"], gates: ["lint"] },
  },
  requirements: {
    "A-1-1": { evidence: ["tried"] },
    "A-1-2": { evidence: ["watched"] },
    "A-1-3": { evidence: ["tried"], gap: "half of it" },
    "A-1-4": { gap: "comes later" },
    "P1-AT-01": { evidence: ["tried", "watched"] },
  },
});

const ran = (name: string, outcome: TestCase["outcome"] = "passed"): TestCase => ({
  ...{ file, name, outcome, assertions: 1 },
});
const cases = [ran("it holds"), ran("each of one"), ran("each of two")];
const world = { gates: new Set(["lint"]), exists: () => true };

test("the state of a requirement follows from its evidence alone", () => {
  const ids = ["A-1-1", "A-1-2", "A-1-3", "A-1-4", "A-1-5"];
  expect(ids.map((id) => stateOf(id, mapping))).toEqual([
    "tested",
    "gated",
    "in part",
    "missing",
    "missing",
  ]);
});

test("a state that somebody wrote down is refused", () => {
  const marked = { ...mapping, requirements: { "A-1-5": { state: "tested" } } };
  expect(v.safeParse(Mapping, marked).success).toBe(false);
});

test("tests that ran and passed show what they are named for", () => {
  expect(unshown(mapping, cases)).toEqual([]);
});

const unproven: readonly (readonly [what: string, cases: readonly TestCase[], finding: RegExp])[] =
  [
    ["did not run", cases.slice(1), /no test "it holds" ran/],
    ["is of another file", cases.map((one) => ({ ...one, file: "test/b.test.ts" })), /no test/],
    ["has another name", [ran("it Holds"), ...cases.slice(1)], /no test "it holds" ran/],
    ["failed", [ran("it holds", "failed"), ...cases.slice(1)], /"it holds" failed/],
    ["was skipped", [ran("it holds", "skipped"), ...cases.slice(1)], /"it holds" skipped/],
    ["is one of many, and failed", [...cases, ran("each of x", "failed")], /"each of x" failed/],
    ["is all that there is", [], /no test/],
  ];

test.each(unproven)("a test that %s shows nothing", (_, run, finding) => {
  expect(unshown(mapping, run).join("\n")).toMatch(finding);
});

const guestFiles = ["test/vm/a.vm.test.ts", "test/vm/systemd/guest/first-boot.ts"];
const inGuests: Mapping = {
  ...mapping,
  evidence: {
    ...mapping.evidence,
    emulated: {
      code: ["src/a.ts"],
      tests: Object.fromEntries(guestFiles.map((at) => [at, ["it boots"]])),
    },
  },
};
const booted = guestFiles.map((at): TestCase => ({ ...ran("it boots"), file: at }));

test("tests of a guest that was not asked for are told of, and not missed", () => {
  expect(unshown(inGuests, cases)).toEqual([]);
  expect(unaskedGuests(inGuests, cases)).toEqual([
    "scripts/test --vm",
    "scripts/test --vm-systemd",
  ]);
  expect(unaskedGuests(inGuests, [...cases, ...booted])).toEqual([]);
  expect(unaskedGuests(mapping, cases)).toEqual([]);
});

test("of a guest that was there, every test must have run and passed", () => {
  expect(unshown(inGuests, [...cases, ...booted])).toEqual([]);
  for (const one of booted) {
    const others = booted.map((each) => (each === one ? { ...each, name: "it shuts down" } : each));
    expect(unshown(inGuests, [...cases, ...others]).join("\n")).toContain(
      `${one.file}: no test "it boots" ran`,
    );
  }
});

test("a star stands for any text, and nothing else for anything but itself", () => {
  expect(matcherOf("a (b) > *: c.")("a (b) > x\ny: c.")).toBe(true);
  expect(matcherOf("a.c")("abc")).toBe(false);
  expect(matcherOf("it holds")("it holds well")).toBe(false);
});

const evidence = mapping.evidence["tried"];
const flawed: readonly (readonly [what: string, flaw: RegExp, changes: Partial<Mapping>])[] = [
  ["an unknown requirement", /A-9-9/, { requirements: { "A-9-9": {} } }],
  [
    "evidence that it does not describe",
    /does not describe/,
    { requirements: { ...mapping.requirements, "A-1-5": { evidence: ["else"] } } },
  ],
  [
    "evidence that nothing rests on",
    /no requirement rests/,
    { evidence: { ...mapping.evidence, more: { ...evidence, code: ["src/a.ts"] } } },
  ],
  [
    "evidence without tests and gates",
    /neither tests nor gates/,
    { evidence: { ...mapping.evidence, tried: { code: ["src/a.ts"] } } },
  ],
  [
    "a gate that there is not",
    /no gate vibes/,
    { evidence: { ...mapping.evidence, watched: { code: ["src/a.ts"], gates: ["vibes"] } } },
  ],
];

test.each(flawed)("a mapping with %s is refused", (_, flaw, changes) => {
  expect(flawsOf(index, { ...mapping, ...changes }, world).join("\n")).toMatch(flaw);
});

test("code and tests that are not there are missed", () => {
  const flaws = flawsOf(index, mapping, { ...world, exists: (path) => path !== "src/a.ts" });
  expect(flaws.join("\n")).toMatch(/there is no src\/a\.ts/);
  expect(flawsOf(index, mapping, { ...world, exists: (path) => path !== file })).toHaveLength(1);
});

test("the page has every requirement, what is missing as well", () => {
  const page = renderPage(index, mapping);
  expect(page).toContain("| A-1-4 | what A-1-4 asks for | missing | comes later |");
  expect(page).toContain("| A-1-5 | what A-1-5 asks for | missing |  |");
  expect(page).toContain("| all | 2 | 1 | 1 | 2 | 6 |");
});

const accepts = (run: readonly TestCase[] | null, gates: [string, boolean][]): boolean =>
  acceptanceRows(index, mapping, run, new Map(gates)).find(
    ({ requirement: id }) => id === "P1-AT-01",
  )?.passes ?? false;

test("an acceptance test passes by its tests and gates together", () => {
  expect(accepts(cases, [["lint", true]])).toBe(true);
  expect(accepts(cases.slice(1), [["lint", true]])).toBe(false);
  expect(accepts(cases, [["lint", false]])).toBe(false);
  expect(accepts(cases, [])).toBe(false);
  expect(accepts(null, [["lint", true]])).toBe(false);
});

test("an acceptance test for which nothing is named fails", () => {
  const rows = acceptanceRows(index, mapping, cases, new Map([["lint", true]]));
  expect(rows.map(({ requirement: id }) => id)).toEqual([...acceptanceIds]);
  expect(rows.filter(({ passes }) => passes)).toHaveLength(1);
});

test("our own index and mapping hold together", async () => {
  expect(flawsIn(root, await readIndex(root), await readMapping(root))).toEqual([]);
});

test("every acceptance test of phase 1 has evidence, and leaves nothing open", async () => {
  const own = await readMapping(root);
  expect(acceptanceIds.filter((id) => !["tested", "gated"].includes(stateOf(id, own)))).toEqual([]);
});
