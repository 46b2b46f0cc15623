/** tunnel: what the product adds to the kernel's own tunnel, with few peers and many, on a near network and a far one. */
import { untilAnswered } from "../../e2e/mesh.ts";
import type { NodeHost } from "../../e2e/node-host.ts";
import type { Host } from "../../lab/host.ts";
import { waitFor } from "../../lab/wait-for.ts";
import type { Bench, Case } from "../bench.ts";
import type { FigureSpec } from "../figure.ts";
import { type BenchMesh, nodeNamed, untilQuiet, withMesh } from "../grounds.ts";
import { addPeersByHand, byHand, makeTunnelByHand } from "../hand-made.ts";
import { figuresOf, type Load, loads, measureSideBySide, type Way } from "../side-by-side.ts";

/** Peers of whom nobody is there, beside the one at the other end. A thousand take the guest many minutes to enroll. */
const sizesOf = ({ isQuick }: Bench): readonly number[] => (isQuick ? [0, 100] : [0, 1_000]);
const delayMs = 20;

const far: readonly Load[] = loads.map((load) => ({
  ...load,
  name: `far_${load.name}`,
  what: `at a round trip of ${delayMs} ms, ${load.what}`,
}));
const sized: Pick<FigureSpec, "sizedBy"> = { sizedBy: "more peers" };

export const tunnel: Case = {
  name: "tunnel",
  about:
    "Two nodes of the product, and two hosts with a tunnel of the kernel made by hand, with the same MTU and as many " +
    "peers, on one switch, in turn.",
  isForGuest: true,
  figures: [...loads, ...far].flatMap((load) => figuresOf(load, sized)),
  run: async (bench) => {
    await withMesh(["alice", "bob"], async (made) => {
      const { mesh } = made;
      const [alice, bob] = [nodeNamed(mesh, "alice"), nodeNamed(mesh, "bob")];
      const [carol, dave] = await mesh.lab.hosts(["carol", "dave"], { on: [mesh.wan] });
      if (carol === undefined || dave === undefined) throw new Error("a host for each name");
      await makeTunnelByHand(carol, dave);
      await mesh.untilReached(alice, bob);
      await untilAnswered(carol, byHand.second);
      const { ipv4 } = await bob.self();
      const product: Way = { client: alice.host, server: bob.host, address: ipv4 };
      const bare: Way = { client: carol, server: dave, address: byHand.second };
      for (const size of sizesOf(bench)) {
        if (size > 0) await addPeers(bench, made, { nodes: [alice, bob], bare, size });
        await measureAt(bench, { product, bare }, size);
      }
    });
    bench.note(
      "All hosts share two emulated processors, so that rates mean nothing by themselves. The other peers are " +
        "simulated: members of the mesh, and known to the tunnel without anybody being there.",
    );
  },
};

async function measureAt(
  bench: Bench,
  ways: Readonly<Record<"product" | "bare", Way>>,
  size: number,
): Promise<void> {
  const length = bench.isQuick ? { rounds: 2, seconds: 1 } : { rounds: 5, seconds: 1 };
  for (const load of loads) await measureSideBySide(bench, load, ways, { ...length, size });
  // What leaves the servers waits: half of each round trip would do the same.
  const servers = [ways.product.server, ways.bare.server];
  const delay = (host: Host, verb: string, ...words: readonly string[]): Promise<string> =>
    host.output(["/usr/sbin/tc", "qdisc", verb, "dev", "eth0", "root", ...words]);
  for (const host of servers) await delay(host, "add", ...netem);
  for (const load of far) await measureSideBySide(bench, load, ways, { ...length, size });
  for (const host of servers) await delay(host, "delete");
}

/** Room for all that is under way: a full queue would lose packets, which is another disturbance. */
const netem = ["netem", "delay", `${delayMs}ms`, "limit", "100000"];

async function addPeers(
  bench: Bench,
  { mesh, fleet }: BenchMesh<string>,
  { nodes, bare, size }: { nodes: readonly NodeHost[]; bare: Way; size: number },
): Promise<void> {
  bench.say(`${size} more peers`);
  const token = await mesh.control.token({ uses: size });
  await fleet.enroll({ token, count: size, prefix: "other", advertises: true });
  await untilQuiet(mesh);
  for (const node of nodes)
    await waitFor(
      `${node.name} to have its peers`,
      async () => (await node.tunnelPeers()).split("\n").length > size,
      { deadlineMs: 60_000, pollMs: 500 },
    );
  for (const host of [bare.client, bare.server]) await addPeersByHand(host, size);
}
