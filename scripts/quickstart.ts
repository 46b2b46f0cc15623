/** quickstart builds the product, shows it in a lab, and removes the lab, however it ends. */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import * as v from "valibot";
import { exitCode, Fault, faultClass } from "../src/base/fault.ts";
import { Lab } from "../test/lab/lab.ts";
import { readMachineNetwork } from "../test/lab/machine.ts";
import { type Figures, openWorld, walk, type World } from "./tour.ts";
import { screenOf, seconds, Transcript } from "./transcript.ts";

const root = resolve(import.meta.dir, "..");
const linesShown = 12;

type Build = { readonly path: string; readonly sizeBytes: number };
type Signal = "SIGINT" | "SIGTERM" | "SIGHUP";
const signalNumber = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

/** Resolves at the first signal. Later ones change nothing: the lab is being removed already. */
function untilInterrupted(): Promise<Signal> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.on(signal, () => resolve(signal));
  });
}

const Manifest = v.object({
  built: v.array(v.object({ target: v.string(), file: v.string(), sizeBytes: v.number() })),
});

/** Runs in a process group of its own, so that it can be ended with everything that it started. */
async function build(onStart: (end: () => void) => void): Promise<Build> {
  const child = Bun.spawn([join(root, "scripts/build")], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  onStart(() => {
    if (child.exitCode === null) process.kill(-child.pid, "SIGTERM");
  });
  const [stdout, stderr, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  if (code !== 0) throw new Fault("unavailable", `the build failed:\n${stdout}${stderr}`);
  const folder = join(root, "artifacts/build");
  const manifest = v.parse(Manifest, await Bun.file(join(folder, "manifest.json")).json());
  const built = manifest.built.find(({ target }) => target === `linux-${process.arch}`);
  if (built === undefined) throw new Fault("unavailable", `no build for ${process.arch}`);
  return { path: join(folder, built.file), sizeBytes: built.sizeBytes };
}

/** What lives longer than a step, and has to be ended whatever happens. */
class Stage {
  readonly transcript: Transcript;
  /** The tour is over, and the mesh stays up because somebody asked for it. */
  isKept = false;
  #lab: Promise<Lab> | null = null;
  #world: World | null = null;
  #isCleared = false;
  #endBuild = (): void => {};

  constructor(transcript: Transcript) {
    this.transcript = transcript;
  }

  /** Makes the world, or a part of it if it fails on the way: `clear` removes that too. */
  async set(): Promise<World> {
    const { transcript } = this;
    const built = await transcript.step(
      "building the executable",
      () => build((end) => (this.#endBuild = end)),
      ({ sizeBytes }) => `built one executable, ${(sizeBytes / 1e6).toFixed(0)} MB`,
    );
    this.#world = await transcript.step(
      "making four hosts",
      async () => openWorld(await this.#openLab(), built.path, transcript),
      () => "made four hosts on one switch, each in namespaces of its own",
    );
    return this.#world;
  }

  #openLab(): Promise<Lab> {
    if (this.#isCleared) throw new Fault("busy", "the quickstart is ending");
    this.#lab = Lab.open("quickstart", { graceMs: 1_000 });
    return this.#lab;
  }

  /** Ends every process and removes every namespace. Harmless when done twice, and at any moment. */
  async clear(): Promise<void> {
    this.#isCleared = true;
    this.#endBuild();
    const lab = await this.#lab?.catch(() => null);
    await lab?.close();
  }

  /** The last words of what ran in the background, for the reader of a failure. */
  words(): string {
    return [...(this.#world?.services ?? [])]
      .map(([host, { lines }]) =>
        [`${host}:`, ...lines.slice(-linesShown).map(({ text }) => `  ${text}`)].join("\n"),
      )
      .join("\n");
  }
}

function sayHowToGoOn({ transcript, control, nodes }: World): void {
  transcript.heading("The mesh stays up until Ctrl-C");
  transcript.say("In another terminal, a root shell on each of its hosts:\n");
  for (const { host } of [control, ...nodes])
    transcript.say(`  ${host.name.padEnd(8)} sudo ${host.enterArgv.join(" ")}`);
  transcript.say("\nThere, for example:\n");
  for (const [host, command] of examples) transcript.command(host, command);
}

const examples = [
  ["alice", "rustynet status"],
  ["alice", "rustynet peers"],
  ["alice", "rustynet ping carol"],
  ["alice", "nft list table inet rustynet"],
  ["control", "rustynet node list"],
  ["control", "rustynet node revoke carol"],
  ["control", "rustynet audit"],
  ["carol", "rustynet status"],
] as const;

async function show(stage: Stage, { keep, interrupted }: Terms): Promise<Report> {
  const startedMs = performance.now();
  stage.transcript.say(
    "Rustynet: a control server and three nodes, on this machine, in namespaces.\n",
  );
  const before = await readMachineNetwork();
  const world = await stage.set();
  const figures = await walk(world);
  if (keep) {
    sayHowToGoOn(world);
    stage.isKept = true;
    await interrupted;
  }
  stage.transcript.heading("Nothing is left behind");
  await stage.transcript.step(
    "removing the hosts",
    async () => {
      await stage.clear();
      refuseChange(before, await readMachineNetwork());
    },
    () => "the hosts are gone, and this machine's own network is as it was",
  );
  return { ...figures, tookMs: Math.round(performance.now() - startedMs) };
}

type Terms = { readonly keep: boolean; readonly interrupted: Promise<Signal> };
type Report = Figures & { readonly tookMs: number };

function refuseChange(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): void {
  const changed = Object.keys(before).filter((name) => before[name] !== after[name]);
  if (changed.length === 0) return;
  throw new Fault("host_failed", `changed meanwhile, by whomever: ${changed.join(", ")}`, {
    remedy: "if nothing else on this machine changes its network, this is a bug: please report it",
  });
}

/** The cause comes last, where the eye is. */
function sayFailure(stage: Stage, error: unknown): number {
  if (!(error instanceof Fault)) throw error;
  const { transcript } = stage;
  const words = stage.words();
  if (words !== "") transcript.say(`\nWhat the services said last:\n${words}`);
  transcript.say(`\nquickstart: ${error.message.trimEnd()}`);
  if (error.remedy !== undefined) transcript.say(`  ${error.remedy}`);
  return faultClass[error.code] === "usage" ? exitCode.usage : 1;
}

function readOptions(argv: readonly string[]): { readonly keep: boolean; readonly json: boolean } {
  const flag = { type: "boolean", default: false } as const;
  try {
    return parseArgs({ args: [...argv], options: { keep: flag, json: flag } }).values;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Fault("usage", why, { cause, remedy: "scripts/quickstart --help" });
  }
}

/** Returns the exit code. The figures go to standard output when a program asked for them. */
async function play(stage: Stage, options: ReturnType<typeof readOptions>): Promise<number> {
  const { transcript } = stage;
  const interrupted = untilInterrupted();
  const shown = show(stage, { keep: options.keep, interrupted });
  const first = await Promise.race([shown, interrupted]);
  if (typeof first === "string" && !stage.isKept) {
    transcript.end(`\n${first}: removing the hosts`);
    // Whatever it was waiting for goes away now.
    shown.catch(() => {});
    return 128 + signalNumber[first];
  }
  const report = await shown;
  transcript.say(`\nAll of it held, in ${seconds(report.tookMs)}.`);
  if (!options.keep) transcript.say("To look around in the mesh: sudo scripts/quickstart --keep");
  if (options.json) console.log(JSON.stringify(report, null, 2));
  return 0;
}

async function main(argv: readonly string[]): Promise<number> {
  const stage = new Stage(
    new Transcript(
      screenOf(argv.includes("--json") ? process.stderr : process.stdout, process.env),
    ),
  );
  try {
    return await play(stage, readOptions(argv));
  } catch (error) {
    return sayFailure(stage, error);
  } finally {
    await stage.clear();
  }
}

// What was given up may still be waiting for something.
process.exit(await main(process.argv.slice(2)));
