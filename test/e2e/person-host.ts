/** person-host is a person at a machine of their own in the mesh, with a key that decides who belongs. */
import * as v from "valibot";
import { assert } from "../../src/base/assert.ts";
import { Secret } from "../../src/base/secret.ts";
import { SigningSecret } from "../../src/crypto/ed25519.ts";
import { openKeyFile } from "../../src/crypto/key-file.ts";
import { calls, type Outcome } from "../../src/wire/control-api.ts";
import type { Host } from "../lab/host.ts";
import type { Finished } from "../lab/lab-process.ts";
import { plainKeys } from "./control-host.ts";
import { ground } from "./ground.ts";
import { type Journal, wordsOf } from "./journal.ts";

const Outcomes = v.pick(calls.proposalSubmit.output, ["outcomes"]);

/** A folder that each host of the lab has for itself. */
export const approverHome = "/var/lib/approver";

/** As the operator's commands name the state of what waits. */
export const Pending = v.object({
  proposals: v.array(
    v.object({
      id: v.string(),
      epoch: v.number(),
      words: v.array(v.string()),
      signed: v.array(v.string()),
      missing: v.array(v.string()),
    }),
  ),
  requests: v.array(v.object({ node: v.string(), request: v.object({ name: v.string() }) })),
});
export type Pending = v.InferOutput<typeof Pending>;

export const QuorumStatus = v.object({
  ...Pending.entries,
  network: v.string(),
  epoch: v.number(),
  root: v.string(),
  threshold: v.number(),
  approvers: v.array(v.object({ name: v.string(), key: v.string(), status: v.string() })),
  nodes: v.array(v.object({ id: v.string(), name: v.string(), status: v.string() })),
});

export class PersonHost {
  readonly host: Host;
  readonly #journal: Journal;

  constructor(host: Host, journal: Journal) {
    this.host = host;
    this.#journal = journal;
  }

  get name(): string {
    return this.host.name;
  }

  /** Makes the person's key, and tells the machine which network it is for. */
  async begin(networkCard: string, directory = approverHome): Promise<void> {
    const where = ["--dir", directory];
    await this.output("approver", "init", "--name", this.name, ...plainKeys, ...where);
    await this.output("approver", "network", networkCard, ...where);
  }

  /** The public half, as it is handed to others. */
  async card(directory = approverHome): Promise<string> {
    return (await this.output("approver", "export", "--dir", directory)).trim();
  }

  /** A command as it would be typed here, to its end. */
  async run(...args: readonly string[]): Promise<Finished> {
    const running = await this.host.spawn([ground.binary, ...args]);
    this.#journal.add(this.name, running);
    return running.finished();
  }

  /** `rustynet membership …` with this person's key. */
  membership(...args: readonly string[]): Promise<Finished> {
    return this.run("membership", ...args, "--dir", approverHome);
  }

  /** The same, where anything but success is a mistake of the test. */
  async decide(...args: readonly string[]): Promise<string> {
    const finished = await this.membership(...args);
    assert(
      finished.exitCode === 0,
      `${this.name}: membership ${args.join(" ")}: ${wordsOf(finished)}`,
    );
    return finished.stdout;
  }

  async output(...args: readonly string[]): Promise<string> {
    const finished = await this.run(...args);
    assert(finished.exitCode === 0, `${this.name}: ${args.join(" ")}: ${wordsOf(finished)}`);
    return finished.stdout;
  }

  /** What the network looks like from here, verified on this machine. */
  async status(): Promise<v.InferOutput<typeof QuorumStatus>> {
    return v.parse(QuorumStatus, JSON.parse(await this.decide("status", "--json")));
  }

  /** What became of each change that this command signed. */
  async outcomes(...args: readonly string[]): Promise<readonly Outcome[]> {
    const said: unknown = JSON.parse(await this.decide(...args, "--json"));
    return v.parse(Outcomes, said).outcomes;
  }

  /** The key itself, for those who have stolen it. */
  async stolenKey(): Promise<SigningSecret> {
    const bytes = await Bun.file(this.host.socketPath(`${approverHome}/approver.key`)).bytes();
    const opened = openKeyFile(bytes, "approver", { kind: "plain" });
    assert(opened.ok, `${this.name} keeps a key in the plain`);
    return new SigningSecret(new Secret(opened.value.expose((key) => Uint8Array.from(key))));
  }
}
