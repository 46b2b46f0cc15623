/**
 * transcript shows a person what is being done, as it happens: commands as they would be typed, what
 * they said, and each claim with a tick once it was found to hold.
 */

export type Screen = {
  readonly write: (text: string) => void;
  /** A terminal: a line may be drawn over. */
  readonly isLive: boolean;
  readonly isColoured: boolean;
  readonly columns: number;
};

type Stream = {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
};

const frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";
const frameMs = 80;
const clearLine = "\r\u001b[2K";

/** What a stream can show. See no-color.org for NO_COLOR. */
export function screenOf(
  stream: Stream,
  env: Readonly<Record<string, string | undefined>>,
): Screen {
  const isLive = stream.isTTY === true && env["TERM"] !== "dumb";
  const isColoured = isLive && (env["NO_COLOR"] ?? "") === "";
  return {
    write: (text) => void stream.write(text),
    isLive,
    isColoured,
    columns: stream.columns ?? 80,
  };
}

const colours = { dim: 2, bold: 1, red: 31, green: 32, cyan: 36 } as const;

export class Transcript {
  readonly #screen: Screen;
  #title: string | null = null;
  #hasEnded = false;
  #frame = 0;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** Plain lines, at the left. */
  say(text: string): void {
    this.#print(text);
  }

  heading(text: string): void {
    this.#print(`\n${this.#colour("bold", text)}`);
  }

  /** A command of one host, as its user would type it. */
  command(host: string, text: string): void {
    this.#print(`  ${this.#colour("cyan", `${host}$`)} ${text}`);
  }

  /** What a command said. */
  output(text: string): void {
    const lines = text.trimEnd().split("\n");
    this.#print(lines.map((line) => this.#colour("dim", `    ${line}`)).join("\n"));
  }

  /**
   * Does one thing while its title is shown, then ticks off what it proved. What it throws is thrown
   * on, after a cross.
   */
  async step<T>(title: string, act: () => Promise<T>, proved: (value: T) => string): Promise<T> {
    const startedMs = performance.now();
    this.#start(title);
    try {
      const value = await act();
      this.#stop();
      this.#tick("green", "✓", proved(value), startedMs);
      return value;
    } catch (error) {
      this.#stop();
      this.#tick("red", "✗", title, startedMs);
      throw error;
    }
  }

  /** The last words: what was under way has been given up, and what still comes of it is not shown. */
  end(text: string): void {
    this.#stop();
    this.#print(text);
    this.#hasEnded = true;
  }

  #tick(colour: keyof typeof colours, mark: string, text: string, startedMs: number): void {
    const tookMs = performance.now() - startedMs;
    const took = this.#colour("dim", `(${seconds(tookMs)})`);
    this.#print(`  ${this.#colour(colour, mark)} ${text} ${took}`);
  }

  #start(title: string): void {
    this.#stop();
    if (!this.#screen.isLive || this.#hasEnded) return;
    this.#title = title;
    this.#timer = setInterval(() => this.#draw(), frameMs);
    this.#draw();
  }

  #stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    if (this.#title !== null) this.#screen.write(clearLine);
    this.#timer = null;
    this.#title = null;
  }

  #draw(): void {
    if (this.#title === null) return;
    const frame = frames[this.#frame++ % frames.length] ?? "";
    // A line that wraps could not be drawn over.
    const room = Math.max(0, this.#screen.columns - 5);
    const text = this.#title.slice(0, room);
    this.#screen.write(`${clearLine}  ${this.#colour("cyan", frame)} ${text}`);
  }

  #print(text: string): void {
    if (this.#hasEnded) return;
    this.#screen.write(`${this.#title === null ? "" : clearLine}${text}\n`);
    this.#draw();
  }

  #colour(name: keyof typeof colours, text: string): string {
    return this.#screen.isColoured ? `\u001b[${colours[name]}m${text}\u001b[0m` : text;
  }
}

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
