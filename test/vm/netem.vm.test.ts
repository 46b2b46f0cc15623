/** A mesh on a bad network: what the kernel's netem loses, delays, doubles and shuffles, the mesh survives. */
import { expect } from "bun:test";
import type { Host } from "../lab/host.ts";
import { exchangeTcp, openTcpEcho } from "../lab/traffic.ts";
import { type Mesh, onMesh } from "../e2e/mesh.ts";
import type { NodeHost } from "../e2e/node-host.ts";
import { requireGuest } from "./guest-only.ts";

requireGuest(import.meta.path);

/*
 *   control ──┬── alice
 *             ├── bob
 *             ├── carol (joins when the network is bad already)
 *            wan
 */
const { test } = onMesh("netem", {
  nodes: [{ name: "alice" }, { name: "bob" }, { name: "carol", at: "daemon" }],
});
type Nodes = Mesh<"alice" | "bob" | "carol">;

const tc = async ({ output }: Pick<Host, "output">, ...words: readonly string[]): Promise<void> =>
  void (await output(["/usr/sbin/tc", "qdisc", ...words]));

/** What leaves the host by its first interface meets the disturbance. */
async function disturbed<T>(
  hosts: readonly Host[],
  words: string,
  act: () => Promise<T>,
): Promise<T> {
  const disturb = (host: Host, verb: string, rest: readonly string[]): Promise<void> =>
    tc({ output: (argv) => host.output(argv) }, verb, "dev", "eth0", "root", ...rest);
  for (const host of hosts) await disturb(host, "add", ["netem", ...words.split(" ")]);
  try {
    return await act();
  } finally {
    for (const host of hosts) await disturb(host, "delete", []);
  }
}

const sentence = "what was sent is what arrives; ".repeat(400);

/** Text goes there and back whole, by a connection that is made under the disturbance. */
async function expectCarried(from: NodeHost, to: NodeHost): Promise<void> {
  const echo = await openTcpEcho(to.host);
  const { ipv4, ipv6 } = await to.self();
  for (const address of [ipv4, ipv6]) {
    const attempt = exchangeTcp(
      from.host,
      { address, port: echo.port },
      { text: sentence, timeoutMs: 30_000 },
    );
    expect(await attempt).toEqual({ isConnected: true, received: sentence, error: null });
  }
  await echo.process.stop();
}

const disturbances: readonly (readonly [what: string, words: string, answersMin: number])[] = [
  ["1 % of the packets lost", "loss 1%", 40],
  ["5 % of the packets lost", "loss 5%", 30],
  ["a round trip of 20 ms", "delay 10ms", 50],
  ["a round trip of 200 ms", "delay 100ms", 50],
  ["a quarter of the packets out of order", "delay 20ms reorder 25% 50%", 50],
  ["a fifth of the packets doubled", "duplicate 20%", 50],
];

for (const [what, words, answersMin] of disturbances)
  test(`with ${what}, connections carry every byte and pings are answered`, async (mesh: Nodes) => {
    const { alice, bob } = mesh.nodes;
    await mesh.untilReached(alice, bob);
    await disturbed([alice.host, bob.host], words, async () => {
      await expectCarried(alice, bob);
      const { received } = await alice.host.ping((await bob.self()).ipv4, {
        count: 50,
        timeoutS: 3,
      });
      expect(received).toBeGreaterThanOrEqual(answersMin);
    });
  });

test("a link of 1 280 bytes, less than the tunnel's own packets, carries packets of every size", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  const setMtu = async (mtu: number): Promise<void> => {
    for (const { host } of [alice, bob]) await host.ip(`link set dev eth0 mtu ${mtu}`);
  };
  await setMtu(1_280);
  try {
    await mesh.untilReached(alice, bob);
    await expectCarried(alice, bob);
    const { ipv4 } = await bob.self();
    for (const sizeBytes of [56, 1_200, 1_300]) {
      const { lost } = await alice.host.ping(ipv4, { count: 3, sizeBytes });
      expect({ sizeBytes, lost }).toEqual({ sizeBytes, lost: [] });
    }
  } finally {
    await setMtu(1_500);
  }
});

test("a node joins through a network that loses 5 % each way", async (mesh) => {
  const { alice, carol } = mesh.nodes;
  await disturbed([carol.host, mesh.control.host], "loss 5%", async () => {
    await carol.up(await mesh.control.token({ owner: "sam" }));
    await mesh.untilReached(carol, alice);
    await expectCarried(carol, alice);
  });
});
