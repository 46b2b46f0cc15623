/** revoke: how long an expelled node is still heard, when it does nothing to fall silent by itself. */
import { calls } from "../../../src/wire/control-api.ts";
import { waitFor } from "../../lab/wait-for.ts";
import type { Case } from "../bench.ts";
import { limits } from "../figure.ts";
import { wallMs } from "../fleet.ts";
import { TimedPing } from "../timed-ping.ts";
import { nodeNamed, operate, withMesh } from "../grounds.ts";
import type { Mesh } from "../../e2e/mesh.ts";
import type { NodeHost } from "../../e2e/node-host.ts";

/** How often the expelled node asks for an answer. */
const intervalS = 0.002;

export const revoke: Case = {
  name: "revoke",
  about:
    "A node is expelled while it sends, and its daemon is stopped so that it does not obey: only the " +
    "receiver cuts it off.",
  figures: [
    {
      name: "revoked_to_last_answer",
      unit: "ms",
      better: "less",
      limit: limits.revokeMs,
      about:
        "from sending the change to the control server to the last answer that the expelled node gets",
    },
  ],
  run: async (bench) => {
    const count = bench.isQuick ? 5 : 15;
    const names = Array.from({ length: count }, (_, i) => `rogue${i}`);
    await withMesh(["alice", ...names], async ({ mesh }) => {
      const alice = nodeNamed(mesh, "alice");
      for (const [i, name] of names.entries()) {
        bench.say(`${i + 1} of ${count}`);
        const rogue = nodeNamed(mesh, name);
        await mesh.untilReached(rogue, alice);
        try {
          bench.record("revoked_to_last_answer", await expel(mesh, rogue, alice));
        } finally {
          await rogue.service.kill();
        }
      }
    });
    bench.note(
      `The sender asks every ${intervalS * 1_000} ms, so a figure may be that much too small.`,
    );
  },
};

/** Milliseconds from the request until the last answer to the rogue. */
async function expel(mesh: Mesh, rogue: NodeHost, alice: NodeHost): Promise<number> {
  const { ipv4 } = await alice.self();
  const ping = await TimedPing.open(rogue.host, ipv4, intervalS);
  rogue.service.process.kill("SIGSTOP");
  const flowing = ping.answersMs.length;
  await waitFor("answers to flow", () => ping.answersMs.length > flowing + 20);
  const startedMs = wallMs();
  await operate(mesh, calls.nodeRevoke.path, { node: rogue.name });
  await waitFor(
    "answers to end",
    hasEnded(() => ping.answersMs.length),
    { pollMs: 100 },
  );
  await ping.stop();
  return Math.max(0, (ping.answersMs.at(-1) ?? 0) - startedMs);
}

/** Nothing new since it was last asked. */
function hasEnded(count: () => number): () => boolean {
  let before = -1;
  return () => {
    const now = count();
    const isSame = now === before;
    before = now;
    return isSame;
  };
}
