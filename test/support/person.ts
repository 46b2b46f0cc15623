/**
 * person is somebody at a machine of their own, with the command line and an approver key; or, as the
 * operator, root on the control server's host. Commands run as they would be typed.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { main } from "../../src/cli/main.ts";
import type { Surroundings } from "../../src/cli/surroundings.ts";
import { decodeUtf8 } from "../../src/base/bytes.ts";
import { encodeNetworkCard } from "../../src/wire/network-card.ts";
import { type Harness, random } from "./control-harness.ts";

export type Said = { readonly exit: number; readonly out: string; readonly err: string };

export class Person implements Disposable {
  readonly name: string;
  readonly folder = mkdtempSync(join(tmpdir(), "rustynet-person-"));
  readonly #harness: Harness;
  readonly #isOperator: boolean;

  private constructor(harness: Harness, name: string, isOperator: boolean) {
    this.#harness = harness;
    this.name = name;
    this.#isOperator = isOperator;
  }

  /** Root on the control server's host, who signs with the key there. */
  static operator(harness: Harness): Person {
    return new Person(harness, "operator", true);
  }

  /** A person with a key of their own, who knows the network. */
  static async approver(harness: Harness, name: string): Promise<Person> {
    const person = new Person(harness, name, false);
    await person.must("approver", "init", "--name", name, "--plain-keys");
    const { network } = harness.running.control;
    if (harness.genesisRoot === undefined) throw new Error("no network was founded");
    const card = encodeNetworkCard({
      url: harness.url,
      pin: harness.pin,
      network: network.state.network,
      genesis: harness.genesisRoot,
    });
    await person.must("approver", "network", card);
    return person;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** The public half, as it is handed to others. */
  async card(): Promise<string> {
    return (await this.must("approver", "export")).out.trim();
  }

  async run(...argv: readonly string[]): Promise<Said> {
    const said = { out: "", err: "" };
    const words = this.#isOperator ? [...argv, "--socket", this.#harness.socketPath] : argv;
    const exit = await main(words, this.#surroundings(said));
    return { exit, ...said };
  }

  /** The same, where anything but success is a mistake of the test. */
  async must(...argv: readonly string[]): Promise<Said> {
    const said = await this.run(...argv);
    if (said.exit === 0) return said;
    throw new Error(`${this.name}: ${argv.join(" ")}: exit ${said.exit}\n${said.err}${said.out}`);
  }

  async json(...argv: readonly string[]): Promise<Record<string, unknown>> {
    return JSON.parse((await this.run(...argv, "--json")).out) as Record<string, unknown>;
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #surroundings(said: { out: string; err: string }): Surroundings {
    const stream = (name: "out" | "err") => ({
      write: (text: string) => void (said[name] += text),
      isTerminal: false,
      hasColour: false,
    });
    const refuse = (): never => {
      throw new Error("this command must not touch the host");
    };
    return {
      stdout: stream("out"),
      stderr: stream("err"),
      readStdin: refuse,
      readTextFile: (path) => Promise.resolve(readFileSync(path, "utf8")),
      login: this.name,
      clock: this.#harness.clock,
      sleep: refuse,
      sendEcho: refuse,
      host: {
        userId: 1_000,
        program: { path: "/nowhere", isBuilt: false },
        runsPrograms: false,
        ...{ readProgramFile: refuse, read: refuse, exists: refuse, mode: refuse },
        ...{ remove: refuse, removeIfEmpty: refuse, run: refuse },
        write: (path, bytes, mode) => writeFileSync(path, decodeUtf8(bytes) ?? "", { mode }),
      },
      random,
      askHidden: () => Promise.resolve(null),
      forbidCoreDumps: () => {},
      approverDirectory: this.#isOperator ? null : this.path("approver"),
    };
  }
}

/** From the key on the control server's host to two of three, by the commands that people type. */
export async function protectByHand(
  harness: Harness,
): Promise<{ readonly operator: Person; readonly alice: Person; readonly bob: Person }> {
  const operator = Person.operator(harness);
  const alice = await Person.approver(harness, "alice");
  const bob = await Person.approver(harness, "bob");
  for (const [person, role] of [
    [alice, "owner"],
    [bob, "guardian"],
  ] as const) {
    await operator.must(
      "membership",
      "propose",
      "add-approver",
      await person.card(),
      "--role",
      role,
    );
    await person.must("membership", "sign", "--all");
  }
  await operator.must("membership", "propose", "set-threshold", "2");
  await alice.must("membership", "sign", "--all");
  return { operator, alice, bob };
}
