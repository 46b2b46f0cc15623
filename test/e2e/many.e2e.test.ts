/** A hundred nodes in one network: twelve real ones that all reach each other, and simulated ones. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { Fleet } from "../bench/fleet.ts";
import { networkOf } from "../bench/grounds.ts";
import { Mesh } from "./mesh.ts";
import type { NodeHost } from "./node-host.ts";

const realCount = 12;
const simulatedCount = 88;
const names = Array.from({ length: realCount }, (_, i) => `node${i + 1}`);

/** Tells how long it took: nothing fails for being slow. */
async function timed<T>(what: string, act: () => Promise<T>): Promise<T> {
  const startedMs = performance.now();
  const result = await act();
  console.log(`  ${what}: ${Math.round(performance.now() - startedMs)} ms`);
  return result;
}

/** One after the other from each node, all nodes at the same time. */
async function pingAll(mesh: Mesh, nodes: readonly NodeHost[]): Promise<void> {
  const rounds = nodes.map(async (from) => {
    for (const to of nodes) if (to !== from) await mesh.untilReached(from, to);
  });
  await Promise.all(rounds);
}

/*
 *   control ──┬── node1 … node12      (daemons)
 *             └── crowd               (88 simulated nodes in one process)
 */
test("a hundred nodes are one network, and all real ones reach each other", async () => {
  const plans = names.map((name) => ({ name, at: "daemon" as const }));
  await using mesh = await Mesh.open("many", {
    nodes: [...plans, { name: "crowd", at: "nothing" }],
    initArgs: ["--enroll-burst", "1000", "--enroll-per-minute", "1000"],
  });
  try {
    const nodes = names.flatMap((name) => mesh.nodes[name] ?? []);
    const token = await mesh.control.token({ uses: 100 });
    const fleet = await Fleet.open(mesh.nodes["crowd"]?.host ?? mesh.control.host, "crowd");
    const terms = { token, count: simulatedCount, prefix: "sim", advertises: true };
    await timed(`${simulatedCount} simulated nodes joined`, async () => {
      await fleet.enroll(terms);
      const { head } = await networkOf(mesh);
      expect(head.epoch).toBe(simulatedCount);
      await fleet.connect(head);
    });
    await timed(`${realCount} real nodes joined`, () =>
      Promise.all(nodes.map((node) => node.up(token))),
    );
    await timed("every real node knows 99 others and all their tunnel keys", () =>
      Promise.all(
        nodes.map((node) =>
          node.until("to know everybody", ({ peers }) => {
            return peers.length === 99 && peers.every(({ os }) => os !== null);
          }),
        ),
      ),
    );
    await timed(`${realCount * (realCount - 1)} pings between real nodes`, () =>
      pingAll(mesh, nodes),
    );
    await timed("a change reached all hundred", async () => {
      await mesh.control.operator(v.unknown(), "node", "rename", "sim-0", "renamed");
      await fleet.awaitEpoch(101);
      await Promise.all(
        nodes.map((node) => node.until("to hear of it", ({ trust }) => trust?.epoch === 101)),
      );
    });
    expect((await mesh.control.nodes()).length).toBe(100);
    const restarted = nodes.slice(0, 3);
    await timed("three daemons restarted among a hundred", async () => {
      await Promise.all(restarted.map((node) => node.restart()));
      await Promise.all(restarted.map((node) => node.untilConnected()));
    });
    await pingAll(mesh, restarted);
  } catch (error) {
    throw await mesh.explain(error);
  }
}, 120_000);
