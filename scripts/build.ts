/** build compiles the one executable for each target and says in a manifest what it was made from. */
import { mkdir, rename, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import * as v from "valibot";
import { sourcesOf } from "./build-sources.ts";
import { closedOptions, shutDoor } from "./closed.ts";
import { output, ProgramFailed, run } from "./run.ts";
import { bringRuntime } from "./runtime.ts";
import { billsOf } from "./sbom.ts";

const root = resolve(import.meta.dir, "..");

const targets = {
  "linux-x64": { bunTarget: "bun-linux-x64", runtime: "@oven/bun-linux-x64", arch: "x64" },
  "linux-arm64": {
    bunTarget: "bun-linux-arm64",
    runtime: "@oven/bun-linux-aarch64",
    arch: "arm64",
  },
} as const;
type Target = keyof typeof targets;
const targetNames = Object.keys(targets) as Target[];

const Built = v.strictObject({
  target: v.picklist(targetNames),
  file: v.string(),
  sizeBytes: v.number(),
  sha256: v.string(),
});
const Manifest = v.strictObject({
  version: v.string(),
  commit: v.string(),
  bun: v.string(),
  /** SHA-256 over everything that goes into the executable, by which a build is known to be fresh. */
  sources: v.string(),
  built: v.array(Built),
});
type Built = v.InferOutput<typeof Built>;
type Manifest = v.InferOutput<typeof Manifest>;

async function sha256Of(path: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(path).stream()) hasher.update(chunk);
  return hasher.digest("hex");
}

async function hashOfSources(): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const path of sourcesOf(root)) {
    hasher.update(`${path}\0${await sha256Of(join(root, path))}\0`);
  }
  return hasher.digest("hex");
}

async function commitOfTree(): Promise<string> {
  // A copy of the sources builds too, on a machine that has no git.
  if (Bun.which("git") === null) return "unknown";
  const head = await run(["git", "rev-parse", "--short=12", "HEAD"], { cwd: root });
  if (head.exitCode !== 0) return "unknown";
  const changes = await output(["git", "status", "--porcelain", "--", "src", "bun.lock"], root);
  return head.stdout.trim() + (changes === "" ? "" : "-dirty");
}

async function compile(target: Target, out: string, identity: readonly string[]): Promise<Built> {
  const { bunTarget, runtime, arch } = targets[target];
  // The name of the output file is part of its bytes, so it is built under its final name.
  const partial = join(out, ".partial");
  const file = `rustynet-${target}`;
  await mkdir(partial, { recursive: true });
  const cross = arch === process.arch ? [] : await bringRuntime(runtime, root);
  const shape = ["--compile", "--format=esm", "--splitting", "--minify", "--bytecode"];
  const runtimes = cross.map((path) => `--compile-executable-path=${path}`);
  const meta = join(partial, "meta.json");
  const place = [
    `--metafile=${meta}`,
    `--target=${bunTarget}`,
    `--outfile=${join(partial, file)}`,
    ...runtimes,
  ];
  const options = [...shape, ...closedOptions, ...identity, ...place];
  await output([process.execPath, "build", "src/main.ts", ...options], root);
  await shutDoor(join(partial, file));
  await rename(join(partial, file), join(out, file));
  // The same for every processor: they differ in nothing but the build of the runtime.
  const { sbom, licences } = billsOf(root, await Bun.file(meta).json());
  await Bun.write(join(out, "sbom.json"), sbom);
  await Bun.write(join(out, "licences.txt"), licences);
  await rm(partial, { recursive: true });
  const path = join(out, file);
  return { target, file, sizeBytes: Bun.file(path).size, sha256: await sha256Of(path) };
}

async function readManifest(path: string): Promise<Manifest | null> {
  if (!(await Bun.file(path).exists())) return null;
  const parsed = v.safeParse(Manifest, await Bun.file(path).json());
  return parsed.success ? parsed.output : null;
}

/** Returns what an earlier build left, if it is whole and was made from the very same sources. */
async function fresh(previous: Manifest | null, target: Target, out: string, now: Manifest) {
  if (previous?.sources !== now.sources || previous.bun !== now.bun) return null;
  if (!(await Bun.file(join(out, "sbom.json")).exists())) return null;
  const built = previous.built.find((one) => one.target === target);
  if (built === undefined || !(await Bun.file(join(out, built.file)).exists())) return null;
  return (await sha256Of(join(out, built.file))) === built.sha256 ? built : null;
}

async function build(wanted: readonly Target[], out: string): Promise<void> {
  const { version } = v.parse(
    v.object({ version: v.string() }),
    await Bun.file(join(root, "package.json")).json(),
  );
  const manifestPath = join(out, "manifest.json");
  const previous = await readManifest(manifestPath);
  const commit = await commitOfTree();
  const now: Manifest = {
    version,
    commit,
    bun: Bun.version,
    sources: await hashOfSources(),
    built: [],
  };
  const identity = [
    `--define=RUSTYNET_VERSION=${JSON.stringify(version)}`,
    `--define=RUSTYNET_COMMIT=${JSON.stringify(commit)}`,
  ];
  await mkdir(out, { recursive: true });
  for (const target of targetNames) {
    const kept = await fresh(previous, target, out, now);
    if (kept !== null && (previous?.commit === commit || !wanted.includes(target))) {
      now.built.push(kept);
    } else if (wanted.includes(target)) {
      now.built.push(await compile(target, out, identity));
    }
  }
  await Bun.write(manifestPath, `${JSON.stringify(now, null, 2)}\n`);
  for (const { target, file, sizeBytes, sha256 } of now.built) {
    if (!wanted.includes(target)) continue;
    console.log(`${join(out, file)}  ${(sizeBytes / 1e6).toFixed(1)} MB  sha256 ${sha256}`);
  }
}

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: { target: { type: "string" }, out: { type: "string" } },
});
const asked = values.target ?? `linux-${process.arch}`;
const wanted = asked === "all" ? targetNames : targetNames.filter((name) => name === asked);
if (wanted.length === 0) {
  console.error(`${basename(import.meta.file, ".ts")}: no such target: ${asked}`);
  console.error(`choose one of: all ${targetNames.join(" ")}`);
  process.exit(64);
}
try {
  await build(wanted, resolve(values.out ?? join(root, "artifacts/build")));
} catch (error) {
  if (!(error instanceof ProgramFailed)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
