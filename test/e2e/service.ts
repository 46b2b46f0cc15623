/** service runs one mode of the binary on a host of the lab: starting, ending and killing it. */
import { assert } from "../../src/base/assert.ts";
import type { Host } from "../lab/host.ts";
import type { Finished, LabProcess } from "../lab/lab-process.ts";
import { waitFor } from "../lab/wait-for.ts";
import { pace } from "../support/pace.ts";
import type { RunAs } from "../lab/station.ts";
import { ground } from "./ground.ts";
import type { Journal } from "./journal.ts";

/** Where the binary is run: on the host as it is, or in a file system tree of its own. */
export type Place = {
  readonly prefix: readonly string[];
  readonly binary: string;
  readonly root: string;
};

export const onHost: Place = { prefix: [], binary: ground.binary, root: "" };

const cliMaxMs = 90_000 * pace;

export class Service {
  readonly host: Host;
  readonly place: Place;
  readonly #journal: Journal;
  readonly #socket: string;
  #process: LabProcess | null = null;

  /** `socket` is that of the API by which this service is known to be there. */
  constructor(host: Host, journal: Journal, socket: string, place: Place = onHost) {
    this.host = host;
    this.place = place;
    this.#journal = journal;
    this.#socket = socket;
  }

  get process(): LabProcess {
    assert(this.#process !== null, `nothing was started on ${this.host.name}`);
    return this.#process;
  }

  get isRunning(): boolean {
    return this.#process !== null && !this.#process.hasExited;
  }

  /** Starts it without waiting for anything; as root, unless said otherwise. */
  async spawn(args: readonly string[], as?: RunAs): Promise<LabProcess> {
    assert(!this.isRunning, `it runs on ${this.host.name} already`);
    const { prefix, binary } = this.place;
    this.#process = await this.host.spawn(
      [...prefix, binary, ...args],
      as === undefined ? {} : { as },
    );
    this.#journal.add(this.host.name, this.#process);
    return this.#process;
  }

  /** Starts it and waits until it answers at `path`. */
  async start(args: readonly string[], path: string, as?: RunAs): Promise<void> {
    const started = await this.spawn(args, as);
    const answers = async (): Promise<boolean> => started.hasExited || (await this.ask(path)).ok;
    await waitFor(`${this.host.name} to answer at ${path}`, answers);
    assert(!started.hasExited, `${args.join(" ")} ended: ${started.stderr}${started.stdout}`);
  }

  /** SIGTERM, as systemd ends a service. */
  async stop(): Promise<Finished> {
    return this.process.stop();
  }

  /** SIGKILL: it gets no chance to put anything in order. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.exited;
  }

  /** One request to its Unix socket, as root. */
  ask(path: string): Promise<Response> {
    const unix = this.host.socketPath(`${this.place.root}${this.#socket}`);
    return fetch(`http://local${path}`, { unix, headers: { host: "local" } });
  }

  /** The command line on this host, to its end. */
  async run(
    args: readonly string[],
    options: { stdin?: string; mayTell?: boolean } = {},
  ): Promise<Finished> {
    const { stdin, mayTell } = options;
    const { prefix, binary } = this.place;
    const argv = [...prefix, binary, ...args];
    const running = await this.host.spawn(argv, stdin === undefined ? {} : { stdin });
    this.#journal.add(this.host.name, running, mayTell);
    const timer = setTimeout(() => running.kill("SIGKILL"), cliMaxMs);
    return running.finished().finally(() => clearTimeout(timer));
  }
}
