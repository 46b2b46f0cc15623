/** service-host is the host as the installer needs it: a few files, and programs by their path. */
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { Fault } from "../base/fault.ts";

export type Outcome = {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
};

export type Host = {
  readonly userId: number;
  /** The executable that is running, and whether it is the built one. */
  readonly program: { readonly path: string; readonly isBuilt: boolean };
  readonly readProgramFile: () => Uint8Array;
  /** Null when there is no such file. */
  readonly read: (path: string) => Uint8Array | null;
  readonly exists: (path: string) => boolean;
  /** Puts a file there whole or not at all, and makes the folders that it needs. */
  readonly write: (path: string, bytes: Uint8Array, mode: number) => void;
  /** The permission bits; null when there is no such file. */
  readonly mode: (path: string) => number | null;
  /** Removes a file, or a folder with all that is in it. Quiet when there is none. */
  readonly remove: (path: string) => void;
  /** Removes a folder if nothing is in it. */
  readonly removeIfEmpty: (path: string) => void;
  /** False for the files of a host that is not running. */
  readonly runsPrograms: boolean;
  /** Runs a program by its arguments, with an empty environment and a time limit. */
  readonly run: (argv: readonly string[], stdin?: Uint8Array) => Promise<Outcome>;
};

const runMaxMs = 120_000;

export function openHost(program: Host["program"]): Host {
  return {
    ...filesBelow("/"),
    userId: process.geteuid?.() ?? 0,
    program,
    runsPrograms: true,
    readProgramFile: () =>
      faulting("read", program.path, () => new Uint8Array(fs.readFileSync(program.path))),
    run: async (argv, stdin) => {
      const child = Bun.spawn([...argv], {
        stdin: stdin ?? "ignore",
        stdout: "pipe",
        stderr: "pipe",
        env: {},
        cwd: "/",
        timeout: runMaxMs,
      });
      const [stdout, stderr, exitCode] = await Promise.all([
        child.stdout.text(),
        child.stderr.text(),
        child.exited,
      ]);
      return { exitCode, stdout, stderr };
    },
  };
}

/** The same host with another root for its files. Nothing is run there, and no user is asked for. */
export function hostBelow(host: Host, root: string): Host {
  return {
    ...host,
    ...filesBelow(root),
    userId: 0,
    runsPrograms: false,
    run: ([program]) => Promise.reject(new Error(`${program} cannot be run below ${root}`)),
  };
}

function filesBelow(root: string) {
  const at = (path: string) => join(root, path);
  return {
    read: (path: string) => {
      const place = at(path);
      return fs.existsSync(place)
        ? faulting("read", place, () => new Uint8Array(fs.readFileSync(place)))
        : null;
    },
    exists: (path: string) => fs.existsSync(at(path)),
    write: (path: string, bytes: Uint8Array, mode: number) =>
      faulting("write", at(path), () => replaceFile(at(path), bytes, mode)),
    mode: (path: string) => {
      const stat = fs.lstatSync(at(path), { throwIfNoEntry: false });
      return stat === undefined ? null : stat.mode & 0o7777;
    },
    remove: (path: string) =>
      faulting("remove", at(path), () => fs.rmSync(at(path), { recursive: true, force: true })),
    removeIfEmpty: (path: string) => {
      const place = at(path);
      if (fs.existsSync(place) && fs.readdirSync(place).length === 0) fs.rmdirSync(place);
    },
  };
}

function replaceFile(path: string, bytes: Uint8Array, mode: number): void {
  fs.mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const fresh = `${path}.new`;
  fs.rmSync(fresh, { force: true });
  const fd = fs.openSync(fresh, "wx", 0o600);
  try {
    fs.writeFileSync(fd, bytes);
    // The umask does not apply here: the mode is exactly this one.
    fs.fchmodSync(fd, mode);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  fs.renameSync(fresh, path);
}

function faulting<T>(verb: string, path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
    throw new Fault("host_failed", `cannot ${verb} ${path}: ${code}`, {
      cause,
      remedy: "see that the disk has room and is not read-only",
    });
  }
}
