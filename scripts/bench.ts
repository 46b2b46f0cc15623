/** bench runs the cases one after the other, keeps what they found, and prints it. */
import { parseArgs } from "node:util";
import { loadavg } from "node:os";
import { assert } from "../src/base/assert.ts";
import { exitCode, Fault } from "../src/base/fault.ts";
import { Bench, type Case } from "../test/bench/bench.ts";
import { catalogue } from "../test/bench/catalogue.ts";
import { readBuild, readMachine } from "../test/bench/facts.ts";
import { combine, forget, keep, read, writePage } from "../test/bench/files.ts";
import { measureInGuest } from "../test/bench/guest.ts";
import type { Build, CaseReport } from "../test/bench/report.ts";
import { renderCase, renderComparison } from "../test/bench/text.ts";
import { ground, requireBinary } from "../test/e2e/ground.ts";
import { isGuest } from "../test/vm/guest-only.ts";

const flag = { type: "boolean", default: false } as const;

function readOptions(argv: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        guest: flag,
        quick: flag,
        list: flag,
        json: flag,
        "write-docs": flag,
        compare: { type: "string" },
      },
    });
    return { ...values, names: positionals };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Fault("usage", why, { cause, remedy: "scripts/bench --help" });
  }
}

/** Of the cases for this ground: the guest's, or those for any machine. */
function choose(names: readonly string[], isForGuest: boolean): readonly Case[] {
  const unknown = names.filter((name) => !catalogue.some((one) => one.name === name));
  if (unknown.length > 0)
    throw new Fault("usage", `there is no case ${unknown.join(", ")}`, {
      remedy: "scripts/bench --list",
    });
  const [here, elsewhere] = [true, false].map((isHere) =>
    catalogue.filter((one) => ((one.isForGuest ?? false) === isForGuest) === isHere),
  );
  const misplaced = (elsewhere ?? []).find(({ name }) => names.includes(name));
  if (misplaced !== undefined)
    throw new Fault(
      "usage",
      `${misplaced.name} is measured ${isForGuest ? "on" : "in the guest of"} another machine`,
      {
        remedy: `scripts/bench ${isForGuest ? "" : "--guest "}${misplaced.name}`,
      },
    );
  return (here ?? []).filter(({ name, isOnRequest }) =>
    names.length === 0 ? isOnRequest !== true : names.includes(name),
  );
}

const progress = (text: string): void => void process.stderr.write(`${text}\n`);

async function measure(one: Case, isQuick: boolean, build: Build): Promise<CaseReport> {
  const { name, about, figures, run } = one;
  progress(`> ${name}`);
  const bench = new Bench({ figures, isQuick, say: (text) => progress(`  ${text}`) });
  const startedAt = new Date().toISOString();
  const startedMs = performance.now();
  const [busy = 0] = loadavg();
  await run(bench);
  // Figures of a machine that had other work to do are figures of that too.
  if (busy > 0.5)
    bench.note(`The machine was not idle before: ${busy.toFixed(1)} programs wanted to run.`);
  return {
    version: 1,
    case: name,
    about,
    isQuick,
    ground: `${ground.backend} tunnels in network namespaces${isGuest() ? " of an emulated machine" : ""}`,
    machine: readMachine(),
    build,
    startedAt,
    tookMs: Math.round(performance.now() - startedMs),
    notes: bench.notes,
    figures: [...bench.figures()],
  };
}

/** Runs what was chosen; a case that fails does not keep the others from being measured. */
async function measureAll(cases: readonly Case[], isQuick: boolean): Promise<readonly string[]> {
  requireBinary();
  const build = await readBuild(ground.binary);
  const failed: string[] = [];
  for (const one of cases) {
    forget(one.name);
    try {
      const report = await measure(one, isQuick, build);
      keep(report);
      progress(`${renderCase(report)}\n`);
    } catch (error) {
      failed.push(one.name);
      progress(`FAILED ${one.name}: ${Bun.inspect(error)}\n`);
    }
  }
  return failed;
}

async function main(argv: readonly string[]): Promise<number> {
  const options = readOptions(argv);
  if (options.list) {
    for (const { name, about } of catalogue) console.log(`${name.padEnd(12)} ${about}`);
    return 0;
  }
  const cases = choose(options.names, options.guest || isGuest());
  const other = options.compare === undefined ? null : read(options.compare);
  const startedMs = performance.now();
  // To write down what was measured before, nothing needs to be measured again.
  const failed =
    options["write-docs"] && options.names.length === 0
      ? []
      : await (options.guest ? measureInGuest : measureAll)(cases, options.quick);
  const all = combine(catalogue.map(({ name }) => name));
  assert(all.cases.length > 0 || failed.length > 0, "something was measured");
  const mine = {
    ...all,
    cases: all.cases.filter((one) => cases.some(({ name }) => name === one.case)),
  };
  if (options.json) console.log(JSON.stringify(mine, null, 1));
  if (other !== null) console.log(renderComparison(other, mine));
  if (options["write-docs"])
    await writePage(
      all,
      catalogue.map(({ name }) => name),
    );
  progress(`${Math.round((performance.now() - startedMs) / 1_000)} s; see artifacts/perf/`);
  for (const name of failed) progress(`FAILED: ${name}`);
  return failed.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  if (error.remedy !== undefined) process.stderr.write(`  ${error.remedy}\n`);
  process.exitCode = exitCode.usage;
}
