/** lab-process is a program that runs in a lab: its output line by line, its end, and its signals. */
import { appendFileSync } from "node:fs";
import type { Subprocess } from "bun";
import { Fault } from "../../src/base/fault.ts";
import { waitFor, within } from "./wait-for.ts";

export type Exit = { readonly exitCode: number | null; readonly signal: string | null };
export type Line = { readonly stream: "stdout" | "stderr"; readonly text: string };
export type Finished = Exit & { readonly stdout: string; readonly stderr: string };

type Child = Subprocess<"ignore" | "pipe" | Uint8Array<ArrayBuffer>, "pipe", "pipe">;

// A program that left a child behind never ends its output: the child holds the pipe.
const outputGraceMs = 250;

export class LabProcess {
  readonly argv: readonly string[];
  /** All lines so far, in the order of their arrival. */
  readonly lines: Line[] = [];
  /** Resolves at the end of the program, which its children may outlive. */
  readonly exited: Promise<Exit>;
  readonly #child: Child;
  readonly #logFile: string | undefined;
  readonly #text = { stdout: "", stderr: "" };
  readonly #outputEnded: Promise<unknown>;
  #isFinished = false;

  constructor(child: Child, argv: readonly string[], logFile?: string) {
    this.argv = argv;
    this.#child = child;
    this.#logFile = logFile;
    this.exited = child.exited.then(() => this.#exit());
    this.#outputEnded = Promise.all([
      this.#collect("stdout", child.stdout),
      this.#collect("stderr", child.stderr),
    ]);
    void this.finished().then(() => (this.#isFinished = true));
  }

  get pid(): number {
    return this.#child.pid;
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  get stdout(): string {
    return this.#text.stdout;
  }

  get stderr(): string {
    return this.#text.stderr;
  }

  /** Signals this one process, by its number. Harmless after its end. */
  kill(signal: NodeJS.Signals = "SIGTERM"): void {
    if (!this.hasExited) this.#child.kill(signal);
  }

  /** Resolves once the program has ended and what it wrote was read. */
  async finished(): Promise<Finished> {
    const exit = await this.exited;
    await within(this.#outputEnded, outputGraceMs);
    return { ...exit, ...this.#text };
  }

  /** SIGTERM, and SIGKILL to what has not ended by the deadline. */
  async stop(deadlineMs = 5_000): Promise<Finished> {
    this.kill("SIGTERM");
    await within(this.exited, deadlineMs);
    this.kill("SIGKILL");
    return this.finished();
  }

  /** The first line, of those there are or of those to come, that holds the text or satisfies. */
  async waitForLine(
    wanted: string | RegExp | ((line: Line) => boolean),
    { deadlineMs = 10_000 }: { deadlineMs?: number } = {},
  ): Promise<Line> {
    const matches = matcher(wanted);
    const what = `a line that matches ${String(wanted)}`;
    const poll = (): Line | boolean => this.lines.find(matches) ?? this.#isFinished;
    const found = await waitFor(what, poll, { deadlineMs }).catch(() => false);
    if (typeof found === "object") return found;
    const how = found ? "ended without" : `has not written in ${deadlineMs} ms`;
    throw new Fault("timeout", `${this.argv.join(" ")} ${how} ${what}:\n${this.#tail()}`);
  }

  #tail(): string {
    return this.lines
      .slice(-20)
      .map((line) => `  ${line.stream}: ${line.text}`)
      .join("\n");
  }

  #exit(): Exit {
    const { exitCode, signalCode } = this.#child;
    return { exitCode, signal: signalCode === null ? null : String(signalCode) };
  }

  async #collect(stream: Line["stream"], bytes: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    const take = (text: string): void => {
      this.#text[stream] += text;
      if (this.#logFile !== undefined) appendFileSync(this.#logFile, text);
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      for (const part of parts) this.lines.push({ stream, text: part });
    };
    for await (const chunk of bytes) take(decoder.decode(chunk, { stream: true }));
    take(decoder.decode());
    if (rest !== "") this.lines.push({ stream, text: rest });
  }
}

function matcher(wanted: string | RegExp | ((line: Line) => boolean)): (line: Line) => boolean {
  if (typeof wanted === "string") return ({ text }) => text.includes(wanted);
  if (wanted instanceof RegExp) return ({ text }) => wanted.test(text);
  return wanted;
}
