/** tally counts what the guest tells, and shows it as it comes. What was not told has failed. */
import type { GuestEvent } from "./plan.ts";

export type Summary = {
  readonly kernel: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly string[];
};

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

export class Tally {
  readonly #waiting: Set<string>;
  readonly #failures: string[] = [];
  readonly #show: (line: string) => void;
  #kernel = "";
  #counts = { passed: 0, failed: 0, skipped: 0 };
  #isDone = false;

  constructor(files: readonly string[], show: (line: string) => void = console.log) {
    this.#waiting = new Set(files);
    this.#show = show;
  }

  /** Whether the guest came to its end, with every file run. */
  get isDone(): boolean {
    return this.#isDone && this.#waiting.size === 0;
  }

  get summary(): Summary {
    const { passed, failed, skipped } = this.#counts;
    return { kernel: this.#kernel, passed, failed, skipped, failures: [...this.#failures] };
  }

  get text(): string {
    const { passed, failed, skipped } = this.#counts;
    return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
  }

  take(event: GuestEvent): void {
    switch (event.event) {
      case "ready":
        this.#kernel = event.kernel;
        this.#show(`  up with ${event.kernel} after ${event.uptimeS.toFixed(0)} s`);
        return;
      case "begun":
        this.#show(`  ${event.file} ...`);
        return;
      case "said":
        this.#show(`  ${event.text}`);
        return;
      case "done":
        this.#isDone = true;
        return;
      case "ran":
        this.#count(event);
    }
  }

  /** Notes what went wrong outside of any test, and the files that therefore never ended. */
  fail(why: string): void {
    const lost = [...this.#waiting].map((file) => `${file}: not run to its end`);
    this.#failures.push(why, ...lost);
    this.#counts.failed += 1 + lost.length;
    this.#show(`  ${why}`);
  }

  #count(event: Extract<GuestEvent, { event: "ran" }>): void {
    const { file, passed, failed, skipped, failures, elapsedMs, output } = event;
    this.#waiting.delete(file);
    this.#counts.passed += passed;
    this.#counts.failed += failed;
    this.#counts.skipped += skipped;
    const unnamed = failed - failures.length;
    this.#failures.push(
      ...failures,
      ...(unnamed > 0 ? [`${file}: ${unnamed} outside of any test`] : []),
    );
    const parts = [
      `${passed} passed`,
      failed > 0 ? `${failed} failed` : "",
      skipped > 0 ? `${skipped} skipped` : "",
    ];
    this.#show(`  ${file}  ${parts.filter(Boolean).join(", ")}  ${seconds(elapsedMs)}`);
    if (output !== "") this.#show(output.trim());
  }
}
