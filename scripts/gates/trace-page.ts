/** trace-page renders docs/traceability.md from nothing but the index and the mapping. */
import { idsOf, type Index, type Mapping, type State, stateOf } from "./trace.ts";

const states: readonly State[] = ["tested", "gated", "in part", "missing"];

const meaning: Readonly<Record<State, string>> = {
  tested:
    "tests show it; they ran and passed when this page was written, those of the virtual lab when it was last asked for",
  gated: "a gate (`scripts/gates/`) decides it anew at each run",
  "in part": "some of it is shown; what is not is said",
  missing: "nothing shows it yet",
};

export function renderPage(index: Index, mapping: Mapping): string {
  return `${[
    "# Traceability",
    "",
    "Written by `scripts/traceability` from `docs/requirements.json` and `docs/traceability.map.json`; not by hand.",
    "Every requirement, in our own words, and what shows that it is met. Evidence is named by",
    "a word, and described [below](#evidence): the code, and the tests or gates that try it.",
    "",
    ...summary(index, mapping),
    "",
    ...index.sections.flatMap((section) => sectionOf(section, mapping)),
    "## Left out",
    "",
    "Sections that ask nothing of the product.",
    "",
    ...table(
      ["document", "sections", "what they are"],
      index.omitted.map(({ document, sections, why }) => [`\`${document}\``, sections, why]),
    ),
    "",
    "## Evidence",
    "",
    ...Object.entries(mapping.evidence)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .flatMap((entry) => evidenceOf(...entry)),
  ]
    .join("\n")
    .trimEnd()}\n`;
}

function summary(index: Index, mapping: Mapping): readonly string[] {
  const all = idsOf(index).map((id) => stateOf(id, mapping));
  const documents = [...new Set(index.sections.map(({ document }) => document))];
  const of = (document: string): readonly State[] =>
    index.sections
      .filter((section) => section.document === document)
      .flatMap(({ requirements }) => requirements.map(({ id }) => stateOf(id, mapping)));
  const row = (name: string, found: readonly State[]): readonly string[] => [
    name,
    ...states.map((state) => String(found.filter((one) => one === state).length)),
    String(found.length),
  ];
  return [
    ...table(
      ["", ...states, "all"],
      [...documents.map((document) => row(`\`${document}\``, of(document))), row("all", all)],
    ),
    "",
    ...states.map((state) => `- *${state}*: ${meaning[state]}.`),
  ];
}

function sectionOf(
  { document, section, title, requirements }: Index["sections"][number],
  mapping: Mapping,
): readonly string[] {
  const rows = requirements.map(({ id, text }) => {
    const { evidence = [], gap } = mapping.requirements[id] ?? {};
    const links = evidence.map((name) => `[${name}](#${anchorOf(name)})`).join(", ");
    const left = gap === undefined ? "" : evidence.length === 0 ? gap : `${links}. Open: ${gap}`;
    return [id, text, stateOf(id, mapping), left === "" ? links : left];
  });
  return [
    `## ${document} ${section}: ${title}`,
    "",
    ...table(["id", "what is required", "state", "shown by"], rows),
    "",
  ];
}

const anchorOf = (name: string): string => name.replaceAll(" ", "-");

function evidenceOf(
  name: string,
  { code, tests = {}, gates = [] }: Mapping["evidence"][string],
): readonly string[] {
  return [
    `### ${name}`,
    "",
    `- code: ${code.map((path) => `\`${path}\``).join(", ")}`,
    ...(gates.length === 0 ? [] : [`- gates: ${gates.map((gate) => `\`${gate}\``).join(", ")}`]),
    ...Object.entries(tests).flatMap(([file, names]) => [
      `- \`${file}\``,
      ...names.map((one) => `  - ${one.replaceAll(/([*_<>[\]`|])/g, String.raw`\$1`)}`),
    ]),
    "",
  ];
}

function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`;
  return [line(headings), line(headings.map(() => "---")), ...rows.map(line)];
}
