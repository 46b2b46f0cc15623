/** main is scripts/lab-vm: it makes the image, boots it, shows what happens, and keeps what came out. */
import { mkdirSync, rmSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { output, ProgramFailed, run } from "../../scripts/run.ts";
import { Fault } from "../../src/base/fault.ts";
import { parseRelease, type Release } from "./archive.ts";
import { parseEvent, showConsole } from "./hearing.ts";
import { baseOf, writeImage } from "./image.ts";
import { bringPackages } from "./packages.ts";
import type { Plan } from "./plan.ts";
import { boot, bootOnTerminal, type Guest } from "./qemu.ts";
import { filesOf, groupNames, measures } from "./suites.ts";
import { Tally } from "./tally.ts";

const root = resolve(import.meta.dir, "../..");
const out = join(root, "artifacts/vm");
const processesMax = 2;

type Options = {
  readonly release: Release;
  readonly isRenewing: boolean;
  /** Of the bench alone. */
  readonly isQuick: boolean;
};

const fileMaxS = 240;
const caseMaxS = 1_500;
const deadlineMsOf = (count: number, eachMaxS: number): number => 1_000 * (180 + eachMaxS * count);

/** The image is made anew each time and removed at the end: it is large, and quickly made. */
async function furnish(plan: Plan, { release, isRenewing }: Options): Promise<Guest> {
  const home = join(root, ".tools/vm", `debian-${release}`);
  const packages = await bringPackages(release, home, isRenewing);
  const base = await baseOf(home, packages);
  for (const left of ["results", "results.tar", "summary.json", "console.txt"])
    rmSync(join(out, left), { recursive: true, force: true });
  mkdirSync(join(out, "results"), { recursive: true });
  const image = join(out, "image.cpio");
  writeImage(image, base, plan);
  console.log(`  booting Debian ${release} with ${packages.kernelRelease}, emulated ...`);
  return {
    kernel: base.kernel,
    image,
    console: join(out, "console.txt"),
    results: join(out, "results.tar"),
  };
}

/** An archive that was cut off gives what is whole in it. */
async function unpackResults({ results, image }: Guest): Promise<void> {
  rmSync(image, { force: true });
  await run(["tar", "-xf", results, "-C", join(out, "results"), "--no-same-owner"]);
  rmSync(results, { force: true });
}

/** Boots, and follows what the guest tells until all that is named has run, or its time is over. */
async function follow(
  names: readonly string[],
  guest: Guest,
  deadlineMs: number,
): Promise<boolean> {
  const tally = new Tally(names);
  const ending = await boot(guest, deadlineMs, (line) => {
    const event = parseEvent(line);
    if (event !== null) tally.take(event);
  });
  await unpackResults(guest);
  if (ending === "late") tally.fail(`the guest hung: it was ended after ${deadlineMs / 1_000} s`);
  else if (!tally.isDone) tally.fail("the guest ended before it had run everything");
  if (!tally.isDone) showConsole(guest.console);
  await Bun.write(join(out, "summary.json"), `${JSON.stringify(tally.summary, null, 2)}\n`);
  console.log(`  ${tally.text}; all that came out is in ${relative(root, out)}/`);
  return tally.summary.failed === 0;
}

async function openShell(options: Options): Promise<number> {
  const guest = await furnish({ mode: "shell" }, options);
  await bootOnTerminal(guest);
  await unpackResults(guest);
  return 0;
}

async function runCases(cases: readonly string[], options: Options): Promise<number> {
  const { isQuick } = options;
  const guest = await furnish({ mode: "bench", cases: [...cases], isQuick }, options);
  return (await follow(cases, guest, deadlineMsOf(cases.length, caseMaxS))) ? 0 : 1;
}

async function runSuites(words: readonly string[], options: Options): Promise<number> {
  const { files, strays } = filesOf(words);
  if (strays.length > 0) {
    console.error(`lab-vm: no test file for: ${strays.join(" ")}`);
    console.error(`ask for shell, a part of a file's path, or: ${groupNames.join(" ")}`);
    return 64;
  }
  const guest = await furnish(
    {
      ...{ mode: "suites", processesMax },
      files: files.filter((file) => !measures(file)),
      filesAlone: files.filter(measures),
    },
    options,
  );
  return (await follow(files, guest, deadlineMsOf(files.length, fileMaxS))) ? 0 : 1;
}

async function main(words: readonly string[], options: Options): Promise<number> {
  await output([join(root, "scripts/build")], root);
  if (words[0] === "shell") return openShell(options);
  if (words[0] === "bench") return runCases(words.slice(1), options);
  return runSuites(words, options);
}

try {
  const { values, positionals } = parseArgs({
    args: process.argv.slice(2),
    allowPositionals: true,
    options: {
      renew: { type: "boolean", default: false },
      debian: { type: "string", default: "12" },
      quick: { type: "boolean", default: false },
    },
  });
  const { debian, renew: isRenewing, quick: isQuick } = values;
  const options = { release: parseRelease(debian), isRenewing, isQuick };
  process.exitCode = await main(positionals, options);
} catch (error) {
  if (error instanceof ProgramFailed) console.error(`lab-vm: ${error.message}`);
  else if (error instanceof Fault) {
    console.error(`lab-vm: ${error.message}${error.remedy ? `\nremedy: ${error.remedy}` : ""}`);
  } else throw error;
  process.exitCode = 1;
}
