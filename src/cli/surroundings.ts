/** surroundings is all that the command line touches of the world, as a value that tests replace. */
import type { Clock } from "../base/clock.ts";
import type { Secret } from "../base/secret.ts";
import type { Random } from "../crypto/ed25519.ts";
import type { EchoSender } from "../kernel/icmp-echo.ts";
import type { Host } from "./service-host.ts";

export type Stream = {
  readonly write: (text: string) => void;
  /** Whether somebody is looking. */
  readonly isTerminal: boolean;
  readonly hasColour: boolean;
};

export type Surroundings = {
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly readStdin: () => Promise<string>;
  /** Throws when there is no such file. */
  readonly readTextFile: (path: string) => Promise<string>;
  /** The account that the person logged in with, also behind sudo; null when nobody knows. */
  readonly login: string | null;
  readonly clock: Clock;
  readonly sleep: (ms: number) => Promise<void>;
  readonly sendEcho: EchoSender;
  readonly host: Host;
  readonly random: Random;
  /** Asks the person at the terminal for a line that nobody sees; null where there is no terminal. */
  readonly askHidden: (question: string) => Promise<Secret | null>;
  /** From now on what is in memory does not end up in a file: before a key or passphrase is read. */
  readonly forbidCoreDumps: () => void;
  /** Where this user's approver key is kept unless an option says otherwise; null without a home. */
  readonly approverDirectory: string | null;
};
