/** throughput: what the product's tunnel carries, against one made by hand with the same program. */
import type { Host } from "../../lab/host.ts";
import { iperf, type IperfOptions } from "../../lab/iperf.ts";
import { waitFor } from "../../lab/wait-for.ts";
import { untilAnswered } from "../../e2e/mesh.ts";
import { alternate, type Bench, type Case } from "../bench.ts";
import { type FigureSpec, limits, type Unit } from "../figure.ts";
import { nodeNamed, withMesh } from "../grounds.ts";

const datagramBytes = 64;

type Kind = {
  readonly name: string;
  readonly what: string;
  readonly unit: Unit;
  readonly options: IperfOptions;
};

const kinds: readonly Kind[] = [
  { name: "tcp_out", what: "one TCP stream", unit: "Mbit/s", options: {} },
  {
    name: "tcp_back",
    what: "one TCP stream from the other end",
    unit: "Mbit/s",
    options: { isReverse: true },
  },
  {
    name: "small_datagrams",
    what: `datagrams of ${datagramBytes} bytes, as many as arrive`,
    unit: "packets/s",
    options: { udpBitsPerSecond: 0, datagramBytes },
  },
];

const figuresOf = ({ name, what, unit }: Kind): readonly FigureSpec[] => [
  {
    name: `${name}_ratio`,
    unit: "ratio",
    better: "more",
    limit: limits.tunnelRatio,
    about: `${what}: the product's tunnel over the one made by hand, each pair of neighbouring runs`,
  },
  { name: `${name}_product`, unit, better: "more", about: `${what}, through the product's tunnel` },
  { name: `${name}_by_hand`, unit, better: "more", about: `${what}, through the one made by hand` },
];

export const throughput: Case = {
  name: "throughput",
  about:
    "Two nodes of the product, and two hosts with a tunnel made by hand with the same program and MTU, " +
    "on one switch, in turn.",
  figures: kinds.flatMap(figuresOf),
  run: async (bench) => {
    await withMesh(["alice", "bob"], async ({ mesh }) => {
      const [alice, bob] = [nodeNamed(mesh, "alice"), nodeNamed(mesh, "bob")];
      const [carol, dave] = await mesh.lab.hosts(["carol", "dave"], { on: [mesh.wan] });
      if (carol === undefined || dave === undefined) throw new Error("a host for each name");
      await makeTunnelByHand(carol, dave);
      await mesh.untilReached(alice, bob);
      await untilAnswered(carol, byHand.second);
      const { ipv4 } = await bob.self();
      for (const kind of kinds)
        await measure(bench, kind, [alice.host, bob.host, ipv4], [carol, dave, byHand.second]);
    });
  },
};

type Way = readonly [client: Host, server: Host, address: string];

async function measure(bench: Bench, kind: Kind, product: Way, bare: Way): Promise<void> {
  const rounds = bench.isQuick ? 3 : 6;
  const seconds = bench.isQuick ? 1 : 3;
  bench.say(`${kind.what}: ${rounds} rounds`);
  const over = async ([client, server, address]: Way): Promise<number> => {
    const options = { ...kind.options, seconds };
    const { bitsPerSecond, lostPercent } = await iperf(client, server, address, options);
    if (kind.unit === "Mbit/s") return bitsPerSecond / 1e6;
    return (bitsPerSecond * (1 - (lostPercent ?? 0) / 100)) / (8 * datagramBytes);
  };
  const pairs = await alternate(
    rounds,
    () => over(product),
    () => over(bare),
  );
  for (const pair of pairs) {
    bench.record(`${kind.name}_product`, pair.product);
    bench.record(`${kind.name}_by_hand`, pair.bare);
    bench.record(`${kind.name}_ratio`, pair.product / pair.bare);
  }
}

const byHand = {
  interface: "hand0",
  port: 51_820,
  first: "10.99.0.1",
  second: "10.99.0.2",
} as const;

/** As a person would: the program, a key on each side, an address and the route that comes with it. */
async function makeTunnelByHand(left: Host, right: Host): Promise<void> {
  const { interface: name, port } = byHand;
  const ends = [
    { host: left, address: byHand.first, file: "/run/hand.key" },
    { host: right, address: byHand.second, file: "/run/hand.key" },
  ];
  const publicKeys: string[] = [];
  for (const { host, file } of ends) {
    const key = (await host.output(["/usr/bin/wg", "genkey"])).trim();
    await host.writeFile(file, `${key}\n`);
    publicKeys.push((await host.output(["/usr/bin/wg", "pubkey"], { stdin: key })).trim());
    await host.spawn(["/usr/bin/wireguard-go", "-f", name]);
    const answers = async (): Promise<boolean> =>
      (await host.run(["/usr/bin/wg", "show", name])).exitCode === 0;
    await waitFor(`${name} to be there`, answers);
  }
  for (const [i, { host, address, file }] of ends.entries()) {
    const peer = ends[1 - i];
    const key = publicKeys[1 - i];
    if (peer === undefined || key === undefined) throw new Error("a tunnel has two ends");
    const settings = ["listen-port", String(port), "private-key", file, "peer", key];
    const place = ["allowed-ips", `${peer.address}/32`, "endpoint", `${peer.host.ipv4}:${port}`];
    await host.output(["/usr/bin/wg", "set", name, ...settings, ...place]);
    await host.ip(`address add ${address}/24 dev ${name}`, `link set dev ${name} mtu 1420 up`);
  }
}
