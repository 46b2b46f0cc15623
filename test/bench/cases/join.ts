/** join: how long it takes a machine to become a node that others can be reached from. */
import type { Case } from "../bench.ts";
import { withMesh, nodeNamed } from "../grounds.ts";
import { waitFor } from "../../lab/wait-for.ts";

export const join: Case = {
  name: "join",
  about: "A machine whose daemon runs joins by a token, and pings a node that was there before.",
  figures: [
    {
      name: "up_command",
      unit: "ms",
      better: "less",
      about: "from starting `rustynet up` to its end: enrolled, map verified, host changed",
    },
    {
      name: "join_to_first_ping",
      unit: "ms",
      better: "less",
      about: "from starting `rustynet up` to the first answer through the tunnel",
    },
  ],
  run: async (bench) => {
    const count = bench.isQuick ? 5 : 20;
    const names = Array.from({ length: count + 1 }, (_, i) => `node${i}`);
    const plans = names.map((name) => ({ name, at: "daemon" as const }));
    await withMesh([{ name: "anchor" }, ...plans], async ({ mesh }) => {
      const { ipv4 } = await nodeNamed(mesh, "anchor").self();
      for (const [i, name] of names.entries()) {
        bench.say(`${i} of ${count} have joined`);
        const node = nodeNamed(mesh, name);
        const token = await mesh.control.token();
        const startedMs = performance.now();
        await node.up(token);
        const upMs = performance.now() - startedMs;
        const answered = (): ReturnType<typeof node.host.startPing> =>
          node.host.startPing(ipv4, { intervalS: 0.01 });
        const ping = await waitFor("an answer", answered, { pollMs: 1, deadlineMs: 20_000 });
        const answeredMs = performance.now() - startedMs;
        await ping.stop();
        await node.service.stop();
        // The first one warms up what all share.
        if (i === 0) continue;
        bench.record("up_command", upMs);
        bench.record("join_to_first_ping", answeredMs);
      }
    });
    bench.note("Starting each program in its namespace takes about 10 ms of it.");
  },
};
