/** fleet: the control server with many nodes: letting them in, holding them, telling them, taking them back. */
import type { Bench, Case } from "../bench.ts";
import { type FigureSpec, limits } from "../figure.ts";
import { type BenchMesh, networkOf, withMesh } from "../grounds.ts";
import { wallMs } from "../fleet.ts";
import { summarise } from "../statistics.ts";
import { cpuMs, memoryOf } from "../usage.ts";

/** At most this many may join by one token. */
const usesMax = 1_000;
const crowd = 600;
/** Longer than a stream must last to be worth coming back to at once. */
const steadyMs = 11_000;

const held: readonly FigureSpec[] = [
  {
    name: "control_rss",
    unit: "MB",
    better: "less",
    sizedBy: "nodes",
    about: "its resident memory with so many streams open",
  },
  {
    name: "stream_memory",
    unit: "kB",
    better: "less",
    sizedBy: "nodes",
    about: "what each stream adds to it, against the server before any was open",
  },
  {
    name: "idle_cpu",
    unit: "percent",
    better: "less",
    sizedBy: "nodes",
    about: "part of one core that it uses while nothing changes",
  },
  {
    name: "join_seen_by_all",
    unit: "ms",
    better: "less",
    sizedBy: "nodes",
    limit: limits.joinReachesAllMs,
    about: "from a machine's request to join until the last node was told of it",
  },
  {
    name: "join_seen_by_half",
    unit: "ms",
    better: "less",
    sizedBy: "nodes",
    about: "the same, until half of the nodes were told",
  },
  {
    name: "storm_to_all_connected",
    unit: "ms",
    better: "less",
    sizedBy: "nodes",
    about:
      "the control server was killed; from its start until all have their stream and a map again",
  },
];

const letIn: readonly FigureSpec[] = [
  {
    name: "enrollments",
    unit: "1/s",
    better: "more",
    about: `how many of ${crowd} machines at once are let in each second, 16 at a time`,
  },
  {
    name: "enrollment_cpu",
    unit: "ms",
    better: "less",
    about: "processor time of the control server for each of them",
  },
];

const words =
  "Nodes and control server share the processors. Simulated nodes do not verify what they are told, " +
  "and each has an owner of its own thousand: they hold the log as it was when all had joined.";

export const fleet: Case = {
  name: "fleet",
  about: "One control server and simulated nodes, each with a map stream of its own.",
  figures: [...letIn, ...held],
  run: (bench) => run(bench, bench.isQuick ? [100, crowd] : [3, 100, crowd, 1_000]),
};

export const multitude: Case = {
  name: "multitude",
  about: "The same as fleet, with as many nodes as are aimed at.",
  isOnRequest: true,
  figures: held,
  run: (bench) => run(bench, bench.isQuick ? [2_000] : [1_000, 10_000]),
};

async function run(bench: Bench, sizes: readonly number[]): Promise<void> {
  await withMesh([], (made) => enrollCrowd(bench, made, sizes));
  bench.note(words);
}

async function enrollCrowd(
  bench: Bench,
  made: BenchMesh<never>,
  sizes: readonly number[],
): Promise<void> {
  const { mesh } = made;
  const before = memoryOf(mesh.control.service.process.pid).rssMb;
  for (const size of sizes) {
    const { nodes } = await networkOf(mesh);
    await grow(bench, made, size - nodes, size === crowd && sizes.length > 2);
    const { head } = await networkOf(mesh);
    bench.say(`connecting ${size} nodes`);
    await made.fleet.connect(head);
    await hold(bench, made, size, before);
    await joinOnce(bench, made, size);
    await storm(bench, made, size);
  }
}

async function grow(
  bench: Bench,
  { mesh, fleet: nodes }: BenchMesh<never>,
  count: number,
  isTimed: boolean,
): Promise<void> {
  bench.say(`enrolling ${count} nodes`);
  const { pid } = mesh.control.service.process;
  for (let left = count; left > 0; left -= usesMax) {
    const uses = Math.min(left, usesMax);
    const token = await mesh.control.token({ owner: `owner${left}`, uses });
    const cpu = cpuMs(pid);
    const prefix = `n${crypto.randomUUID().slice(0, 8)}`;
    const { startedAtMs, endedAtMs } = await nodes.enroll({
      token,
      count: uses,
      prefix,
      advertises: false,
    });
    if (!isTimed) continue;
    bench.record("enrollments", (1_000 * uses) / (endedAtMs - startedAtMs));
    bench.record("enrollment_cpu", (cpuMs(pid) - cpu) / uses);
  }
}

async function hold(
  bench: Bench,
  { mesh }: BenchMesh<never>,
  size: number,
  beforeMb: number,
): Promise<void> {
  bench.say("holding them");
  const { pid } = mesh.control.service.process;
  await Bun.sleep(3_000);
  const lengthMs = bench.isQuick ? 5_000 : 61_000;
  const [cpu, startedMs] = [cpuMs(pid), performance.now()];
  await Bun.sleep(lengthMs);
  bench.record("idle_cpu", (100 * (cpuMs(pid) - cpu)) / (performance.now() - startedMs), size);
  const { rssMb } = memoryOf(pid);
  bench.record("control_rss", rssMb, size);
  bench.record("stream_memory", (1_000 * Math.max(0, rssMb - beforeMb)) / size, size);
}

/** Nobody else joins at that time, so that the epoch tells who it was. */
async function joinOnce(
  bench: Bench,
  { mesh, fleet: nodes, openFleet }: BenchMesh<never>,
  size: number,
): Promise<void> {
  const rounds = bench.isQuick ? 3 : 10;
  const newcomers = await openFleet(`newcomers${size}`);
  const token = await mesh.control.token({ owner: "late", uses: rounds + 1 });
  for (let i = 0; i <= rounds; i++) {
    bench.say(`join ${i} of ${rounds}`);
    const { head } = await networkOf(mesh);
    const told = nodes.awaitEpoch(head.epoch + 1);
    const startedAtMs = wallMs();
    await newcomers.enroll({ token, count: 1, prefix: `late${size}-${i}`, advertises: false });
    const { toldAtMs } = await told;
    // The first one also pays for the fleet's look at the server's key.
    if (i === 0) continue;
    const delays = toldAtMs.map((at) => Math.max(0, at - startedAtMs));
    bench.record("join_seen_by_all", summarise(delays).max, size);
    bench.record("join_seen_by_half", summarise(delays).median, size);
  }
}

async function storm(
  bench: Bench,
  { mesh, fleet: nodes }: BenchMesh<never>,
  size: number,
): Promise<void> {
  const rounds = bench.isQuick ? 1 : 3;
  for (let i = 0; i < rounds; i++) {
    bench.say(`storm ${i + 1} of ${rounds}`);
    // A stream that did not last makes nodes patient, and the storm before was a moment ago.
    if (i > 0) await Bun.sleep(steadyMs);
    const { head } = await networkOf(mesh);
    await mesh.control.service.kill();
    await nodes.untilLost();
    const startedAtMs = wallMs();
    await mesh.control.start();
    const { endedAtMs } = await nodes.connect(head);
    bench.record("storm_to_all_connected", endedAtMs - startedAtMs, size);
  }
}
