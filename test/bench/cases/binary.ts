/** binary: how large the executable is, and how long its modes take to start. */
import { statSync } from "node:fs";
import { ground } from "../../e2e/ground.ts";
import { nodeNamed, withMesh } from "../grounds.ts";
import { alternate, type Case } from "../bench.ts";

/** The runtime that the executable contains, doing nothing but to say its version. */
const bare = [process.execPath, "--version"] as const;

export const binary: Case = {
  name: "binary",
  about: "The executable that ships, started again and again.",
  figures: [
    { name: "size", unit: "MB", better: "less", about: "the file, with the runtime in it" },
    {
      name: "version_command",
      unit: "ms",
      better: "less",
      about: "from starting `rustynet version` to its end",
    },
    {
      name: "runtime_alone",
      unit: "ms",
      better: "less",
      about: "the same of `bun --version`, in turn: what the runtime takes by itself",
    },
    {
      name: "daemon_ready",
      unit: "ms",
      better: "less",
      about: "from starting `rustynet daemon` in no network to the first answer at its socket",
    },
  ],
  run: async (bench) => {
    bench.record("size", statSync(ground.binary).size / 1e6);
    const rounds = bench.isQuick ? 20 : 100;
    bench.say(`${rounds} starts`);
    const pairs = await alternate(
      rounds,
      () => timeRun([ground.binary, "version"]),
      () => timeRun(bare),
    );
    for (const { product, bare: alone } of pairs) {
      bench.record("version_command", product);
      bench.record("runtime_alone", alone);
    }
    const starts = bench.isQuick ? 5 : 20;
    bench.say(`${starts} daemons`);
    await withMesh([{ name: "alice", at: "nothing" }], async ({ mesh }) => {
      const alice = nodeNamed(mesh, "alice");
      for (let i = 0; i <= starts; i++) {
        const startedMs = performance.now();
        await alice.start();
        if (i > 0) bench.record("daemon_ready", performance.now() - startedMs);
        await alice.service.stop();
      }
    });
  },
};

async function timeRun(argv: readonly string[]): Promise<number> {
  const startedMs = performance.now();
  const exitCode = await Bun.spawn([...argv], { stdio: ["ignore", "ignore", "ignore"], env: {} })
    .exited;
  if (exitCode !== 0) throw new Error(`${argv.join(" ")}: exit code ${exitCode}`);
  return performance.now() - startedMs;
}
