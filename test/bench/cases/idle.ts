/** idle: what the daemon and the control server take of a machine when nothing happens. */
import type { NodeHost } from "../../e2e/node-host.ts";
import { tunnelName } from "../../e2e/node-host.ts";
import type { Bench, Case } from "../bench.ts";
import { type FigureSpec, limits } from "../figure.ts";
import { networkOf, nodeNamed, untilQuiet, withMesh } from "../grounds.ts";
import { cpuMs, memoryOf, processesNamed } from "../usage.ts";

const sizes = [0, 2, 100] as const;

/** Of one program, by the number of peers. */
const memoryFigures = (who: string, what: string): readonly FigureSpec[] => [
  {
    name: `${who}_pss`,
    unit: "MB",
    better: "less",
    sizedBy: "peers",
    about: `memory of ${what}, with a part of what it shares (PSS)`,
  },
  {
    name: `${who}_anonymous`,
    unit: "MB",
    better: "less",
    sizedBy: "peers",
    about: `memory of ${what} that no file stands behind`,
  },
];

export const idle: Case = {
  name: "idle",
  about: "Daemons with 0, 2 and 100 peers, and their control server, are left alone.",
  figures: [
    {
      name: "daemon_cpu",
      unit: "percent",
      better: "less",
      sizedBy: "peers",
      limit: limits.idleCpu,
      about: "part of one core that the daemon's own process uses",
    },
    {
      name: "daemon_rss",
      unit: "MB",
      better: "less",
      sizedBy: "peers",
      limit: limits.idleRss,
      about: "resident memory of the daemon's own process, its program text included",
    },
    ...memoryFigures("daemon", "the daemon's own process"),
    {
      name: "tunnel_cpu",
      unit: "percent",
      better: "less",
      sizedBy: "peers",
      about:
        "part of one core that the tunnel program uses, which the kernel's tunnel does not need",
    },
    ...memoryFigures("tunnel", "the tunnel program"),
    {
      name: "control_cpu",
      unit: "percent",
      better: "less",
      about: "part of one core that the control server uses, with all of these nodes connected",
    },
    { name: "control_rss", unit: "MB", better: "less", about: "its resident memory" },
  ],
  run: async (bench) => {
    const plans = sizes.map((size) => ({ name: `peers${size}`, owner: `owner${size}` }));
    await withMesh(plans, async ({ mesh, fleet }) => {
      bench.say("making nodes");
      for (const size of sizes) {
        if (size === 0) continue;
        const token = await mesh.control.token({ owner: `owner${size}`, uses: size });
        await fleet.enroll({ token, count: size, prefix: `of${size}`, advertises: true });
      }
      await fleet.connect((await networkOf(mesh)).head);
      await untilQuiet(mesh);
      bench.say("letting everything settle");
      await Bun.sleep(bench.isQuick ? 5_000 : 20_000);
      const windows = bench.isQuick ? 1 : 2;
      const lengthMs = bench.isQuick ? 20_000 : 60_000;
      const nodes = new Map(sizes.map((size) => [size, nodeNamed(mesh, `peers${size}`)]));
      for (let i = 1; i <= windows; i++) {
        bench.say(`window ${i} of ${windows}: ${lengthMs / 1_000} s`);
        await watch(bench, nodes, mesh.control.service.process.pid, lengthMs);
      }
    });
    bench.note(
      "The peers are simulated: connected to the control server, and known to the tunnel without an " +
        "address. Each daemon looks at its host every 30 s and gets a map every 60 s.",
    );
  },
};

async function watch(
  bench: Bench,
  nodes: ReadonlyMap<number, NodeHost>,
  control: number,
  lengthMs: number,
): Promise<void> {
  const daemons = [...nodes].map(([size, node]) => ({ size, pid: node.service.process.pid }));
  const tunnels = [...nodes].map(([size, node]) => ({ size, pid: tunnelProgramOf(node) }));
  const pids = [...daemons, ...tunnels, { pid: control }].map(({ pid }) => pid);
  const before = new Map(pids.map((pid) => [pid, cpuMs(pid)]));
  const startedMs = performance.now();
  await Bun.sleep(lengthMs);
  const tookMs = performance.now() - startedMs;
  const percent = (pid: number): number => (100 * (cpuMs(pid) - (before.get(pid) ?? 0))) / tookMs;
  for (const [who, programs] of [
    ["daemon", daemons],
    ["tunnel", tunnels],
  ] as const) {
    for (const { size, pid } of programs) {
      const memory = memoryOf(pid);
      bench.record(`${who}_cpu`, percent(pid), size);
      if (who === "daemon") bench.record("daemon_rss", memory.rssMb, size);
      bench.record(`${who}_pss`, memory.pssMb, size);
      bench.record(`${who}_anonymous`, memory.anonymousMb, size);
    }
  }
  bench.record("control_cpu", percent(control));
  bench.record("control_rss", memoryOf(control).rssMb);
}

function tunnelProgramOf({ host, name }: NodeHost): number {
  const [pid] = processesNamed(host, "wireguard-go");
  if (pid === undefined) throw new Error(`no program makes ${tunnelName} on ${name}`);
  return pid;
}
