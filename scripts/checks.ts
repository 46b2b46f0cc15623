/** checks: what is asked of the text of the repository, as programs to run. */
import { join, resolve } from "node:path";

export const root: string = resolve(import.meta.dir, "..");

export type Check = {
  readonly name: string;
  readonly argv: readonly string[];
  /** The same program, asked to mend what it can. */
  readonly mend: readonly string[] | null;
};

const oxlint = join(root, "node_modules/.bin/oxlint");
const folders = ["src", "test", "scripts"];

export const checks: readonly Check[] = [
  { name: "types", argv: [process.execPath, "check", "--no-script"], mend: null },
  {
    name: "format",
    argv: [process.execPath, "fmt", "--check", "--no-script"],
    mend: [process.execPath, "fmt", "--no-script"],
  },
  {
    name: "lint",
    argv: [oxlint, "--deny-warnings", ...folders],
    mend: [oxlint, "--deny-warnings", "--fix", ...folders],
  },
  {
    name: "traceability",
    argv: [process.execPath, join(root, "scripts/traceability.ts"), "--check"],
    mend: null,
  },
];
