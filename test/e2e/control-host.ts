/** control-host is the control server on a host of the lab, and its operator's command line. */
import { join } from "node:path";
import * as v from "valibot";
import { assert } from "../../src/base/assert.ts";
import { calls, type Output } from "../../src/wire/control-api.ts";
import { controlSocketDefault } from "../../src/wire/local-api.ts";
import type { Host } from "../lab/host.ts";
import type { Finished } from "../lab/lab-process.ts";
import { type Journal, wordsOf } from "./journal.ts";
import { onHost, type Place, Service } from "./service.ts";

export type TokenOptions = {
  readonly owner?: string;
  readonly uses?: number;
  readonly lifetime?: string;
};

type ControlOptions = {
  readonly host: Host;
  readonly journal: Journal;
  readonly url: string;
  readonly place?: Place;
  /** Seals its keys. Without it they are plain. */
  readonly passphraseFile?: string;
  readonly initArgs?: readonly string[];
  /** More settings of the running server. */
  readonly serveArgs?: readonly string[];
};

export const controlPort = 8_443;
export const controlStateDir = "/var/lib/rustynet-control/network";
export const plainKeys: readonly string[] = ["--plain-keys"];

export class ControlHost {
  readonly host: Host;
  readonly url: string;
  readonly service: Service;
  /** The secrets of the tokens that were made here. */
  readonly tokens: string[] = [];
  readonly #options: ControlOptions;

  constructor(options: ControlOptions) {
    const { host, journal, url, place = onHost } = options;
    this.host = host;
    this.url = url;
    this.service = new Service(host, journal, controlSocketDefault, place);
    this.#options = options;
  }

  init(...args: readonly string[]): Promise<Finished> {
    const { passphraseFile, initArgs = [] } = this.#options;
    const custody =
      passphraseFile === undefined ? plainKeys : ["--passphrase-file", passphraseFile];
    const all = ["control", "init", "--url", this.url, "--listen", `[::]:${controlPort}`];
    return this.service.run([...all, ...custody, ...initArgs, ...args]);
  }

  async start(): Promise<void> {
    const { passphraseFile, serveArgs = [] } = this.#options;
    // How plain keys are kept was settled at init; where a passphrase is, is said each time.
    const custody = passphraseFile === undefined ? [] : ["--passphrase-file", passphraseFile];
    await this.service.start(["control", ...custody, ...serveArgs], calls.networkShow.path);
  }

  /** An operator's command, which is to succeed, and what it printed as JSON. */
  async operator<T extends v.GenericSchema>(
    schema: T,
    ...args: readonly string[]
  ): Promise<v.InferOutput<T>> {
    const finished = await this.service.run([...args, "--json"], {
      mayTell: args[0] === "credential",
    });
    assert(finished.exitCode === 0, `rustynet ${args.join(" ")}: ${wordsOf(finished)}`);
    return v.parse(schema, JSON.parse(finished.stdout));
  }

  /** What a person who is to decide has to be told, once. */
  async card(): Promise<string> {
    const said = await this.service.run(["membership", "status"]);
    const [card] = /\brnnet1\.\S+/.exec(said.stderr) ?? [];
    assert(card !== undefined, `membership status prints the card: ${wordsOf(said)}`);
    return card;
  }

  /** A join token, as an operator makes one. */
  async token({ owner = "sam", uses = 1, lifetime = "1h" }: TokenOptions = {}): Promise<string> {
    const terms = ["--owner", owner, "--uses", String(uses), "--lifetime", lifetime];
    const made = await this.operator(
      calls.credentialCreate.output,
      ...["credential", "create", ...terms],
    );
    this.tokens.push(made.token);
    return made.token;
  }

  async credentials(): Promise<Output<"credentialList">["credentials"]> {
    return (await this.operator(calls.credentialList.output, "credential", "list")).credentials;
  }

  async nodes(): Promise<Output<"nodeList">["nodes"]> {
    return (await this.operator(calls.nodeList.output, "node", "list")).nodes;
  }

  /** A file of the server's state, as somebody who stole its disk would have it. */
  stolen(name: string): Promise<Uint8Array> {
    const path = join(this.service.place.root, controlStateDir, name);
    return Bun.file(this.host.socketPath(path)).bytes();
  }
}
