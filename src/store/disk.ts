/**
 * disk: the few file operations from which everything durable here is made, as a port, so that a
 * test can stop the machine between any two of them; and the two ways to publish a whole file.
 */
import * as fs from "node:fs";
import { dirname } from "node:path";
import { Fault, type FaultCode } from "../base/fault.ts";

export type OpenFile = {
  sizeBytes(): number;
  /** Writes all of the bytes at this offset. */
  write(bytes: Uint8Array, offset: number): void;
  truncate(sizeBytes: number): void;
  /** Returns when data and size are on the medium: fsync(2). */
  sync(): void;
  close(): void;
};

export type Disk = {
  /** Null when there is no such file. */
  read(path: string): Uint8Array | null;
  /** Makes a file of mode 0600. Fails when the name is taken, also by a symbolic link. */
  create(path: string): OpenFile;
  open(path: string): OpenFile;
  rename(from: string, to: string): void;
  /** Gives the file a second name. Fails when that is taken. */
  link(from: string, to: string): void;
  /** Quiet when there is no such file. */
  remove(path: string): void;
  /** Returns when the names in the directory are on the medium. */
  syncDirectory(path: string): void;
};

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR } = fs.constants;

/** The real one. Its errors are those of node:fs, with the path in them. */
export const nodeDisk: Disk = {
  read(path) {
    try {
      return new Uint8Array(fs.readFileSync(path));
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return null;
      throw error;
    }
  },
  create: (path) => openFile(fs.openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)),
  open: (path) => openFile(fs.openSync(path, O_RDWR | O_NOFOLLOW)),
  rename: (from, to) => fs.renameSync(from, to),
  link: (from, to) => fs.linkSync(from, to),
  remove: (path) => fs.rmSync(path, { force: true }),
  syncDirectory(path) {
    const fd = fs.openSync(path, O_RDONLY | O_DIRECTORY);
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  },
};

/** Makes a directory, and those above it, unless it is there. */
export function makeDirectory(path: string, mode: number): void {
  faulting("make", path, () => fs.mkdirSync(path, { recursive: true, mode }));
}

/** Puts a file in place of what has that name, wholly or not at all. Durable when it returns. */
export function replaceFile(disk: Disk, path: string, bytes: Uint8Array): void {
  faulting("write", path, () => {
    const fresh = writeBeside(disk, path, bytes);
    disk.rename(fresh, path);
    disk.syncDirectory(dirname(path));
  });
}

/** Makes a file that was not there, wholly or not at all. Durable when it returns. */
export function createFile(disk: Disk, path: string, bytes: Uint8Array): void {
  faulting("write", path, () => {
    const fresh = writeBeside(disk, path, bytes);
    try {
      // A rename would overwrite; a link does not.
      disk.link(fresh, path);
    } finally {
      disk.remove(fresh);
    }
    disk.syncDirectory(dirname(path));
  });
}

/** Runs a file operation and says of its failure what was being done to which file. */
export function faulting<T>(verb: string, path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === null) throw cause;
    const [code, remedy] = meaning[errno] ?? defaultMeaning;
    throw new Fault(code, `cannot ${verb} ${path}: ${errno}`, { cause, remedy });
  }
}

const defaultMeaning = ["unavailable", "see that the disk works and has room"] as const;
const denied = ["permission_denied", "run as the user that owns the file"] as const;
const meaning: Readonly<Record<string, readonly [FaultCode, string]>> = {
  EACCES: denied,
  EPERM: denied,
  EEXIST: ["already_exists", "use what is there, or move it away first"],
  ELOOP: ["permission_denied", "put the file itself there and not a symbolic link"],
  ENOENT: ["not_found", "make the directory first"],
};

function errnoOf(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error)) return null;
  return !(error instanceof Fault) && typeof error.code === "string" ? error.code : null;
}
/** One writer at a time is the rule, so one name is enough, and a crash leaves one stray at most. */
function writeBeside(disk: Disk, path: string, bytes: Uint8Array): string {
  const fresh = `${path}.new`;
  disk.remove(fresh);
  const file = disk.create(fresh);
  try {
    file.write(bytes, 0);
    file.sync();
  } finally {
    file.close();
  }
  return fresh;
}

function openFile(fd: number): OpenFile {
  return {
    sizeBytes: () => fs.fstatSync(fd).size,
    write(bytes, offset) {
      let written = 0;
      while (written < bytes.length) {
        written += fs.writeSync(fd, bytes, written, bytes.length - written, offset + written);
      }
    },
    truncate: (sizeBytes) => fs.ftruncateSync(fd, sizeBytes),
    sync: () => fs.fsyncSync(fd),
    close: () => fs.closeSync(fd),
  };
}
