/** The one executable. Its first argument picks a mode; each mode's modules load only then. */

const modes = {
  control: () => import("./control/main.ts"),
  daemon: () => import("./daemon/main.ts"),
  relay: () => import("./relay/main.ts"),
  cli: () => import("./cli/main.ts"),
} as const;

export type Mode = keyof typeof modes;

/** Everything that is not the name of a long-running mode is a command of the command line. */
export function pickMode(argv: readonly string[]): { mode: Mode; rest: readonly string[] } {
  const [first, ...rest] = argv;
  if (first === "control" || first === "daemon" || first === "relay") return { mode: first, rest };
  return { mode: "cli", rest: argv };
}

if (import.meta.main) {
  const { mode, rest } = pickMode(process.argv.slice(2));
  const { main } = await modes[mode]();
  process.exitCode = await main(rest);
}
