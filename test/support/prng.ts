/** Prng: the seeded randomness of tests. One seed gives one sequence, on every machine. */

export class Prng {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  /** A fraction in [0, 1): splitmix32, whose state is a counter and so never gets stuck. */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  }

  chance(p: number): boolean {
    return this.next() < p;
  }

  /** A whole number in [0, max). */
  integer(max: number): number {
    return Math.floor(this.next() * max);
  }

  pick<T>(items: readonly T[]): T {
    const index = this.integer(items.length);
    if (index >= items.length) throw new Error("nothing to pick from");
    return items[index] as T;
  }

  bytes(n: number): Uint8Array {
    return Uint8Array.from({ length: n }, () => this.integer(256));
  }
}

/** Runs `body` once for each seed and names the seed when it fails. `SIM_SEED=n` replays one. */
export function forEachSeed(count: number, body: (prng: Prng) => void): void {
  const given = process.env["SIM_SEED"];
  const seeds =
    given === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(given)];
  for (const seed of seeds) {
    try {
      body(new Prng(seed));
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`SIM_SEED=${seed}: ${message}`, { cause });
    }
  }
}
