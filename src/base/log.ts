/**
 * log writes one JSON object a line. It owns the shape of a log line and the scrubbing of its
 * values; where the line goes is the caller's `sink`.
 */

export type LogLevel = "debug" | "info" | "notice" | "warning" | "error";
export type LogValue = string | number | boolean | null | readonly string[];
export type LogFields = Readonly<Record<string, LogValue>>;

export type Log = {
  readonly [L in LogLevel]: (event: string, fields?: LogFields) => void;
};

/** syslog(3) priorities, which journald reads from a `<N>` prefix. */
export const journalPriority = {
  debug: 7,
  info: 6,
  notice: 5,
  warning: 4,
  error: 3,
} as const satisfies Record<LogLevel, number>;

export type Sink = (level: LogLevel, line: string) => void;

/** Returns a log whose lines carry `fields` besides their own. `nowMs` is Unix milliseconds. */
export function openLog(sink: Sink, nowMs: () => number, least: LogLevel = "info"): Log {
  const write =
    (level: LogLevel) =>
    (event: string, fields: LogFields = {}) => {
      if (journalPriority[level] > journalPriority[least]) return;
      const line = { time: new Date(nowMs()).toISOString(), level, event, ...fields };
      sink(
        level,
        JSON.stringify(line, (_key, value: unknown) => scrub(value)),
      );
    };
  return {
    debug: write("debug"),
    info: write("info"),
    notice: write("notice"),
    warning: write("warning"),
    error: write("error"),
  };
}

export const silentLog: Log = openLog(
  () => {},
  () => 0,
);

const textMax = 1_000;
// What a terminal or a log reader could act upon: C0 and C1 controls, and marks that reorder text.
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Makes any text safe to show: controls become `\u{..}`, and what is too long is cut. */
export function printable(text: string): string {
  const cut = text.length > textMax ? `${text.slice(0, textMax)}…` : text;
  return cut.replace(unsafe, (mark) => `\\u{${mark.codePointAt(0)?.toString(16)}}`);
}

function scrub(value: unknown): unknown {
  return typeof value === "string" ? printable(value) : value;
}
