/** log: one line an event, in JSON, that no value in it can break out of. */
import { expect, test } from "bun:test";
import { journalPriority, type LogLevel, openLog, printable } from "../../src/base/log.ts";

function collect(least?: LogLevel) {
  const lines: { level: LogLevel; line: string }[] = [];
  const log = openLog(
    (level, line) => lines.push({ level, line }),
    () => 1_790_000_000_123,
    least,
  );
  return { log, lines };
}

test.each([
  ["a\u001b[31mb", "a\\u{1b}[31mb", "a terminal's escape"],
  ["a\nb\r\n", "a\\u{a}b\\u{d}\\u{a}", "newlines"],
  ["a\u0000b", "a\\u{0}b", "a zero"],
  ["a\u007fb", "a\\u{7f}b", "delete"],
  ["a\u009bb", "a\\u{9b}b", "a C1 control, which some terminals read as an escape"],
  ["a\u202eb", "a\\u{202e}b", "a mark that turns the direction around"],
  ["a\u2066b", "a\\u{2066}b", "an isolate"],
  ["a\u200bb", "a\\u{200b}b", "a blank without width"],
  ["a\u2028b\u2029", "a\\u{2028}b\\u{2029}", "line and paragraph separators"],
  ["\ufeffa", "\\u{feff}a", "a byte order mark"],
  ["\u{e0041}a", "\\u{e0041}a", "a tag, of two code units"],
])("%p is shown as %p: %s", (text, shown) => {
  expect(printable(text)).toBe(shown);
});

test.each(["", "web-1", 'a "quoted" name', "Grüße, 世界 👋", "back\\slash"])(
  "%p is harmless and stays",
  (text) => {
    expect(printable(text)).toBe(text);
  },
);

test("what is too long is cut, and what is just long enough is not", () => {
  expect(printable("a".repeat(1_000))).toBe("a".repeat(1_000));
  expect(printable("a".repeat(1_001))).toBe(`${"a".repeat(1_000)}…`);
});

test("an event is one line of JSON with its time and level", () => {
  const { log, lines } = collect();
  log.warning("name\nforged", {
    name: "a\n{}\u001b",
    n: 1,
    is: true,
    none: null,
    list: ["\u0007"],
  });
  expect(lines).toHaveLength(1);
  expect(lines[0]?.level).toBe("warning");
  expect(lines[0]?.line).not.toContain("\n");
  expect(lines[0]?.line).not.toContain("\u001b");
  expect(JSON.parse(lines[0]?.line ?? "")).toEqual({
    time: "2026-09-21T14:13:20.123Z",
    level: "warning",
    event: "name\\u{a}forged",
    name: "a\\u{a}{}\\u{1b}",
    n: 1,
    is: true,
    none: null,
    list: ["\\u{7}"],
  });
});

test("what is less urgent than asked for is not written", () => {
  const levels = Object.keys(journalPriority) as LogLevel[];
  for (const least of levels) {
    const { log, lines } = collect(least);
    for (const level of levels) log[level]("event");
    expect(lines.map(({ level }) => level)).toEqual(levels.slice(levels.indexOf(least)));
  }
});
