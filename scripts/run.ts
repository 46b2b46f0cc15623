/** run starts a program by its arguments, never through a shell, and waits for it. */

export type Outcome = {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
};

type Options = {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
};

/** Returns what the program said, whether it succeeded or not. */
export async function run(argv: readonly string[], options: Options = {}): Promise<Outcome> {
  const child = Bun.spawn([...argv], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    ...options,
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}

/** A program failed. The message holds everything that it said, so nothing need be added. */
export class ProgramFailed extends Error {}

/** Returns what the program printed; throws `ProgramFailed` if it failed. */
export async function output(argv: readonly string[], cwd: string): Promise<string> {
  const { exitCode, stdout, stderr } = await run(argv, { cwd });
  if (exitCode !== 0) {
    throw new ProgramFailed(`${stdout}${stderr}\nexit ${exitCode} of: ${argv.join(" ")}`);
  }
  return stdout;
}
