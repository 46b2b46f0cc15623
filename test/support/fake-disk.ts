/**
 * FakeDisk is a disk whose machine can lose its power. It keeps what was synced apart from what was
 * only written, and lists every state in which a crash could leave the medium.
 */
import type { Disk, OpenFile } from "../../src/store/disk.ts";

export class PowerLoss extends Error {}

type Inode = { durable: Uint8Array; current: Uint8Array };
type Names = ReadonlyMap<string, Inode>;
type NameChange = (names: Map<string, Inode>) => void;

export class FakeDisk implements Disk {
  readonly #durableNames: Names;
  #changes: NameChange[] = [];
  #synced = 0;
  #stepsLeft: number;

  /** Fails with PowerLoss instead of performing step number `steps`. */
  constructor(
    files: ReadonlyMap<string, Uint8Array> = new Map(),
    steps = Number.POSITIVE_INFINITY,
  ) {
    this.#durableNames = new Map(
      [...files].map(([name, bytes]) => [name, { durable: bytes, current: bytes }]),
    );
    this.#stepsLeft = steps;
  }

  read(path: string): Uint8Array | null {
    return this.#names().get(path)?.current.slice() ?? null;
  }

  create(path: string): OpenFile {
    this.#step();
    if (this.#names().has(path)) throw errno("EEXIST");
    const inode = { durable: new Uint8Array(), current: new Uint8Array() };
    this.#changes.push((names) => names.set(path, inode));
    return this.#handle(inode);
  }

  open(path: string): OpenFile {
    return this.#handle(this.#inode(path));
  }

  rename(from: string, to: string): void {
    this.#step();
    const inode = this.#inode(from);
    this.#changes.push((names) => names.delete(from) && names.set(to, inode));
  }

  link(from: string, to: string): void {
    this.#step();
    const inode = this.#inode(from);
    if (this.#names().has(to)) throw errno("EEXIST");
    this.#changes.push((names) => names.set(to, inode));
  }

  remove(path: string): void {
    this.#step();
    this.#changes.push((names) => names.delete(path));
  }

  syncDirectory(): void {
    this.#step();
    this.#synced = this.#changes.length;
  }

  /** Every medium that the next boot may find: names up to any change, data up to any byte. */
  *afterCrash(): Generator<FakeDisk> {
    for (let kept = this.#synced; kept <= this.#changes.length; kept++) {
      const files = [...this.#names(kept)];
      for (const bytes of product(files.map(([, inode]) => survivors(inode)))) {
        yield new FakeDisk(new Map(files.map(([name], i) => [name, bytes[i] ?? new Uint8Array()])));
      }
    }
  }

  #handle(inode: Inode): OpenFile {
    return {
      sizeBytes: () => inode.current.length,
      write: (bytes, offset) => {
        this.#step();
        const whole = new Uint8Array(Math.max(inode.current.length, offset + bytes.length));
        whole.set(inode.current);
        whole.set(bytes, offset);
        inode.current = whole;
      },
      truncate: (sizeBytes) => {
        this.#step();
        inode.current = inode.current.slice(0, sizeBytes);
      },
      sync: () => {
        this.#step();
        inode.durable = inode.current;
      },
      close: () => {},
    };
  }

  #step(): void {
    if (this.#stepsLeft <= 0) throw new PowerLoss("told to fail");
    this.#stepsLeft--;
  }

  #names(changes: number = this.#changes.length): Names {
    const names = new Map(this.#durableNames);
    for (const change of this.#changes.slice(0, changes)) change(names);
    return names;
  }

  #inode(path: string): Inode {
    const inode = this.#names().get(path);
    if (inode === undefined) throw errno("ENOENT");
    return inode;
  }
}

/** What was synced, or what was written since, up to any byte of it. */
function survivors({ durable, current }: Inode): Uint8Array[] {
  if (durable === current) return [durable];
  const shared = Math.min(durable.length, current.length);
  const prefixes = Array.from({ length: current.length - shared + 1 }, (_, extra) =>
    current.slice(0, shared + extra),
  );
  return [durable, ...prefixes];
}

function product(choices: readonly Uint8Array[][]): Uint8Array[][] {
  return choices.reduce<Uint8Array[][]>(
    (rows, items) => rows.flatMap((row) => items.map((item) => [...row, item])),
    [[]],
  );
}

const errno = (code: string): Error => Object.assign(new Error(code), { code });

/** Runs `action` with the power lost at each of its steps in turn, and once to its end. */
export function forEachPowerLoss(
  files: ReadonlyMap<string, Uint8Array>,
  action: (disk: FakeDisk) => void,
  judge: (after: FakeDisk, isDone: boolean) => void,
): number {
  for (let steps = 0; ; steps++) {
    const disk = new FakeDisk(files, steps);
    const isDone = runs(() => action(disk));
    for (const after of disk.afterCrash()) judge(after, isDone);
    if (isDone) return steps;
  }
}

function runs(action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    // A caller may name the failure in its own words; the power is out all the same.
    const isPowerLoss = error instanceof PowerLoss || (error as Error).cause instanceof PowerLoss;
    if (!isPowerLoss) throw error;
    return false;
  }
}
