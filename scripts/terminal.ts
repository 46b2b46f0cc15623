/** terminal types commands on a host of a lab: what is shown is what runs, and what it said. */
import { accessSync, constants } from "node:fs";
import { Fault } from "../src/base/fault.ts";
import type { Host } from "../test/lab/host.ts";
import type { LabProcess } from "../test/lab/lab-process.ts";
import type { Transcript } from "./transcript.ts";

/** Where a host finds the product, whatever its real path is. */
export const installedPath = "/usr/local/bin/rustynet";

const folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];

export type Typing = {
  /** Leaves the output out of the transcript. */
  readonly isQuiet?: boolean;
  readonly timeoutMs?: number;
  /** What it reads, and the file that it would come from. */
  readonly stdin?: { readonly name: string; readonly text: string };
};

export class Terminal {
  readonly host: Host;
  readonly #transcript: Transcript;

  constructor(host: Host, transcript: Transcript) {
    this.host = host;
    this.#transcript = transcript;
  }

  /** Runs a command to its end and returns what it wrote. Throws Fault unless it succeeds. */
  async type(
    argv: readonly string[],
    { isQuiet = false, timeoutMs = 30_000, stdin }: Typing = {},
  ): Promise<string> {
    const typed = argv.map(quoted).join(" ");
    const source = stdin === undefined ? "" : ` <${stdin.name}`;
    this.#transcript.command(this.host.name, typed + source);
    const input = stdin === undefined ? {} : { stdin: stdin.text };
    const { exitCode, stdout, stderr } = await this.host.run(located(argv), {
      timeoutMs,
      ...input,
    });
    if (exitCode !== 0) {
      const command = `${this.host.name}$ ${argv.join(" ")}`;
      throw new Fault("unavailable", `${command}: exit code ${exitCode}\n${stderr}${stdout}`);
    }
    if (!isQuiet && stdout.trim() !== "") this.#transcript.output(stdout);
    return stdout;
  }

  /** Starts a program that stays, as with an ampersand. */
  async start(argv: readonly string[]): Promise<LabProcess> {
    this.#transcript.command(this.host.name, `${argv.map(quoted).join(" ")} &`);
    return this.host.spawn(located(argv));
  }

  /** Runs a command to its end and shows nothing of it, for a look at how far things are. */
  async look(argv: readonly string[]): Promise<string> {
    return (await this.host.run(located(argv))).stdout;
  }
}

/** The argument as it has to be spelled in a shell. */
const quoted = (argument: string): string =>
  /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;

/** As a shell finds it; but the product is that of the host, which the machine does not see. */
function located([name = "", ...rest]: readonly string[]): readonly string[] {
  if (name === "rustynet") return [installedPath, ...rest];
  const path = folders.map((folder) => `${folder}/${name}`).find(isExecutable);
  if (path === undefined) throw new Fault("not_found", `there is no program ${name}`);
  return [path, ...rest];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
