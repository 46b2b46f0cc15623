/** perform runs one drill in a lab of its own and says what came of it, whatever that is. */
import { ground } from "../e2e/ground.ts";
import { Mesh } from "../e2e/mesh.ts";
import { threeWhoDecide } from "../e2e/quorum.ts";
import { type DrillEvidence, drillFindings, type Step } from "./evidence.ts";
import { type Drill, nodeNames, Scene } from "./scene.ts";

/** What the drill is run on, as the caller knows it. */
export type Subject = Pick<DrillEvidence, "commit" | "tree" | "sha256">;

export type Performed = {
  readonly evidence: DrillEvidence;
  /** Empty if and only if it passed. */
  readonly findings: readonly string[];
};

export async function perform(drill: Drill, runbook: string, subject: Subject): Promise<Performed> {
  const startedAt = new Date();
  const { steps, failure } = await attempt(drill);
  const findings = drillFindings({ steps, failure }, runbook);
  const evidence: DrillEvidence = {
    ...{ version: 1, drill: drill.name, runbook: drill.runbook, ...subject },
    ...{ backend: ground.backend, startedAt: startedAt.toISOString() },
    durationMs: Date.now() - startedAt.getTime(),
    steps,
    verdict: findings.length === 0 ? "passed" : "failed",
    failure,
  };
  return { evidence, findings };
}

type Attempt = { readonly steps: Step[]; readonly failure: string | null };

async function attempt({ run }: Drill): Promise<Attempt> {
  const steps: Step[] = [];
  try {
    await using mesh = await Mesh.open("drill", { nodes: nodeNames.map((name) => ({ name })) });
    try {
      await run(new Scene(mesh, await threeWhoDecide(mesh), steps));
    } catch (error) {
      throw await mesh.explain(error);
    }
    return { steps, failure: null };
  } catch (error) {
    return { steps, failure: String(error) };
  }
}
