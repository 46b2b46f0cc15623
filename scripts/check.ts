/** check runs every check of the text, one after the other, and fails if any does. */
import { checks, root } from "./checks.ts";
import { run } from "./run.ts";

const mending = process.argv.includes("--fix");
let failed = 0;
for (const { name, argv, mend } of checks) {
  const { exitCode, stdout, stderr } = await run(mending ? (mend ?? argv) : argv, { cwd: root });
  console.log(`${exitCode === 0 ? "ok    " : "FAILED"}  ${name}`);
  if (exitCode !== 0) {
    console.log(`${stdout}${stderr}`.trimEnd());
    failed += 1;
  }
}
process.exitCode = failed === 0 ? 0 : 1;
