/** drills judges what the drills left behind: each of them ran on this very tree, and shows its runbook. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { DrillEvidence, drillFindings } from "../../test/drills/evidence.ts";

export const drillsFolder = (root: string): string => join(root, "artifacts/membership/drills");
export const drillPath = (root: string, name: string): string =>
  join(drillsFolder(root), `${name}.json`);

export type JudgedDrill = {
  readonly name: string;
  readonly evidence: DrillEvidence | null;
  readonly findings: readonly string[];
};

/** `runbook` is the page that the drill has to show. */
export function judgeDrill(
  name: string,
  text: string | null,
  runbook: string,
  { tree, sha256 }: Pick<DrillEvidence, "tree" | "sha256">,
): JudgedDrill {
  const remedy = `scripts/drill ${name}`;
  if (text === null) return { name, evidence: null, findings: [`it was not performed: ${remedy}`] };
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), DrillEvidence), text);
  if (!parsed.success)
    return { name, evidence: null, findings: [`unreadable: ${v.summarize(parsed.issues)}`] };
  const evidence = parsed.output;
  const findings = [
    ...(evidence.drill === name ? [] : [`it is the evidence of ${evidence.drill}`]),
    ...(evidence.tree === tree ? [] : [`files have changed since it was performed: ${remedy}`]),
    ...(evidence.sha256 === sha256 ? [] : [`another executable performed it: ${remedy}`]),
    ...(evidence.verdict === "passed" ? [] : ["it failed"]),
    ...drillFindings(evidence, runbook),
  ];
  return { name, evidence, findings };
}

export function readDrill(root: string, name: string): string | null {
  const path = drillPath(root, name);
  return existsSync(path) ? readFileSync(path, "utf8") : null;
}
