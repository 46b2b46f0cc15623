/**
 * text: how values look to people. Everything here is a pure function; what came from outside is made
 * harmless on its way into a cell, and once more where lines are printed.
 */
import { printable } from "../base/log.ts";

/** One line of output. The tone is for terminals that show colours; the words say it all. */
export type Tone = "bad" | "dim" | "good" | "warning";
export type Line = string | { readonly tone: Tone; readonly text: string };

export type Column = { readonly title: string; readonly align?: "right" };

/** Wider than every name that the product gives out, addresses and most owners. */
const cellMax = 64;
const gap = "  ";

/** A header and one line a row, in columns as wide as their widest cell. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): readonly Line[] {
  const cells = rows.map((row) => row.map(cellOf));
  const widths = columns.map(({ title }, i) =>
    Math.max(widthOf(title), ...cells.map((row) => widthOf(row[i] ?? ""))),
  );
  const render = (row: readonly string[]) =>
    columns
      .map(({ align }, i) => pad(row[i] ?? "", widths[i] ?? 0, align))
      .join(gap)
      .trimEnd();
  return [{ tone: "dim", text: render(columns.map(({ title }) => title)) }, ...cells.map(render)];
}

function cellOf(text: string): string {
  const letters = Array.from(printable(text));
  if (letters.length === 0) return "-";
  return letters.length <= cellMax
    ? letters.join("")
    : `${letters.slice(0, cellMax - 1).join("")}…`;
}

const widthOf = (text: string): number => Bun.stringWidth(text);

function pad(text: string, width: number, align: Column["align"]): string {
  const blanks = " ".repeat(Math.max(0, width - widthOf(text)));
  return align === "right" ? blanks + text : text + blanks;
}

const labelWidth = 10;

/** `label     text`, with the label of every such line taking the same room. */
export const renderField = (label: string, text: string, width = labelWidth): string =>
  `${label.padEnd(width)} ${text}`;

const quotedMax = 40;

/**
 * What somebody typed, so that it can be told from what it imitates: in quotes, and everything that
 * is not ASCII spelled out.
 */
export function quoted(text: string): string {
  const letters = Array.from(text);
  const shown = letters
    .slice(0, quotedMax)
    .map((letter) =>
      letter === '"' || letter === "\\"
        ? `\\${letter}`
        : /^[ -~]$/.test(letter)
          ? letter
          : `\\u{${letter.codePointAt(0)?.toString(16)}}`,
    );
  const rest = letters.length - shown.length;
  return `"${shown.join("")}"${rest > 0 ? ` and ${rest} letters more` : ""}`;
}

/** `2026-11-21 03:59 UTC`. */
export const renderMoment = (atS: number): string =>
  `${new Date(atS * 1_000).toISOString().slice(0, 16).replace("T", " ")} UTC`;

/** Seconds in the one unit that fits: `12 s`, `5 min`, `3 h`, `2 days`. What is negative is 0. */
export function renderSpan(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  if (whole < 2 * 3_600) return `${Math.round(whole / 60)} min`;
  if (whole < 48 * 3_600) return `${Math.round(whole / 3_600)} h`;
  return `${Math.round(whole / 86_400)} days`;
}

/** Bytes with three digits at most: `0 B`, `999 B`, `1.2 kB`, `34 MB`. */
export function renderSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${units[unit] ?? ""}`;
}

/** Microseconds as `230 us`, `1.24 ms` or `2.10 s`. */
export function renderRoundTrip(us: number): string {
  if (us < 1_000) return `${us} us`;
  return us < 1_000_000 ? `${(us / 1_000).toFixed(2)} ms` : `${(us / 1_000_000).toFixed(2)} s`;
}

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

// What printable() escapes, but for the newline, which in such a text is only ever layout.
const unsafe = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A JSON document that a terminal cannot act upon: what could be is escaped, so nothing is lost. */
export function renderJson(document: unknown): string {
  return JSON.stringify(document, null, 2).replace(unsafe, (mark) =>
    Array.from(
      { length: mark.length },
      (_, i) => `\\u${mark.charCodeAt(i).toString(16).padStart(4, "0")}`,
    ).join(""),
  );
}
