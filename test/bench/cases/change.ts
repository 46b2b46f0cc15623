/** change: how long it takes from a decision at the control server to the last node that acts on it. */
import { calls } from "../../../src/wire/control-api.ts";
import type { Bench, Case } from "../bench.ts";
import { limits } from "../figure.ts";
import { wallMs } from "../fleet.ts";
import {
  type BenchMesh,
  nodeNamed,
  networkOf,
  operate,
  untilApplied,
  untilQuiet,
  withMesh,
} from "../grounds.ts";

const real = ["alice", "bob", "carol"] as const;

export const change: Case = {
  name: "change",
  about:
    "An operator's change, from sending it to the control server until the last node has applied it: " +
    "signed, stored, sent, verified, made durable, and the host made to follow.",
  figures: [
    {
      name: "renamed_to_applied",
      unit: "ms",
      better: "less",
      sizedBy: "nodes",
      limit: limits.changeMs,
      about: "a node gets another name: every node takes a map, and nothing on its host changes",
    },
    {
      name: "revoked_to_applied",
      unit: "ms",
      better: "less",
      sizedBy: "nodes",
      limit: limits.changeMs,
      about: "a member is expelled: every node removes a peer, its routes and its filter entries",
    },
  ],
  run: async (bench) => {
    await withMesh([...real], async (made) => {
      await made.mesh.untilMeshed(...real.map((name) => nodeNamed(made.mesh, name)));
      const sizes = bench.isQuick ? [3, 10, 50] : [3, 10, 50, 100];
      for (const size of sizes) await measureAt(bench, made, size);
    });
    bench.note(
      "Three daemons are real; the others are simulated, and believe and report without verifying.",
    );
  },
};

async function measureAt(
  bench: Bench,
  { mesh, fleet, openFleet }: BenchMesh<string>,
  size: number,
): Promise<void> {
  const { nodes } = await networkOf(mesh);
  const rounds = bench.isQuick ? 10 : 40;
  const victims = bench.isQuick ? 5 : 15;
  bench.say(`${size} nodes`);
  if (size > nodes) {
    const token = await mesh.control.token({ uses: size - nodes });
    const prefix = `sim${size}`;
    await fleet.enroll({ token, count: size - nodes, prefix, advertises: true });
    await fleet.connect((await networkOf(mesh)).head);
  }
  await untilQuiet(mesh);
  for (let i = 0; i <= rounds; i++) {
    const { generation } = await networkOf(mesh);
    const startedMs = wallMs();
    await operate(mesh, calls.nodeRename.path, {
      node: (await nodeNamed(mesh, "alice").self()).node,
      name: `alice-${size}-${i}`,
    });
    await untilApplied(mesh, generation + 1);
    if (i > 0) bench.record("renamed_to_applied", wallMs() - startedMs, size);
  }
  // Members without a stream, so that only those who stay are timed.
  const absent = await openFleet(`absent${size}`);
  const token = await mesh.control.token({ uses: victims });
  await absent.enroll({ token, count: victims, prefix: `gone${size}`, advertises: true });
  await untilQuiet(mesh);
  for (let i = 0; i < victims; i++) {
    const { generation } = await networkOf(mesh);
    const startedMs = wallMs();
    await operate(mesh, calls.nodeRevoke.path, { node: `gone${size}-${i}` });
    await untilApplied(mesh, generation + 1);
    bench.record("revoked_to_applied", wallMs() - startedMs, size);
  }
}
