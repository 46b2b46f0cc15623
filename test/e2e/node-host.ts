/** node-host is a node of the mesh: its daemon, its command line, and all that it does to its host. */
import * as v from "valibot";
import { assert } from "../../src/base/assert.ts";
import {
  type DaemonState,
  localCalls,
  localSocketDefault,
  Status,
} from "../../src/wire/local-api.ts";
import type { Host } from "../lab/host.ts";
import type { Finished } from "../lab/lab-process.ts";
import type { RunAs } from "../lab/station.ts";
import { waitFor } from "../lab/wait-for.ts";
import { plainKeys } from "./control-host.ts";
import { ground } from "./ground.ts";
import { type Journal, wordsOf } from "./journal.ts";
import { onHost, type Place, Service } from "./service.ts";

export const tunnelName = "rustynet0";
export const nodeStateDir = "/var/lib/rustynet";

type NodeOptions = {
  readonly host: Host;
  readonly journal: Journal;
  readonly place?: Place;
  readonly custody?: readonly string[];
  /** More of the daemon's settings. */
  readonly args?: readonly string[];
};

type Self = NonNullable<Status["self"]>;

export class NodeHost {
  readonly host: Host;
  readonly service: Service;
  readonly #args: readonly string[];

  constructor({ host, journal, place = onHost, custody = plainKeys, args = [] }: NodeOptions) {
    this.host = host;
    this.service = new Service(host, journal, localSocketDefault, place);
    this.#args = ["daemon", ...custody, "--backend", ground.backend, ...args];
  }

  get name(): string {
    return this.host.name;
  }

  get daemonArgs(): readonly string[] {
    return this.#args;
  }

  start(as?: RunAs): Promise<void> {
    return this.service.start(this.#args, localCalls.status.path, as);
  }

  /** SIGKILL to the daemon, and a new one. */
  async restart(): Promise<void> {
    if (this.service.isRunning) await this.service.kill();
    await this.start();
  }

  run(...args: readonly string[]): Promise<Finished> {
    return this.service.run(args);
  }

  /** A command that is to succeed, and what it printed. */
  async output(...args: readonly string[]): Promise<string> {
    const finished = await this.run(...args);
    assert(finished.exitCode === 0, `rustynet ${args.join(" ")}: ${wordsOf(finished)}`);
    return finished.stdout;
  }

  async up(token?: string, ...args: readonly string[]): Promise<void> {
    const input = token === undefined ? {} : { stdin: token };
    const from = token === undefined ? [] : ["--token-file", "-"];
    const finished = await this.service.run(["up", ...from, ...args], input);
    assert(finished.exitCode === 0, `rustynet up on ${this.name}: ${wordsOf(finished)}`);
  }

  async status(): Promise<Status> {
    const answer = await this.service.ask(localCalls.status.path);
    return v.parse(Status, await answer.json());
  }

  /** The status, once it is as wanted. */
  async until(
    what: string,
    isSo: (status: Status) => boolean,
    deadlineMs = 20_000,
  ): Promise<Status> {
    return waitFor(`${this.name} ${what}`, () => this.status(), {
      deadlineMs,
      pollMs: 20,
      until: isSo,
    });
  }

  untilState(state: DaemonState, deadlineMs?: number): Promise<Status> {
    return this.until(`to be ${state}`, (status) => status.state === state, deadlineMs);
  }

  untilConnected(deadlineMs?: number): Promise<Status> {
    return this.until(
      "to be connected to its control server",
      ({ control, state }) => control?.state === "connected" && state === "running",
      deadlineMs,
    );
  }

  /** Who this node is in the mesh. */
  async self(): Promise<Self> {
    const { self } = await this.status();
    assert(self !== null, `${this.name} has joined`);
    return self;
  }

  /** Everything that a node may change about its host's network, without what only counts or ages. */
  async network(): Promise<string> {
    const { host } = this;
    const shown = await Promise.all([
      host.output(["/usr/sbin/nft", "--stateless", "list", "ruleset"]),
      host.output(["/usr/bin/ip", "-brief", "address"]),
      ...["-4", "-6"].flatMap((family) => [
        host.output(["/usr/bin/ip", family, "route", "show", "table", "all"]),
        host.output(["/usr/bin/ip", family, "rule"]),
      ]),
      // How often a path is kept open changes by itself, once who was let begin has begun.
      this.tunnelPeers().then((peers) => peers.replaceAll(/ (?:off|\d+)$/gm, "")),
    ]);
    // The lease is renewed for the time that a map has left, which is another each time.
    return shown.join("\n--\n").replaceAll(/ (?:timeout|expires) \S+/g, "");
  }

  /** The peers as the tunnel holds them, one a line: key, endpoint and prefixes. Empty without a tunnel. */
  async tunnelPeers(): Promise<string> {
    const { exitCode, stdout } = await this.host.run(["/usr/bin/wg", "show", tunnelName, "dump"]);
    if (exitCode !== 0) return "";
    // The first line holds this host's private key.
    const peers = stdout.trimEnd().split("\n").slice(1);
    return peers
      .map((line) => {
        const [key, , endpoint, prefixes, , , , keepalive] = line.split("\t");
        return [key, endpoint, prefixes, keepalive].join(" ");
      })
      .sort()
      .join("\n");
  }

  async hasTunnel(): Promise<boolean> {
    const { exitCode } = await this.host.run(["/usr/bin/ip", "link", "show", "dev", tunnelName]);
    return exitCode === 0;
  }
}
