/** build-sources names everything that goes into the executable: a change of any of it asks for a new one. */
import { Glob } from "bun";

const machinery = ["build", "build-sources", "closed", "run", "runtime", "sbom"];
const settings = ["bun.lock", "package.json", "tsconfig.json"];
// One pattern each: Bun's globs find nothing by braces around patterns with slashes.
const patterns = ["src/**/*", "systemd/*"];

/** Paths below the root, sorted. */
export const sourcesOf = (root: string): readonly string[] =>
  [
    ...patterns.flatMap((pattern) => [...new Glob(pattern).scanSync(root)]),
    ...machinery.map((name) => `scripts/${name}.ts`),
    ...settings,
  ].sort();
