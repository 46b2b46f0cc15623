/** traceability writes the page of requirements and evidence, or says what about it does not hold. */
import { parseArgs } from "node:util";
import { join } from "node:path";
import { root } from "./checks.ts";
import { readRun, staleText } from "./gates/test-run.ts";
import { flawsIn, readIndex, readMapping } from "./gates/trace-files.ts";
import { idsOf, stateOf, unaskedGuests, unshown } from "./gates/trace.ts";
import { renderPage } from "./gates/trace-page.ts";

const page = join(root, "docs/traceability.md");

/** As `scripts/check` wants pages to be. */
async function formatted(text: string): Promise<string> {
  const argv = [process.execPath, "fmt", "--no-script", "--stdin-filepath=docs/traceability.md"];
  const child = Bun.spawn(argv, { cwd: root, stdin: new Blob([text]), stdout: "pipe" });
  const [said, exitCode] = await Promise.all([child.stdout.text(), child.exited]);
  if (exitCode !== 0) throw new Error(`${argv.join(" ")}: exit ${exitCode}`);
  return said;
}

async function main(isChecking: boolean): Promise<number> {
  const [index, mapping] = [await readIndex(root), await readMapping(root)];
  const text = await formatted(renderPage(index, mapping));
  const run = await readRun(root);
  const problems = [
    ...flawsIn(root, index, mapping),
    ...(run.ok ? unshown(mapping, run.value) : []),
  ];
  const isWritten = (await Bun.file(page).exists()) && (await Bun.file(page).text()) === text;
  if (isChecking && !isWritten) {
    problems.push("docs/traceability.md is not what follows; write it: scripts/traceability");
  }
  if (!run.ok) {
    const why = staleText(run.error);
    if (isChecking) console.log(`The tests that the mapping names were not looked for: ${why}`);
    else problems.push(why);
  }
  for (const command of run.ok ? unaskedGuests(mapping, run.value) : [])
    console.log(`The tests that run with ${command} were not looked for: the last run had none.`);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) return 1;
  if (!isChecking) await Bun.write(page, text);
  const states = idsOf(index).map((id) => stateOf(id, mapping));
  const count = (state: string): number => states.filter((one) => one === state).length;
  console.log(
    `${states.length} requirements: ${count("tested")} tested, ${count("gated")} gated, ` +
      `${count("in part")} in part, ${count("missing")} missing`,
  );
  return 0;
}

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: { check: { type: "boolean", default: false } },
});
process.exitCode = await main(values.check);
