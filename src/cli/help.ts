/** help words the command tree: one page for each entry, as text and as data. */
import { aliasesOf, type Argument, type Command, type Entry, positionalsOf } from "./command.ts";
import type { Line } from "./text.ts";

const columnMin = 18;

export function renderHelp(path: readonly string[], entry: Entry): readonly Line[] {
  const typed = ["rustynet", ...path].join(" ");
  switch (entry.kind) {
    case "mode":
      return [entry.summary, "", `It explains itself: ${typed} --help`];
    case "group":
      return [
        `Usage: ${typed} COMMAND`,
        "",
        entry.summary,
        "",
        "Commands:",
        ...renderPairs(listed(entry.entries)),
        "",
        `${typed} COMMAND --help says more. Every command has --json, for programs.`,
      ];
    case "command":
      return renderCommand(typed, entry);
  }
}

function listed(entries: Readonly<Record<string, Entry>>): readonly Pair[] {
  return Object.entries(entries)
    .filter(([, entry]) => entry.kind !== "command" || !entry.isHidden)
    .map(([name, { summary }]) => [name, summary]);
}

function renderCommand(typed: string, command: Command): readonly Line[] {
  const positionals = positionalsOf(command.args);
  const options = Object.entries(command.args).filter(([, { type }]) => type !== "positional");
  const rest = command.rest === undefined ? [] : [`[${command.rest}]...`];
  const words = positionals.map(([name, { required }]) =>
    required === false ? `[${name.toUpperCase()}]` : name.toUpperCase(),
  );
  return [
    `Usage: ${[typed, ...words, ...rest, "[OPTIONS]"].join(" ")}`,
    "",
    command.summary,
    ...(command.details.length === 0 ? [] : ["", ...command.details]),
    ...(positionals.length === 0 ? [] : ["", "Arguments:"]),
    ...renderPairs(
      positionals.map(([name, { description = "" }]) => [name.toUpperCase(), description]),
    ),
    "",
    "Options:",
    ...renderPairs(options.map(([name, option]) => [spell(name, option), wordOption(option)])),
  ];
}

function spell(name: string, option: Argument): string {
  const letters = aliasesOf(option).map((letter) => `-${letter}, `);
  const value =
    option.type === "enum"
      ? ` ${option.options?.join("|")}`
      : option.type === "boolean"
        ? ""
        : ` ${option.valueHint ?? "VALUE"}`;
  return `${letters.join("")}--${name}${value}`;
}

const wordOption = ({ description = "", default: usual }: Argument): string =>
  usual === undefined ? description : `${description} (${String(usual)})`;

type Pair = readonly [term: string, meaning: string];

function renderPairs(pairs: readonly Pair[]): readonly Line[] {
  const width = Math.max(columnMin, ...pairs.map(([term]) => term.length));
  return pairs.map(([term, meaning]) => `  ${term.padEnd(width)}  ${meaning}`);
}

/** The same page for programs. */
export function describeEntry(path: readonly string[], entry: Entry): unknown {
  const command = ["rustynet", ...path].join(" ");
  const { summary } = entry;
  switch (entry.kind) {
    case "mode":
      return { command, summary };
    case "group":
      return {
        command,
        summary,
        commands: listed(entry.entries).map(([name, each]) => ({ name, summary: each })),
      };
    case "command":
      return {
        command,
        summary,
        arguments: Object.entries(entry.args).map(([name, each]) => ({
          name,
          type: each.type ?? "string",
          aliases: aliasesOf(each),
          description: each.description ?? "",
          default: each.default ?? null,
        })),
      };
  }
}
