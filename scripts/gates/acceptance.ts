/** acceptance decides the tests P1-AT-01 to 18 by the evidence that the mapping names for them. */
import type { TestCase } from "./junit.ts";
import { type Row, rowOf } from "./row.ts";
import { type Index, type Mapping, unshownTests } from "./trace.ts";

export const acceptanceIds: readonly string[] = Array.from(
  { length: 18 },
  (_, i) => `P1-AT-${String(i + 1).padStart(2, "0")}`,
);

/** `cases` is null when no run of this tree counts. `gates`: the verdicts by name. */
export function acceptanceRows(
  index: Index,
  mapping: Mapping,
  cases: readonly TestCase[] | null,
  gates: ReadonlyMap<string, boolean>,
): readonly Row[] {
  const texts = new Map(
    index.sections.flatMap(({ requirements }) => requirements.map(({ id, text }) => [id, text])),
  );
  return acceptanceIds.map((id) => {
    const { evidence = [], gap } = mapping.requirements[id] ?? {};
    const findings = [
      ...(texts.has(id) ? [] : ["it is not in the index of requirements"]),
      ...(evidence.length === 0 ? ["nothing is named that shows it"] : []),
      ...(gap === undefined ? [] : [`open: ${gap}`]),
      ...evidence.flatMap((name) => evidenceFindings(name, mapping, cases, gates)),
    ];
    return rowOf(id, evidence.join(", ") || "none", findings);
  });
}

function evidenceFindings(
  name: string,
  mapping: Mapping,
  cases: readonly TestCase[] | null,
  gates: ReadonlyMap<string, boolean>,
): readonly string[] {
  const evidence = mapping.evidence[name];
  if (evidence === undefined) return [`the mapping does not describe "${name}"`];
  const { tests, gates: named = [] } = evidence;
  if (tests === undefined && named.length === 0) return [`"${name}" names neither tests nor gates`];
  const unran = cases === null ? [`no run of the tests counts for "${name}"`] : [];
  return [
    ...(tests === undefined ? [] : cases === null ? unran : unshownTests(tests, cases)),
    ...named.filter((gate) => gates.get(gate) !== true).map((gate) => `gate ${gate} does not pass`),
  ];
}
