/** The command line's surroundings as they really are: read once, here only. */
import * as fs from "node:fs";
import * as os from "node:os";
import { isAbsolute, join } from "node:path";
import { exitCode } from "../base/fault.ts";
import { forbidCoreDumps } from "../kernel/core-dumps.ts";
import { sendEcho } from "../kernel/icmp-echo.ts";
import { readHidden } from "../kernel/terminal.ts";
import { openHost } from "./service-host.ts";
import type { Stream, Surroundings } from "./surroundings.ts";

type Env = Readonly<Record<string, string | undefined>>;

export function openSurroundings(env: Env = process.env): Surroundings {
  return {
    stdout: streamOf(process.stdout, env),
    stderr: streamOf(process.stderr, env),
    readStdin: () =>
      process.stdin.isTTY === true ? Promise.resolve(readTypedLine()) : Bun.stdin.text(),
    readTextFile: (path) => Bun.file(path).text(),
    login: loginOf(env),
    clock: {
      nowS: () => Math.floor(Date.now() / 1_000),
      monotonicMs: () => performance.now(),
    },
    sleep: (ms) => Bun.sleep(ms),
    sendEcho,
    host: openHost({ path: process.execPath, isBuilt: Bun.main.startsWith("/$bunfs/") }),
    random: (sizeBytes) => crypto.getRandomValues(new Uint8Array(sizeBytes)),
    askHidden: readHidden,
    forbidCoreDumps,
    approverDirectory: approverDirectoryOf(env),
  };
}

/** What a person pastes ends with the line: nobody should have to know of Ctrl-D. */
function readTypedLine(): string {
  fs.writeSync(2, "paste it here, and press Enter: ");
  // A terminal hands over whole lines, of at most this length (termios(3), canonical mode).
  const line = new Uint8Array(4_096);
  return new TextDecoder().decode(line.subarray(0, fs.readSync(0, line)));
}

function streamOf(stream: NodeJS.WriteStream, env: Env): Stream {
  const isTerminal = stream.isTTY === true;
  // https://no-color.org: present and not empty, whatever it says.
  const isRefused = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
  // A write fails at once or later, as it happens; both ends here.
  stream.on("error", endOn);
  return {
    write: (text) => {
      try {
        stream.write(text);
      } catch (error) {
        endOn(error);
      }
    },
    isTerminal,
    hasColour: isTerminal && !isRefused,
  };
}

/** A reader that has seen enough, as `head` has, is no failure. A full disk is. */
function endOn(error: unknown): never {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
  if (code === "EPIPE") process.exit(0);
  fs.writeSync(2, `rustynet: the answer cannot be written: ${code}\n`);
  process.exit(exitCode.temporary);
}

/** XDG Base Directory Specification: a relative path is to be taken as if it were not there. */
function approverDirectoryOf(env: Env): string | null {
  const chosen = env["XDG_CONFIG_HOME"] ?? "";
  const home = env["HOME"] ?? "";
  if (isAbsolute(chosen)) return join(chosen, approverFolder);
  return isAbsolute(home) ? join(home, ".config", approverFolder) : null;
}

const approverFolder = "rustynet/approver";

/** sudo(8) says who called it. Only root can have been called by it, so only root is asked. */
function loginOf(env: Env): string | null {
  const caller = env["SUDO_USER"];
  if (process.getuid?.() === 0 && caller !== undefined && caller !== "") return caller;
  try {
    return os.userInfo().username;
  } catch {
    // A user without an entry in passwd(5) has no name.
    return null;
  }
}
