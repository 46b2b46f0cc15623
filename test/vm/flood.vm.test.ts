/** A stranger floods a node with the first messages of handshakes: its tunnels go on, and its memory stays bounded. */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { onMesh } from "../e2e/mesh.ts";
import { type NodeHost, tunnelName } from "../e2e/node-host.ts";
import { summarise } from "../bench/statistics.ts";
import { iperf } from "../lab/iperf.ts";
import { type Flood, Flooder, type Toll } from "./flood/flooder.ts";
import type { Mac1 } from "./flood/initiation.ts";
import { requireGuest } from "./guest-only.ts";

requireGuest(import.meta.path);

/*
 *   control ──┬── alice
 *             ├── bob
 *             ├── mallory (no node)
 *            wan
 */
const { test } = onMesh("flood", { nodes: [{ name: "alice" }, { name: "bob" }] });

/** More than half of the packets that an emulated processor can carry at all. */
const perSecond = 5_000;
/** The kernel queues 4 096 initiations of at most 1.25 KiB, and forgets the others, of which there are more. */
const slabGrowthMaxKib = 8 * 1_024;
const keptMin = 0.8;
const rounds = 3;

let opened: Promise<Flooder> | null = null;

const slabKib = (): number =>
  Number(/^Slab:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? Number.NaN);

async function repeated<T>(act: () => Promise<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for (let round = 0; round < rounds; round++) all.push(await act());
  return all;
}

for (const mac1 of ["bad", "good"] as const satisfies readonly Mac1[])
  test(`under a flood of initiations with a ${mac1} mac1, a tunnel in use keeps 80 % of what it carried`, async (mesh) => {
    const { alice, bob } = mesh.nodes;
    await mesh.untilReached(bob, alice);
    opened ??= mesh.lab
      .host("mallory", { on: [mesh.wan] })
      .then((host) => Flooder.open(host, alice));
    const flooder = await opened;
    const { ipv4 } = await alice.self();
    const carried = async (udpBitsPerSecond?: number): Promise<number> => {
      const rate = udpBitsPerSecond === undefined ? {} : { udpBitsPerSecond };
      const { bitsPerSecond, lostPercent } = await iperf(bob.host, alice.host, ipv4, rate);
      return bitsPerSecond * (1 - (lostPercent ?? 0) / 100);
    };
    // Attacker and nodes share two emulated processors, and those a busy machine: what they can just do is nobody's to keep.
    const offered = Math.round(summarise(await repeated(() => carried())).median / 3);
    const before = await repeated(() => carried(offered));
    const slabBeforeKib = slabKib();
    const { value: during, toll } = await flooder.during({ mac1, perSecond }, () =>
      repeated(async () => [await carried(offered), slabKib()] as const),
    );
    console.log(JSON.stringify({ mac1, offered, before, during, slabBeforeKib, toll }));
    const best = Math.max(...during.map(([rate]) => rate));
    expect(best / Math.max(...before)).toBeGreaterThanOrEqual(keptMin);
    const grown = Math.max(...during.map(([, kib]) => kib)) - slabBeforeKib;
    expect(grown).toBeLessThan(slabGrowthMaxKib);
    expectRefused(mac1, toll);
  });

/** None was taken for a handshake; and who knows the node's key was asked to prove the address first. */
function expectRefused(mac1: Mac1, { sent, arrived, cookies, responses }: Toll): void {
  expect(arrived).toBeGreaterThan(0.9 * sent);
  expect(responses).toBe(0);
  if (mac1 === "bad") expect(cookies).toBe(0);
  else expect(cookies).toBeGreaterThan(arrived / 4);
}

test("under a flood with a good mac1, a peer that begins anew gets its handshake through", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  const flooder = await opened;
  if (flooder === null) throw new Error("the flooder is there");
  const flood: Flood = { mac1: "good", perSecond };
  const { toll } = await flooder.during(flood, async () => {
    await forgetSession(bob);
    await mesh.untilReached(bob, alice);
  });
  console.log(JSON.stringify({ toll }));
  expectRefused("good", toll);
});

/** The tunnel's one peer goes and comes back, with its settings and without its keys of the moment. */
async function forgetSession({ host }: NodeHost): Promise<void> {
  const text = await host.output(["/usr/bin/wg", "showconf", tunnelName]);
  const key = /^PublicKey = (.+)$/m.exec(text)?.[1];
  if (key === undefined) throw new Error(`no peer in ${tunnelName}`);
  await host.writeFile("/run/peer.conf", text.slice(text.indexOf("[Peer]")));
  await host.output(["/usr/bin/wg", "set", tunnelName, "peer", key, "remove"]);
  await host.output(["/usr/bin/wg", "addconf", tunnelName, "/run/peer.conf"]);
}
