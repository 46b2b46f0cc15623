/**
 * mesh is a whole network of the product in a lab: a control server and nodes that joined it, made of
 * the binary that ships and its command line.
 *
 *     const { test } = onMesh("pings", { nodes: [{ name: "alice" }, { name: "bob" }] });
 *     test("alice reaches bob", async (mesh) => {
 *       const { alice, bob } = mesh.nodes;
 *       await mesh.untilReached(alice, bob);
 *     });
 */
import { afterAll, setDefaultTimeout, test as bunTest } from "bun:test";
import { assert } from "../../src/base/assert.ts";
import type { Host } from "../lab/host.ts";
import { Lab } from "../lab/lab.ts";
import type { Prefixes, Switch } from "../lab/switch.ts";
import { waitFor } from "../lab/wait-for.ts";
import { pace } from "../support/pace.ts";
import { ControlHost, controlPort } from "./control-host.ts";
import { requireBinary } from "./ground.ts";
import { Journal } from "./journal.ts";
import { NodeHost } from "./node-host.ts";
import { PersonHost } from "./person-host.ts";
import { collectSecrets } from "./secrets.ts";

export type NodePlan<N extends string = string> = {
  readonly name: N;
  /** Of the credential that it joins with. */
  readonly owner?: string;
  readonly args?: readonly string[];
  readonly custody?: readonly string[];
  /** Leave it to the test: only the `daemon` runs, or `nothing`. */
  readonly at?: "joined" | "daemon" | "nothing";
};

export type MeshOptions<N extends string> = {
  readonly nodes: readonly NodePlan<N>[];
  readonly underlay?: Prefixes;
  readonly initArgs?: readonly string[];
  readonly serveArgs?: readonly string[];
  /** Seals the control server's keys. */
  readonly passphraseFile?: string;
  /** Runs when the hosts are there and nothing of the product is yet. */
  readonly prepare?: (mesh: Mesh<N>) => Promise<void>;
};

export const dualUnderlay: Prefixes = { ipv4: "192.0.2.0/24", ipv6: "2001:db8:1::/64" };

/** Long enough for a mesh to be made on a busy machine: nothing waits for it. */
const testMaxMs = 60_000 * pace;

export class Mesh<N extends string = string> {
  readonly lab: Lab;
  readonly wan: Switch;
  readonly control: ControlHost;
  readonly nodes: Readonly<Record<N, NodeHost>>;
  readonly journal: Journal;
  /** Those who were invited to decide, each at a machine of their own. */
  readonly people: PersonHost[] = [];

  private constructor(parts: Pick<Mesh<N>, "lab" | "wan" | "control" | "nodes" | "journal">) {
    this.lab = parts.lab;
    this.wan = parts.wan;
    this.control = parts.control;
    this.nodes = parts.nodes;
    this.journal = parts.journal;
  }

  /** Everything up: control serves, and each node has come as far as its plan says. */
  static async open<N extends string>(name: string, options: MeshOptions<N>): Promise<Mesh<N>> {
    requireBinary();
    const lab = await Lab.open(name);
    try {
      const mesh = await Mesh.#furnish(lab, options);
      await mesh.#begin(options);
      return mesh;
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  static async #furnish<N extends string>(lab: Lab, options: MeshOptions<N>): Promise<Mesh<N>> {
    const { underlay = dualUnderlay, initArgs = [], serveArgs = [], passphraseFile } = options;
    const wan = await lab.switch("wan", underlay);
    const names = options.nodes.map((plan) => plan.name);
    const [controlHost, ...hosts] = await lab.hosts(["control", ...names], { on: [wan] });
    assert(controlHost !== undefined, "a host for each name");
    const journal = new Journal();
    const control = new ControlHost({
      host: controlHost,
      journal,
      url: urlOf(controlHost),
      initArgs,
      serveArgs,
      ...(passphraseFile === undefined ? {} : { passphraseFile }),
    });
    const nodes = Object.fromEntries(
      options.nodes.map((plan, i) => {
        const host = hosts[i];
        assert(host !== undefined, "a host for each name");
        const { args = [], custody } = plan;
        const given = { host, journal, args, ...(custody === undefined ? {} : { custody }) };
        return [plan.name, new NodeHost(given)];
      }),
    ) as Record<N, NodeHost>;
    return new Mesh({ lab, wan, control, nodes, journal });
  }

  async #begin({ nodes, prepare }: MeshOptions<N>): Promise<void> {
    try {
      await prepare?.(this);
      await this.control.init();
      await this.control.start();
      // A slow machine that started them all at once would miss the product's own time limits.
      if (pace > 1) for (const plan of nodes) await this.#bring(plan);
      else await Promise.all(nodes.map((plan) => this.#bring(plan)));
    } catch (error) {
      throw await this.explain(error);
    }
  }

  async #bring({ name, owner = "sam", at = "joined" }: NodePlan<N>): Promise<void> {
    const node = this.nodes[name];
    if (at === "nothing") return;
    await node.start();
    if (at === "joined") await node.up(await this.control.token({ owner }));
  }

  /** People with a key each, who know the network and have no say in it yet. */
  async invite(...names: readonly string[]): Promise<PersonHost[]> {
    const hosts = await this.lab.hosts(names, { on: [this.wan] });
    const people = hosts.map((host) => new PersonHost(host, this.journal));
    const card = await this.control.card();
    await Promise.all(people.map((person) => person.begin(card)));
    this.people.push(...people);
    return people;
  }

  /** Waits until the first node gets an answer from the second one's overlay address. */
  async untilReached(
    from: NodeHost,
    to: NodeHost,
    family: 4 | 6 = 4,
    deadlineMs = 20_000,
  ): Promise<void> {
    const { ipv4, ipv6 } = await to.self();
    await untilAnswered(from.host, family === 4 ? ipv4 : ipv6, deadlineMs);
  }

  /** Waits until every one of the nodes reaches every other, by both families. */
  async untilMeshed(...nodes: readonly NodeHost[]): Promise<void> {
    const pairs = nodes.flatMap((from) =>
      nodes.filter((to) => to !== from).map((to) => [from, to]),
    );
    await Promise.all(
      pairs.flatMap(([from, to]) =>
        from === undefined || to === undefined
          ? []
          : [this.untilReached(from, to, 4), this.untilReached(from, to, 6)],
      ),
    );
    // All asked all at once, so some handshakes crossed. Who lets the other begin keeps the path open
    // itself only a little later: from then on nothing is in doubt.
    for (const node of nodes)
      await waitFor(`${node.name}'s paths to settle`, async () => {
        return !/ off$/m.test(await node.tunnelPeers());
      });
    for (const [from, to] of pairs)
      if (from !== undefined && to !== undefined) await this.untilSteady(from, to);
  }

  /** Until nothing of a row is lost any more: what two that just met may lose is over. */
  async untilSteady(from: NodeHost, to: NodeHost): Promise<void> {
    const { ipv4 } = await to.self();
    await waitFor(`${to.name} to answer each of a row`, async () => {
      return (await from.host.ping(ipv4, { count: 5 })).received === 5;
    });
  }

  /** The error, with all that helps to understand it: topology, last words and status of everybody. */
  async explain(error: unknown): Promise<Error> {
    const nodes: NodeHost[] = Object.values(this.nodes);
    const reports = nodes
      .filter(({ service }) => service.isRunning)
      .map(async (node) => {
        const { stdout, stderr } = await node.run("status");
        return `  rustynet status on ${node.name}:\n${indent(stdout + stderr)}`;
      });
    const statuses = await Promise.all(reports);
    const parts = [Bun.inspect(error), this.lab.describe(), this.journal.tail(), ...statuses];
    return new Error(parts.join("\n"));
  }

  /** Ends everything. Throws when a service does not end as told, or any program told a secret. */
  async close(): Promise<void> {
    try {
      // Before the lab ends their tunnels too, which they would put right.
      const nodes: NodeHost[] = Object.values(this.nodes);
      const running = [this.control, ...nodes].filter(({ service }) => service.isRunning);
      const ends = await Promise.all(running.map(({ service }) => service.stop()));
      const stuck = running.filter((_, i) => ends[i]?.exitCode !== 0);
      assert(stuck.length === 0, `ended badly: ${stuck.map(({ host }) => host.name).join(" ")}`);
      const secrets = collectSecrets(this);
      const leaks = this.journal.leaks(secrets);
      assert(leaks.length === 0, `secrets were told: ${leaks.join("; ")}`);
    } finally {
      await this.lab.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Waits until `address` answers a ping. */
export async function untilAnswered(
  from: Host,
  address: string,
  deadlineMs = 20_000,
): Promise<void> {
  const ask = async (): Promise<number> =>
    (await from.ping(address, { count: 1, timeoutS: 1 })).received;
  await waitFor(`${address} to answer ${from.name}`, ask, { deadlineMs, pollMs: 50 });
}

/** Waits until `address` leaves three pings in a row unanswered. */
export async function untilSilent(from: Host, address: string, deadlineMs = 20_000): Promise<void> {
  const ask = async (): Promise<number> =>
    (await from.ping(address, { count: 3, intervalS: 0.05, timeoutS: 1 })).received;
  const until = (received: number): boolean => received === 0;
  await waitFor(`${address} to be silent to ${from.name}`, ask, { deadlineMs, until });
}

function urlOf({ attachments }: Host): string {
  const [link] = attachments;
  const address = link?.ipv4 ?? (link?.ipv6 ? `[${link.ipv6}]` : null);
  assert(address !== null, "the control host has an address");
  return `https://${address}:${controlPort}`;
}

const indent = (text: string): string => text.replaceAll(/^/gm, "    ");

/** Tests that share one mesh, which is made when the first of them runs. */
export function onMesh<N extends string>(
  name: string,
  options: MeshOptions<N>,
): { test: (title: string, body: (mesh: Mesh<N>) => Promise<void>) => void } {
  setDefaultTimeout(testMaxMs);
  let opening: Promise<Mesh<N>> | null = null;
  afterAll(async () => {
    await (await opening?.catch(() => null))?.close();
  });
  const test = (title: string, body: (mesh: Mesh<N>) => Promise<void>): void => {
    bunTest(title, async () => {
      const mesh = await (opening ??= Mesh.open(name, options));
      try {
        await body(mesh);
      } catch (error) {
        throw await mesh.explain(error);
      }
    });
  };
  return { test };
}

/** A test with a mesh of its own. */
export function meshTest<N extends string>(
  title: string,
  options: MeshOptions<N>,
  body: (mesh: Mesh<N>) => Promise<void>,
): void {
  setDefaultTimeout(testMaxMs);
  bunTest(title, async () => {
    await using mesh = await Mesh.open("mesh", options);
    try {
      await body(mesh);
    } catch (error) {
      throw await mesh.explain(error);
    }
  });
}
