/** grounds makes what the cases stand on: meshes of compiled daemons, with simulated nodes beside them. */
import { calls, type Output } from "../../src/wire/control-api.ts";
import { controlSocketDefault } from "../../src/wire/local-api.ts";
import { Mesh, type NodePlan } from "../e2e/mesh.ts";
import type { NodeHost } from "../e2e/node-host.ts";
import type { Prefixes } from "../lab/switch.ts";
import { waitFor } from "../lab/wait-for.ts";
import { Fleet } from "./fleet.ts";

/** All nodes of a case come from a few addresses: limits per address would be all that is measured. */
const unlimited = ["--enroll-burst", "10000000", "--enroll-per-minute", "10000000"];

export const ipv4Underlay: Prefixes = { ipv4: "192.0.2.0/24" };

export type BenchMesh<N extends string> = {
  readonly mesh: Mesh<N>;
  readonly fleet: Fleet;
  /** Another fleet beside the first one. */
  readonly openFleet: (name: string) => Promise<Fleet>;
};

/** Open until the case ends; the fleet has no node yet. */
export async function withMesh<N extends string>(
  nodes: readonly (N | NodePlan<N>)[],
  run: (made: BenchMesh<N>) => Promise<void>,
  underlay?: Prefixes,
): Promise<void> {
  const plans = nodes.map((node) => (typeof node === "string" ? { name: node } : node));
  await using mesh = await Mesh.open<N>("bench", {
    nodes: plans,
    initArgs: unlimited,
    ...(underlay === undefined ? {} : { underlay }),
  });
  const host = await mesh.lab.host("fleet", { on: [mesh.wan] });
  try {
    const openFleet = (name: string): Promise<Fleet> => Fleet.open(host, name);
    await run({ mesh, fleet: await openFleet("fleet"), openFleet });
  } catch (error) {
    throw await mesh.explain(error);
  }
}

export const networkOf = (mesh: Mesh): Promise<Output<"networkShow">> =>
  ask(mesh, calls.networkShow.path);

export const nodesOf = async (mesh: Mesh): Promise<Output<"nodeList">["nodes"]> =>
  (await ask<Output<"nodeList">>(mesh, calls.nodeList.path)).nodes;

/** What control itself says: it is measured, not doubted, so its answers are taken as they are. */
async function ask<T>(mesh: Mesh, path: string): Promise<T> {
  return (await (await mesh.control.service.ask(path)).json()) as T;
}

/** An operator's change over the socket, without the time that a command line takes to start. */
export async function operate(mesh: Mesh, path: string, input: object): Promise<void> {
  const { host, service } = mesh.control;
  const unix = host.socketPath(`${service.place.root}${controlSocketDefault}`);
  const answer = await fetch(`http://local${path}`, {
    unix,
    method: "POST",
    headers: { host: "local", "content-type": "application/json" },
    body: JSON.stringify(input),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
}

/** Resolves when every connected node says that it applied at least this generation. */
export async function untilApplied(mesh: Mesh, generation: number): Promise<void> {
  await waitFor(
    `all nodes to apply generation ${generation}`,
    async () => {
      const connected = (await nodesOf(mesh)).filter(({ presence }) => presence === "online");
      return connected.every(({ appliedGeneration }) => (appliedGeneration ?? 0) >= generation);
    },
    { deadlineMs: 60_000, pollMs: 2 },
  );
}

/** Resolves when nothing has changed for a while: all have applied the last generation. */
export async function untilQuiet(mesh: Mesh, quietMs = 1_500): Promise<void> {
  let before = -1;
  let sinceMs = performance.now();
  await waitFor(
    "the mesh to be quiet",
    async () => {
      const { generation } = await networkOf(mesh);
      if (generation !== before) [before, sinceMs] = [generation, performance.now()];
      await untilApplied(mesh, generation);
      return performance.now() - sinceMs > quietMs;
    },
    { deadlineMs: 120_000, pollMs: 100 },
  );
}

/** Nodes of the mesh by name, when a case makes them in a row. */
export function nodeNamed(mesh: Mesh, name: string): NodeHost {
  const node = mesh.nodes[name];
  if (node === undefined) throw new Error(`there is no ${name}`);
  return node;
}
