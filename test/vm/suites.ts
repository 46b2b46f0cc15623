/** suites names what can be asked of the virtual lab, and finds the test files behind a name. */
import { resolve } from "node:path";
import { Glob } from "bun";

const root = resolve(import.meta.dir, "../..");

/**
 * What scripts/test asks for. The longest is begun first, so that the other processor fills up beside it; before
 * it the one that for the most part waits for what the product gives up after a minute.
 */
const stage: readonly string[] = [
  "test/vm/paths.vm.test.ts",
  "test/e2e/mesh.e2e.test.ts",
  "test/backend/backend.netns.test.ts",
  "test/vm/netem.vm.test.ts",
  "test/vm/kernel-facts.vm.test.ts",
  "test/backend/two-nodes.netns.test.ts",
  "test/vm/flood.vm.test.ts",
];

/** What it measures would be of the other file too that runs beside it. */
export const measures = (file: string): boolean => file.startsWith("test/vm/flood");

/** Groups by the beginning of their files' paths. */
const groups: Readonly<Record<string, RegExp>> = {
  backend: /^test\/backend\//,
  facts: /^test\/vm\/kernel-facts/,
  flood: /^test\/vm\/flood/,
  netem: /^test\/vm\/(?:netem|paths)/,
  host: /^test\/(?:host|kernel)\//,
  lab: /^test\/lab\//,
  e2e: /^test\/e2e\//,
  all: /^/,
};
export const groupNames: readonly string[] = ["stage", ...Object.keys(groups)];

/** Every file that may run in the guest: those in namespaces, and those that only the guest can run. */
const candidates = (): readonly string[] =>
  [...new Glob("test/**/*.{netns,e2e,vm}.test.ts").scanSync(root)].sort();

/**
 * Returns the files of all groups, or else those whose path holds the word. Without words the stage.
 * A word that names nothing is returned in `strays`.
 */
export function filesOf(
  words: readonly string[],
  all: readonly string[] = candidates(),
): { readonly files: readonly string[]; readonly strays: readonly string[] } {
  const found = (words.length === 0 ? ["stage"] : words).map((word) => ({
    word,
    files: word === "stage" ? stage.filter((file) => all.includes(file)) : matching(word, all),
  }));
  return {
    files: [...new Set(found.flatMap(({ files }) => files))],
    strays: found.filter(({ files }) => files.length === 0).map(({ word }) => word),
  };
}

function matching(word: string, all: readonly string[]): readonly string[] {
  const group = groups[word];
  return all.filter((file) => (group === undefined ? file.includes(word) : group.test(file)));
}
