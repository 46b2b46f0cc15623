/** drill performs the drills that are named, one after the other, and writes the evidence of each. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { drills } from "../test/drills/catalogue.ts";
import { perform } from "../test/drills/perform.ts";
import type { Drill } from "../test/drills/scene.ts";
import { root } from "./checks.ts";
import { drillPath, drillsFolder } from "./gates/drills.ts";
import { readSubject } from "./gates/subject.ts";
import { hashOfTree } from "./gates/tree.ts";

function choose(names: readonly string[]): readonly Drill[] {
  if (names.length === 1 && names[0] === "all") return drills;
  const unknown = names.find((name) => !drills.some((drill) => drill.name === name));
  if (unknown === undefined) return drills.filter(({ name }) => names.includes(name));
  console.error(`there is no drill ${unknown}; scripts/drill --list names them`);
  process.exit(64);
}

async function run(drill: Drill): Promise<boolean> {
  const path = drillPath(root, drill.name);
  // What an earlier run left would speak for this one if it broke off.
  await rm(path, { force: true });
  const runbook = await Bun.file(join(root, drill.runbook)).text();
  const tree = await hashOfTree(root);
  const { evidence, findings } = await perform(drill, runbook, { ...readSubject(root), tree });
  await Bun.write(path, `${JSON.stringify(evidence, null, 2)}\n`);
  const seconds = (evidence.durationMs / 1_000).toFixed(1);
  console.log(`${drill.name.padEnd(22)}${evidence.verdict}  ${seconds} s`);
  for (const { measurements } of evidence.steps)
    for (const { name, value, unit, atMost } of measurements)
      console.log(`  ${name}: ${value} ${unit} (at most ${atMost})`);
  for (const finding of findings) console.log(`  ${finding}`);
  if (evidence.failure !== null) console.error(evidence.failure);
  return findings.length === 0;
}

const names = process.argv.slice(2);
if (names.includes("--list")) {
  for (const { name, about } of drills) console.log(`${name.padEnd(22)}${about}`);
} else {
  await mkdir(drillsFolder(root), { recursive: true });
  let passes = true;
  for (const drill of choose(names)) passes = (await run(drill)) && passes;
  process.exitCode = passes ? 0 : 1;
}
