/**
 * source-scan looks for what the requirements call unsafe, in a language that has no such word: types
 * taken on trust, code made of text, and commands made of text. And for what nobody has resolved.
 */
import { type Token, tokensOf } from "../../test/architecture/source-text.ts";
import type { Allowances } from "./allowances.ts";

export type SourceFile = { readonly path: string; readonly text: string };
export type Hit = { readonly file: string; readonly line: string; readonly what: string };

/** In quoted text, words such as "as" are words; commands are looked for in it as well. */
type Reading = "code" | "code and quoted" | "everything";

const patterns: readonly (readonly [what: string, reading: Reading, pattern: RegExp])[] = [
  // What becomes unknown has to be parsed before anything can be done with it.
  ["a cast", "code", /(?:[^*\s]|^)\s+as\s+(?!const\b|unknown\b(?!\s+as\b))[\w({["'`]/],
  ["any", "code", /(?:[:<|=]|\bas|\bextends)\s*any\b(?!\s*[:=(.])|,\s*any\s*>|\bany\[\]/],
  ["a type error that is silenced", "everything", /@ts-(?:ignore|expect-error|nocheck)/],
  ["code from text", "code", /(?<![\w.])eval\s*\(|\bnew\s+Function\b|(?<![\w.])Function\s*\(/],
  ["code from text", "code", /\bset(?:Timeout|Interval)\s*\(\s*["'`]/],
  ["a shell", "code", /\bshell\s*:\s*(?:true\b|["'`])|\bBun\s*\.\s*\$|(?<![\w.$])\$`/],
  ["a shell", "code and quoted", /["'`](?:\/usr)?\/bin\/(?:ba|da|z)?sh["'`]/],
  [
    "a command as text",
    "code",
    /\b(?:spawn|spawnSync|execFile|execFileSync)\s*\(\s*(?:["'`]|\{\s*cmd\s*:\s*["'`])/,
  ],
  ["a command as text", "code", /(?<![\w.])(?:exec|execSync)\s*\(/],
];

/** Returns every line of a file that the search objects to, once for each kind of objection. */
export function unsafeLines({ path, text }: SourceFile): readonly Hit[] {
  const shown = text.split("\n");
  const readings: Readonly<Record<Reading, readonly string[]>> = {
    code: blank(text, new Set(["text", "comment"])),
    "code and quoted": blank(text, new Set(["comment"])),
    everything: shown,
  };
  const imports = importLines(shown);
  return shown.flatMap((line, i) => {
    if (imports.has(i)) return [];
    const kinds = patterns
      .filter(([, reading, pattern]) => pattern.test(readings[reading][i] ?? ""))
      .map(([what]) => what);
    return [...new Set(kinds)].map((what) => ({ file: path, line: line.trim(), what }));
  });
}

/** The text with tokens of these kinds left blank, but for the first letter of what is quoted. */
function blank(text: string, kinds: ReadonlySet<Token["kind"]>): readonly string[] {
  const blanks = (part: string): string => part.replaceAll(/[^\n]/g, " ");
  return tokensOf(text)
    .map(({ kind, text: part }) => {
      if (!kinds.has(kind)) return part;
      return kind === "text" ? part.slice(0, 1) + blanks(part.slice(1)) : blanks(part);
    })
    .join("")
    .split("\n");
}

/** `import * as v`, `import { a as b }`: renaming, which promises nothing about types. */
function importLines(lines: readonly string[]): ReadonlySet<number> {
  const found = new Set<number>();
  let isInside = false;
  for (const [i, line] of lines.entries()) {
    if (/^import\b/.test(line)) isInside = true;
    if (isInside) found.add(i);
    if (/\bfrom\s*["']|^import\s*["']/.test(line)) isInside = false;
  }
  return found;
}

/** What remains of the hits when the places that somebody looked at are taken away. */
export function unsafeFindings(
  files: readonly SourceFile[],
  { lines }: Pick<Allowances, "lines">,
): readonly string[] {
  const hits = files.flatMap(unsafeLines);
  const matches = (hit: Hit, one: Allowances["lines"][number]): boolean =>
    hit.file === one.file && hit.line === one.line;
  return [
    ...hits
      .filter((hit) => !lines.some((one) => matches(hit, one)))
      .map(({ file, line, what }) => `${file}: ${what}: ${line}`),
    ...lines
      .filter((one) => !hits.some((hit) => matches(hit, one)))
      .map(({ file, line }) => `nothing in ${file} needs the allowance any more: ${line}`),
  ];
}

const marker = /\[\[UNRESOLVED\]\]|\{\{UNRESOLVED\}\}|\b(?:TODO|FIXME|XXX)\b/g;
const inDocuments = /\[\[UNRESOLVED\]\]|\{\{UNRESOLVED\}\}/g;

/** Marks of unfinished work. Documents may speak of the words, and are searched for the marks alone. */
export function unresolvedFindings(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap(({ path, text }) => {
    const found = text.match(path.startsWith("src/") ? marker : inDocuments) ?? [];
    return found.map((word) => `${path}: ${word}`);
  });
}
