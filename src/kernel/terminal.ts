/**
 * terminal asks the person at the controlling terminal (tty(4)) for what nobody may see while it is
 * typed. Whatever ends the question, the terminal is left as it was found.
 */
import * as fs from "node:fs";
import { Fault } from "../base/fault.ts";
import { Secret } from "../base/secret.ts";
import { addressOf, errno, errorName, libc, pinned, pinnedFrom } from "./libc.ts";

const path = "/dev/tty";
/** The kernel hands over whole lines, of at most this length (termios(3), canonical mode). */
const lineMaxBytes = 4_096;
const newline = 0x0a;

/** struct termios of glibc, on x86-64 and arm64 alike. */
const termiosSizeBytes = 60;
const localFlagsAt = 12;
const suspendLetterAt = 17 + 10;
const isig = 0x1;
const icanon = 0x2;
const echo = 0x8;
const echonl = 0x40;
/** Sets the modes after what was written is out, and drops what was typed before the question. */
const tcsaflush = 2;

/** What a person, a shell or a closed window sends to end a program. */
const endings = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/**
 * Shows the question and returns the line that is typed, without its end; null where there is no
 * terminal. A signal that ends the program ends it here too, with the echo back on.
 */
export async function readHidden(question: string): Promise<Secret | null> {
  const fd = openTerminal();
  if (fd === null) return null;
  try {
    const found = modesOf(fd);
    const restore = () => setModes(fd, found);
    const release = restoreBeforeEnd(restore);
    try {
      setModes(fd, hidden(found));
      fs.writeSync(fd, question);
      return await readLine(fd);
    } finally {
      release();
      restore();
    }
  } finally {
    fs.closeSync(fd);
  }
}

function openTerminal(): number | null {
  try {
    return fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NOCTTY);
  } catch {
    // ENXIO for a process without one; whatever else it is, nobody can be asked.
    return null;
  }
}

/** The kernel goes on editing the line. Ctrl-Z would leave the shell without an echo: it does nothing. */
function hidden(found: Uint8Array): Uint8Array<ArrayBuffer> {
  const modes = pinnedFrom(found);
  const view = new DataView(modes.buffer);
  const flags = view.getUint32(localFlagsAt, true);
  view.setUint32(localFlagsAt, (flags & ~echo) | isig | icanon | echonl, true);
  modes[suspendLetterAt] = 0;
  return modes;
}

/** Signals would end the process before anything of ours runs. Returns what takes this back. */
function restoreBeforeEnd(restore: () => void): () => void {
  const end = (signal: NodeJS.Signals) => {
    release();
    restore();
    // As if nobody had listened: the shell is told which signal it was.
    process.kill(process.pid, signal);
  };
  const release = () => {
    for (const signal of endings) process.off(signal, end);
    process.off("exit", restore);
  };
  for (const signal of endings) process.on(signal, end);
  process.on("exit", restore);
  return release;
}

/** Reads on another thread, so that signals are heard while the person thinks. */
async function readLine(fd: number): Promise<Secret> {
  const line = new Uint8Array(lineMaxBytes);
  const read = await new Promise<number>((resolve, reject) => {
    fs.read(fd, line, 0, line.length, null, (error, sizeBytes) => {
      if (error === null) resolve(sizeBytes);
      else reject(failure("read", error.code ?? error.message));
    });
  });
  const end = line.subarray(0, read).indexOf(newline);
  const secret = new Secret(line.slice(0, end === -1 ? read : end));
  line.fill(0);
  return secret;
}

function modesOf(fd: number): Uint8Array<ArrayBuffer> {
  const modes = pinned(termiosSizeBytes);
  if (libc.tcgetattr(fd, addressOf(modes)) === 0) return modes;
  throw failure("look at", errorName(errno()));
}

function setModes(fd: number, modes: Uint8Array<ArrayBuffer>): void {
  if (libc.tcsetattr(fd, tcsaflush, addressOf(modes)) === 0) return;
  throw failure("set", errorName(errno()));
}

const failure = (verb: string, why: string): Fault =>
  new Fault("unavailable", `cannot ${verb} the terminal: ${why}`, {
    remedy: "name a file with the passphrase instead: --passphrase-file FILE",
  });
