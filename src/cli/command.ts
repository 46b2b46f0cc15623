/**
 * command is the shape of everything that can be typed, and how words become arguments. citty lets
 * unknown and repeated options pass, so they are refused here before it sees them: `logout --locl`
 * must not log out everywhere.
 */
import { parseArgs as splitArgs } from "node:util";
import { type ArgDef, parseArgs } from "citty";
import { Fault } from "../base/fault.ts";
import { type Line, quoted } from "./text.ts";
import type { Surroundings } from "./surroundings.ts";

/** An argument as citty knows it, and what only we need to know. */
export type Argument = ArgDef & {
  /** May be given several times: the values arrive joined by commas. */
  readonly repeats?: true;
  /** What a shell may offer for it. */
  readonly completes?: "node" | "file";
};
export type Arguments = { readonly [name: string]: Argument };

type Value<A extends Argument> = A["type"] extends "boolean"
  ? boolean
  : A extends { required: true } | { default: string }
    ? string
    : A extends { type: "positional"; required?: true }
      ? string
      : string | undefined;

/** The arguments by name, and the words that no argument was waiting for. */
export type Given<A extends Arguments> = { readonly [N in keyof A]: Value<A[N]> };

/** What a command has to say: to programs by `document`, to people by lines. */
export type Report = {
  readonly document: unknown;
  readonly lines?: readonly Line[];
  /** For people, and none of what a pipe should carry on: goes to stderr. */
  readonly notes?: readonly Line[];
  /** Instead of lines: what another program reads, as it is. Nothing from outside may be in it. */
  readonly raw?: string;
  /** Something other than 0, when the answer is a "no" that is not an error. */
  readonly exit?: number;
};

/** How a command speaks before it is done. Programs that read JSON hear nothing of it. */
export type Context = Surroundings & {
  readonly say: (line: Line) => void;
  /** Replaces the last such text on a terminal; an empty one clears it. */
  readonly progress: (text: string) => void;
};

export type Command = {
  readonly kind: "command";
  readonly summary: string;
  readonly details: readonly string[];
  readonly args: Arguments;
  /** What the words after the arguments are called, where any number of them may follow. */
  readonly rest?: string;
  readonly isHidden: boolean;
  readonly run: (words: readonly string[], context: Context) => Promise<Report> | Report;
};

/** Served by another mode of the executable, and listed so that people find it. */
export type ModeEntry = { readonly kind: "mode"; readonly summary: string };

export type Group = {
  readonly kind: "group";
  readonly summary: string;
  readonly entries: Readonly<Record<string, Entry>>;
};

export type Entry = Command | Group | ModeEntry;

/** Null for a name that is none, also for those that every object has. */
export function entryNamed({ entries }: Group, name: string): Entry | null {
  return Object.hasOwn(entries, name) ? (entries[name] ?? null) : null;
}

export const everywhere = {
  json: { type: "boolean", description: "Print one JSON document, also for errors" },
  help: { type: "boolean", alias: "h", description: "Show this help" },
} as const satisfies Arguments;

export function defineCommand<const A extends Arguments>(definition: {
  readonly summary: string;
  readonly details?: readonly string[];
  readonly args: A;
  readonly rest?: string;
  readonly isHidden?: true;
  readonly run: (
    given: Given<A>,
    context: Context,
    rest: readonly string[],
  ) => Promise<Report> | Report;
}): Command {
  const args = { ...definition.args, ...everywhere };
  return {
    kind: "command",
    summary: definition.summary,
    details: definition.details ?? [],
    args,
    ...(definition.rest === undefined ? {} : { rest: definition.rest }),
    isHidden: definition.isHidden ?? false,
    run: (words, context) => {
      const takesRest = definition.rest !== undefined;
      const { canonical, flags, rest } = canonicalWords(words, args, takesRest);
      const parsed = parseArgs([...canonical], args);
      // By construction: a boolean is there or not, and the rest is text where it was given.
      const given = Object.fromEntries(
        Object.entries(args).map(([name, { type }]) => [
          name,
          type === "boolean" ? flags.has(name) : parsed[name],
        ]),
      ) as Given<A>;
      return definition.run(given, context, rest);
    },
  };
}

export const positionalsOf = (args: Arguments): readonly (readonly [string, Argument])[] =>
  Object.entries(args).filter(([, { type }]) => type === "positional");

export const aliasesOf = (argument: Argument): readonly string[] =>
  "alias" in argument && argument.alias !== undefined ? [argument.alias].flat() : [];

/** The option that a word after dashes names, in full or by its letter. */
export function optionNamed(args: Arguments, name: string): readonly [string, Argument] | null {
  const found = Object.entries(args).find(
    ([full, each]) =>
      each.type !== "positional" && (full === name || aliasesOf(each).includes(name)),
  );
  return found ?? null;
}

/**
 * Every option with a value in its long form with `=`, each once, then `--`, then the other words. Flags
 * are apart: citty would read `--no-wait` as the denial of another option.
 */
function canonicalWords(
  words: readonly string[],
  args: Arguments,
  takesRest: boolean,
): {
  readonly canonical: readonly string[];
  readonly flags: ReadonlySet<string>;
  readonly rest: readonly string[];
} {
  const { options, plain } = splitWords(words, args);
  const positionals = positionalsOf(args);
  const missing = positionals[plain.length];
  if (missing !== undefined && missing[1].required !== false)
    throw usage(`${missing[0].toUpperCase()} is missing`);
  const rest = plain.slice(positionals.length);
  if (rest.length > 0 && !takesRest)
    throw usage(`nothing is known to do with ${quoted(rest[0] ?? "")}`);
  const written = [...options].flatMap(([name, values]) =>
    values === null ? [] : `--${name}=${values.join(",")}`,
  );
  const flags = new Set([...options].flatMap(([name, values]) => (values === null ? name : [])));
  return { canonical: [...written, "--", ...plain.slice(0, positionals.length)], flags, rest };
}

type Options = Map<string, readonly string[] | null>;

function splitWords(
  words: readonly string[],
  args: Arguments,
): { readonly options: Options; readonly plain: readonly string[] } {
  const { tokens } = splitArgs({
    args: [...words],
    options: splitOptions(args),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const options: Options = new Map();
  const plain: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") plain.push(token.value);
    if (token.kind === "option") readOption(token, args, options);
  }
  return { options, plain };
}

function splitOptions(args: Arguments) {
  const options: Record<string, { type: "boolean" | "string"; short?: string }> = {};
  for (const [name, argument] of Object.entries(args)) {
    if (argument.type === "positional") continue;
    const short = aliasesOf(argument).find((each) => each.length === 1);
    options[name] = {
      type: argument.type === "boolean" ? "boolean" : "string",
      ...(short === undefined ? {} : { short }),
    };
  }
  return options;
}

function readOption(
  { name, rawName, value, inlineValue }: OptionToken,
  args: Arguments,
  options: Options,
): void {
  const found = optionNamed(args, name);
  if (found === null) throw usage(`there is no option ${quoted(rawName)}`);
  const [full, argument] = found;
  const before = options.get(full);
  if (argument.type === "boolean") {
    if (value !== undefined) throw usage(`${rawName} takes no value`);
    options.set(full, null);
    return;
  }
  // `-` alone is how one says "standard input"; any other dash is an option whose value is missing.
  const isOption = inlineValue !== true && value !== undefined && /^-./.test(value);
  if (value === undefined || isOption) throw usage(`${rawName} needs a value`);
  if (before !== undefined && argument.repeats !== true) throw usage(`${rawName} is given twice`);
  if (argument.type === "enum" && argument.options?.includes(value) !== true)
    throw usage(`${rawName} is one of: ${argument.options?.join(", ")}; not ${quoted(value)}`);
  options.set(full, [...(before ?? []), value]);
}

type OptionToken = {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
};

/** The door adds where to read on: only it knows which command this was. */
const usage = (message: string): Fault => new Fault("usage", message);
