/** scene is a mesh in which a drill types commands, asks what came of them, and measures. */
import type { Finished } from "../lab/lab-process.ts";
import { ControlHost } from "../e2e/control-host.ts";
import { wordsOf } from "../e2e/journal.ts";
import type { Mesh } from "../e2e/mesh.ts";
import type { NodeHost } from "../e2e/node-host.ts";
import { approverHome, PersonHost } from "../e2e/person-host.ts";
import type { Step } from "./evidence.ts";

export const nodeNames = ["alice", "bob", "carol"] as const;
export type DrillMesh = Mesh<(typeof nodeNames)[number]>;
type Place = ControlHost | NodeHost | PersonHost;

export type Drill = {
  readonly name: string;
  /** The page whose commands it types. */
  readonly runbook: string;
  readonly about: string;
  readonly run: (scene: Scene) => Promise<void>;
};

export class Scene {
  readonly mesh: DrillMesh;
  readonly people: readonly [PersonHost, PersonHost, PersonHost];
  readonly #steps: Step[];

  /** What happens is added to `steps`. */
  constructor(mesh: DrillMesh, people: Scene["people"], steps: Step[]) {
    this.mesh = mesh;
    this.people = people;
    this.#steps = steps;
  }

  /** Everything that happens in `body` is this step's. */
  async step(what: string, body: () => Promise<void>): Promise<void> {
    const startedMs = performance.now();
    const open: Step = {
      ...{ what, durationMs: 0 },
      ...{ commands: [], expectations: [], measurements: [] },
    };
    this.#steps.push(open);
    await body().finally(() => (open.durationMs = Math.round(performance.now() - startedMs)));
  }

  /** Types a command. Its exit code has to be 0, or one of those that are named. */
  async type(
    where: Place,
    args: readonly string[],
    { exits = [0], stdin }: { exits?: readonly number[]; stdin?: string } = {},
  ): Promise<Finished> {
    const startedMs = performance.now();
    const finished = await run(where, args, stdin);
    this.#step.commands.push({
      who: nameOf(where),
      command: ["rustynet", ...args].join(" "),
      exitCode: finished.exitCode,
      durationMs: Math.round(performance.now() - startedMs),
    });
    if (finished.exitCode !== null && exits.includes(finished.exitCode)) return finished;
    throw new Error(`${nameOf(where)}: rustynet ${args.join(" ")}: ${wordsOf(finished)}`);
  }

  /** Something that has to be so at this point of the page. */
  expect(what: string, holds: boolean): void {
    this.#step.expectations.push({ what, holds });
    if (!holds) throw new Error(`not so: ${what}`);
  }

  measure(name: string, value: number, unit: string, atMost: number): void {
    this.#step.measurements.push({ name, value, unit, atMost });
  }

  get #step(): Step {
    const last = this.#steps.at(-1);
    if (last === undefined) throw new Error("a drill is made of steps");
    return last;
  }
}

const nameOf = (where: Place): string =>
  where instanceof ControlHost ? "control" : where.host.name;

function run(where: Place, args: readonly string[], stdin?: string): Promise<Finished> {
  // A person's key is where the lab has room for it; the page means the usual place.
  if (where instanceof PersonHost) {
    const isPlaced = args.includes("--dir");
    return where.run(...args, ...(isPlaced ? [] : ["--dir", approverHome]));
  }
  return where.service.run(args, { mayTell: true, ...(stdin === undefined ? {} : { stdin }) });
}
