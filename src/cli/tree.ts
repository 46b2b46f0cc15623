/** tree: how words find the command that they mean. */
import { Fault } from "../base/fault.ts";
import { type Entry, entryNamed, type Group } from "./command.ts";
import { quoted } from "./text.ts";

/** An entry, what one types to reach it, and the words that are left for it. */
export type Found = {
  readonly path: readonly string[];
  readonly entry: Entry;
  readonly words: readonly string[];
};

/**
 * Follows the words down the tree. Options before the command are its own. Throws Fault `usage` for
 * a word that leads nowhere.
 */
export function findEntry(root: Group, argv: readonly string[]): Found {
  const start = argv.findIndex((word) => !word.startsWith("-") || word === "-" || word === "--");
  const leading = start === -1 ? argv : argv.slice(0, start);
  let words = start === -1 ? [] : argv.slice(start);
  let entry: Entry = root;
  const path: string[] = [];
  while (entry.kind === "group") {
    const [name, ...rest] = words;
    if (name === undefined || name.startsWith("-")) break;
    const next = entryNamed(entry, name);
    if (next === null) throw unknownCommand(entry, path, name);
    path.push(name);
    entry = next;
    words = rest;
  }
  return { path, entry, words: [...leading, ...words] };
}

function unknownCommand(group: Group, path: readonly string[], name: string): Fault {
  const typed = ["rustynet", ...path].join(" ");
  const where = path.length === 0 ? "there is" : `${typed} has`;
  const close = closest(name, Object.keys(group.entries));
  return new Fault("usage", `${where} no command ${quoted(name)}`, {
    remedy: close === null ? `${typed} --help lists them` : `did you mean: ${typed} ${close}`,
  });
}

/** The word that takes the fewest changes, if they are few enough to be a slip. */
export function closest(word: string, known: readonly string[]): string | null {
  const slipsMax = 2;
  let best: { readonly name: string; readonly slips: number } | null = null;
  for (const name of word.length > 32 ? [] : known) {
    const slips = distance(word, name);
    if (slips <= slipsMax && slips < name.length && slips < (best?.slips ?? slipsMax + 1))
      best = { name, slips };
  }
  return best === null ? null : best.name;
}

/** Levenshtein's: letters added, dropped or exchanged. */
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, i) => i);
  for (const [i, letter] of Array.from(left).entries()) {
    const next = [i + 1];
    for (let j = 1; j <= right.length; j++) {
      const exchanged = (row[j - 1] ?? 0) + (right[j - 1] === letter ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, exchanged));
    }
    row = next;
  }
  return row[right.length] ?? 0;
}
