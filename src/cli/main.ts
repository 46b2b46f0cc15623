/** The command line: finds the command, runs it, and is the one door through which its faults leave. */
import { exitCode, Fault, faultClass } from "../base/fault.ts";
import type { Context, Report } from "./command.ts";
import { commands } from "./commands.ts";
import { openSurroundings } from "./config.ts";
import { describeEntry, renderHelp } from "./help.ts";
import { openOutput } from "./output.ts";
import type { Surroundings } from "./surroundings.ts";
import { findEntry, type Found } from "./tree.ts";

/** Returns the exit code: 0, or that of the fault's class (base/fault.ts). */
export async function main(
  argv: readonly string[],
  surroundings: Surroundings = openSurroundings(),
): Promise<number> {
  const output = openOutput(surroundings, hasOption(argv, ["--json"]));
  try {
    const report = await answer(argv, output.context);
    output.report(report);
    return report.exit ?? 0;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    output.fault(error);
    return exitCode[faultClass[error.code]];
  }
}

async function answer(argv: readonly string[], context: Context): Promise<Report> {
  const words = argv[0] === "--version" ? ["version", ...argv.slice(1)] : argv;
  const found = findEntry(commands, words);
  const { entry } = found;
  if (entry.kind !== "command") return explain(found);
  if (hasOption(found.words, ["--help", "-h"])) return { ...explain(found), exit: 0 };
  try {
    return await entry.run(found.words, context);
  } catch (error) {
    throw error instanceof Fault ? withUsage(error, found) : error;
  }
}

/** A group without a command is a question half asked: answered, and still a mistake in a script. */
function explain({ path, entry, words }: Found): Report {
  const isAsked = entry.kind === "mode" || hasOption(words, ["--help", "-h"]);
  return {
    document: describeEntry(path, entry),
    lines: renderHelp(path, entry),
    exit: isAsked ? 0 : exitCode.usage,
  };
}

/** Words after `--` are no options. */
function hasOption(argv: readonly string[], names: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end === -1 ? argv : argv.slice(0, end)).some((word) => names.includes(word));
}

/** Whoever typed it wrongly is told where the command is explained. */
function withUsage(fault: Fault, { path }: Found): Fault {
  if (fault.code !== "usage" || fault.remedy !== undefined) return fault;
  return new Fault("usage", fault.message, {
    cause: fault,
    remedy: `${["rustynet", ...path].join(" ")} --help`,
  });
}
