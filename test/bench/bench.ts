/**
 * bench is what a case is given to measure with. It keeps the samples, says how far things are, and in
 * the end refuses a case that left a figure without any.
 */
import { assert } from "../../src/base/assert.ts";
import type { FigureSpec } from "./figure.ts";
import { type Figure, figureOf } from "./report.ts";

export type Case = {
  readonly name: string;
  /** One sentence. */
  readonly about: string;
  /** It needs the kernel's own tunnel and netem, which the virtual lab's guest has: `scripts/bench --guest`. */
  readonly isForGuest?: true;
  /** It takes so long that it runs only where somebody names it. */
  readonly isOnRequest?: true;
  readonly figures: readonly FigureSpec[];
  readonly run: (bench: Bench) => Promise<void>;
};

export type BenchOptions = {
  readonly figures: readonly FigureSpec[];
  readonly isQuick: boolean;
  readonly say: (text: string) => void;
};

export class Bench {
  readonly isQuick: boolean;
  /** What a reader of the figures has to know. */
  readonly notes: string[] = [];
  readonly #say: (text: string) => void;
  readonly #specs: ReadonlyMap<string, FigureSpec>;
  readonly #samples = new Map<string, Map<number | null, number[]>>();

  constructor({ figures, isQuick, say }: BenchOptions) {
    this.isQuick = isQuick;
    this.#say = say;
    this.#specs = new Map(figures.map((figure) => [figure.name, figure]));
    assert(this.#specs.size === figures.length, "each figure has a name of its own");
  }

  /** Tells people what happens now. */
  say(text: string): void {
    this.#say(text);
  }

  note(text: string): void {
    this.notes.push(text);
  }

  /** One more sample. `size` is for figures that are taken at several. */
  record(name: string, value: number, size?: number): void {
    const spec = this.#specs.get(name);
    assert(spec !== undefined, `${name} is a figure of this case`);
    assert(Number.isFinite(value) && value >= 0, `${name} is ${value}`);
    assert((spec.sizedBy === undefined) === (size === undefined), `${name} is taken by its size`);
    const bySize = this.#samples.get(name) ?? new Map<number | null, number[]>();
    this.#samples.set(name, bySize);
    bySize.set(size ?? null, [...(bySize.get(size ?? null) ?? []), value]);
  }

  /** Every figure of the case. A bug of the case when one was not measured. */
  figures(): readonly Figure[] {
    return [...this.#specs.values()].map((spec) => {
      const samples = this.#samples.get(spec.name);
      assert(samples !== undefined, `${spec.name} was measured`);
      return figureOf(spec, samples);
    });
  }
}

/**
 * Measures two things in turn, the second one first in every other round, so that what drifts meanwhile
 * drifts for both. The first round only warms up.
 */
export async function alternate<T>(
  rounds: number,
  product: (round: number) => Promise<T>,
  bare: (round: number) => Promise<T>,
): Promise<readonly { readonly product: T; readonly bare: T }[]> {
  const pairs: { product: T; bare: T }[] = [];
  for (let round = 0; round <= rounds; round++) {
    const isTurned = round % 2 === 1;
    const early = isTurned ? await bare(round) : await product(round);
    const late = isTurned ? await product(round) : await bare(round);
    pairs.push(isTurned ? { product: late, bare: early } : { product: early, bare: late });
  }
  return pairs.slice(1);
}
