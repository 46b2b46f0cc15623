/**
 * completion offers what may come next on a command line, from the same tree that serves it. The
 * scripts that shells load only pass the words on.
 */
import {
  aliasesOf,
  type Argument,
  type Arguments,
  type Command,
  type Entry,
  entryNamed,
  optionNamed,
  positionalsOf,
} from "./command.ts";

export type Offer = { readonly word: string; readonly meaning: string };

/** The offers, and whether the shell shall offer its files besides. `node`: the names of nodes. */
export type Completion = {
  readonly offers: readonly Offer[];
  readonly wants: "node" | "file" | null;
};

const nothing: Completion = { offers: [], wants: null };

/** `words` are those behind the program's name; the last is the one being typed, empty at first. */
export function completionsOf(root: Entry, words: readonly string[]): Completion {
  const current = words.at(-1) ?? "";
  let entry = root;
  let at = 0;
  for (; at < words.length - 1 && entry.kind === "group"; at++) {
    const name = words[at] ?? "";
    if (name.startsWith("-")) continue;
    const next = entryNamed(entry, name);
    if (next === null) return nothing;
    entry = next;
  }
  if (entry.kind === "mode") return nothing;
  const found =
    entry.kind === "group" ? offerNames(entry.entries) : offerArguments(entry, words.slice(at));
  return { ...found, offers: found.offers.filter(({ word }) => word.startsWith(current)) };
}

function offerNames(entries: Readonly<Record<string, Entry>>): Completion {
  const visible = Object.entries(entries).filter(
    ([, entry]) => entry.kind !== "command" || !entry.isHidden,
  );
  return {
    offers: visible.map(([word, { summary }]) => ({ word, meaning: summary })),
    wants: null,
  };
}

function offerArguments({ args }: Command, words: readonly string[]): Completion {
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const awaiting = optionAwaitingValue(args, before.at(-1));
  if (awaiting !== null) return offerValue(awaiting);
  if (current.startsWith("-")) return { offers: offerOptions(args), wants: null };
  const typed = before.filter((word, i) => isPlain(args, word, before[i - 1])).length;
  const positional = positionalsOf(args)[typed];
  return positional === undefined ? nothing : offerValue(positional[1]);
}

function optionAwaitingValue(args: Arguments, word: string | undefined) {
  if (word === undefined || !word.startsWith("-") || word.includes("=")) return null;
  const argument = optionNamed(args, word.replace(/^-{1,2}/, ""))?.[1];
  return argument === undefined || argument.type === "boolean" ? null : argument;
}

const isPlain = (args: Arguments, word: string, before: string | undefined): boolean =>
  (!word.startsWith("-") || word === "-") && optionAwaitingValue(args, before) === null;

function offerValue(argument: Argument): Completion {
  const words = argument.type === "enum" ? (argument.options ?? []) : [];
  return {
    offers: words.map((word) => ({ word, meaning: "" })),
    wants: argument.completes ?? null,
  };
}

function offerOptions(args: Arguments): readonly Offer[] {
  return Object.entries(args)
    .filter(([, { type }]) => type !== "positional")
    .flatMap(([name, option]) => {
      const meaning = option.description ?? "";
      const letters = aliasesOf(option).map((letter) => ({ word: `-${letter}`, meaning }));
      return [{ word: `--${name}`, meaning }, ...letters];
    });
}
