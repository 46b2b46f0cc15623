/** surroundings is all that the command line touches of the world, as a value that tests replace. */
import type { Clock } from "../base/clock.ts";
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
};
