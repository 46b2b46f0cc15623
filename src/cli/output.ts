/** output prints what a command has to say: one JSON document for programs, or lines for people. */
import type { Fault } from "../base/fault.ts";
import { printable } from "../base/log.ts";
import type { Context, Report } from "./command.ts";
import type { Stream, Surroundings } from "./surroundings.ts";
import { type Line, renderJson, type Tone } from "./text.ts";

export type Output = {
  readonly context: Context;
  readonly report: (report: Report) => void;
  readonly fault: (fault: Fault) => void;
};

/** Select Graphic Rendition parameters (ECMA-48 section 8.3.117). */
const colour = { bad: 31, dim: 2, good: 32, warning: 33 } as const satisfies Record<Tone, number>;
const eraseLine = "\r\u001b[K";

export const openOutput = (surroundings: Surroundings, isForPrograms: boolean): Output =>
  isForPrograms ? forPrograms(surroundings) : forPeople(surroundings);

function forPrograms(surroundings: Surroundings): Output {
  const print = (document: unknown) => surroundings.stdout.write(`${renderJson(document)}\n`);
  return {
    context: { ...surroundings, say: () => {}, progress: () => {} },
    report: ({ document }) => print(document),
    fault: ({ code, message, remedy }) => print({ code, message, remedy }),
  };
}

function forPeople(surroundings: Surroundings): Output {
  const { stdout, stderr } = surroundings;
  return {
    context: {
      ...surroundings,
      say: (line) => printLine(stdout, line),
      progress: openProgress(stderr),
    },
    report: ({ lines = [], notes = [], raw = "" }) => {
      stdout.write(raw);
      for (const line of lines) printLine(stdout, line);
      for (const line of notes) printLine(stderr, line);
    },
    fault: ({ message, remedy }) => {
      printLine(stderr, { tone: "bad", text: `rustynet: ${message}` });
      if (remedy !== undefined) printLine(stderr, `  ${remedy}`);
    },
  };
}

/** The one way to a person's terminal, so that nothing from outside reaches it as it came. */
function printLine(stream: Stream, line: Line): void {
  const text = typeof line === "string" ? printable(line) : paint(stream, line);
  stream.write(`${text}\n`);
}

function paint({ hasColour }: Stream, { tone, text }: Exclude<Line, string>): string {
  return hasColour ? `\u001b[${colour[tone]}m${printable(text)}\u001b[0m` : printable(text);
}

/** On a terminal one line that changes; elsewhere one line for each text that is new. */
function openProgress(stream: Stream): (text: string) => void {
  let last = "";
  return (text) => {
    if (text === last) return;
    last = text;
    if (stream.isTerminal)
      stream.write(text === "" ? eraseLine : `${eraseLine}${printable(text)} …`);
    else if (text !== "") stream.write(`${printable(text)} …\n`);
  };
}
