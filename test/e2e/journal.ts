/**
 * journal keeps what every program of a mesh has said: for people, when a test fails, and for the
 * search for secrets, when it ends.
 */
import type { Finished, LabProcess } from "../lab/lab-process.ts";

type Told = {
  readonly who: string;
  readonly process: LabProcess;
  /** The one place where a secret is handed over: what `credential create` prints. */
  readonly mayTell: boolean;
};

const linesShown = 25;

export class Journal {
  readonly #told: Told[] = [];

  add(who: string, process: LabProcess, mayTell = false): void {
    this.#told.push({ who, process, mayTell });
  }

  /** The last lines of each program that has run long enough to be called a service. */
  tail(): string {
    return this.#told
      .filter(({ process }) => isService(process.argv))
      .map(({ who, process }) => {
        const end = process.hasExited ? "has ended" : "runs";
        const lines = process.lines.slice(-linesShown).map(({ text }) => `    ${text}`);
        return [`  ${who}: ${process.argv.slice(1).join(" ")} (${end})`, ...lines].join("\n");
      })
      .join("\n");
  }

  /** Who told which of the secrets: `name` is what to call a secret without telling it again. */
  leaks(secrets: ReadonlyMap<string, string>): string[] {
    return this.#told
      .filter(({ mayTell }) => !mayTell)
      .flatMap(({ who, process: { argv, stdout, stderr } }) =>
        [...secrets]
          .filter(([, secret]) => stdout.includes(secret) || stderr.includes(secret))
          .map(([name]) => `${who} told ${name} (${argv.slice(1, 3).join(" ")})`),
      );
  }
}

const isService = (argv: readonly string[]): boolean =>
  argv.includes("daemon") ||
  argv.some((each) => each.endsWith("false-control.ts")) ||
  (argv.includes("control") && !argv.includes("init"));

/** What a program said, for the message of a test that expected something else. */
export const wordsOf = ({ exitCode, stdout, stderr }: Finished): string =>
  `exit code ${exitCode}\n${stderr}${stdout}`;
