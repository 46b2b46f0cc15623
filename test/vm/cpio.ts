/**
 * cpio writes the archive that a kernel unpacks into its first file system: format "newc" of
 * Documentation/driver-api/early-userspace/buffer-format.rst. All of it belongs to root.
 */
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { assert } from "../../src/base/assert.ts";

const kinds = { folder: 0o040000, file: 0o100000, link: 0o120000 } as const;
const alignment = 4;

/** Tells where in the archive a path goes, without a leading slash, or null to leave it out. */
export type Placing = (path: string) => string | null;

export class Cpio {
  readonly #out: number;
  readonly #written = new Set<string>([""]);
  #sizeBytes = 0;

  private constructor(out: number) {
    this.#out = out;
  }

  /** Overwrites what was there. */
  static open(path: string): Cpio {
    return new Cpio(openSync(path, "w"));
  }

  /** Takes over a whole archive, which the kernel unpacks first. */
  addArchive(path: string): void {
    this.#write(readFileSync(path));
    this.#align();
  }

  addFolder(path: string, mode = 0o755): void {
    if (this.#written.has(path)) return;
    this.#addParents(path);
    this.#add(path, kinds.folder | mode, new Uint8Array());
  }

  addFile(path: string, content: Uint8Array | string, mode = 0o644): void {
    if (this.#written.has(path)) return;
    this.#addParents(path);
    this.#add(path, kinds.file | mode, Buffer.from(content));
  }

  addLink(path: string, target: string): void {
    if (this.#written.has(path)) return;
    this.#addParents(path);
    this.#add(path, kinds.link | 0o777, Buffer.from(target));
  }

  addFileOf(path: string, source: string): void {
    this.addFile(path, readFileSync(source), statSync(source).mode & 0o777);
  }

  /** Adds what is below a folder. Of two that go to one place the first one counts. */
  addTree(source: string, place: Placing, below = ""): void {
    const entries = readdirSync(join(source, below), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(below, entry.name);
      const target = place(path);
      if (target === null) continue;
      if (entry.isDirectory()) {
        this.addFolder(target);
        this.addTree(source, place, path);
      } else if (entry.isSymbolicLink()) this.addLink(target, readlinkSync(join(source, path)));
      else if (entry.isFile()) this.addFileOf(target, join(source, path));
    }
  }

  close(): void {
    this.#add("TRAILER!!!", 0, new Uint8Array());
    closeSync(this.#out);
  }

  #addParents(path: string): void {
    assert(!path.startsWith("/") && !path.endsWith("/"), `${path} is a path in the archive`);
    const parent = dirname(path);
    if (parent !== ".") this.addFolder(parent);
  }

  #add(path: string, mode: number, content: Uint8Array): void {
    this.#written.add(path);
    const name = Buffer.from(`${path}\0`);
    // inode, mode, owner, group, links, time, size, device numbers (4), name's length, no checksum.
    const fields = [
      this.#written.size,
      mode,
      0,
      0,
      1,
      0,
      content.length,
      0,
      0,
      0,
      0,
      name.length,
      0,
    ];
    const header = fields.map((field) => field.toString(16).padStart(8, "0")).join("");
    this.#write(Buffer.from(`070701${header}`));
    this.#write(name);
    this.#align();
    this.#write(content);
    this.#align();
  }

  #align(): void {
    const excess = this.#sizeBytes % alignment;
    if (excess > 0) this.#write(new Uint8Array(alignment - excess));
  }

  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at += writeSync(this.#out, bytes, at);
    this.#sizeBytes += bytes.length;
  }
}
