/**
 * Secret holds bytes that must not be seen: it prints, serialises and inspects as a placeholder, and
 * its bytes are lent to one function at a time.
 */

const placeholder = "[secret]";

export class Secret {
  readonly #bytes: Uint8Array;

  /** Takes the bytes over: the caller's array is wiped. */
  constructor(bytes: Uint8Array) {
    // Not bytes.slice(): a Buffer's slice shares its memory, and the wipe below would reach it.
    this.#bytes = new Uint8Array(bytes);
    bytes.fill(0);
  }

  get sizeBytes(): number {
    return this.#bytes.length;
  }

  /** Lends the bytes. What the function keeps of them is no longer guarded. */
  expose<T>(use: (bytes: Uint8Array) => T): T {
    return use(this.#bytes);
  }

  /** Overwrites the bytes. The secret is all zeros from here on. */
  wipe(): void {
    this.#bytes.fill(0);
  }

  toString(): string {
    return placeholder;
  }

  toJSON(): string {
    return placeholder;
  }

  [Symbol.toPrimitive](): string {
    return placeholder;
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return placeholder;
  }
}
