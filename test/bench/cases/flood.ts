/** flood: how much of its throughput a tunnel keeps while a stranger floods its node with initiations. */
import { iperf } from "../../lab/iperf.ts";
import { type Flood, Flooder } from "../../vm/flood/flooder.ts";
import type { Mac1 } from "../../vm/flood/initiation.ts";
import { alternate, type Case } from "../bench.ts";
import { type FigureSpec, limits } from "../figure.ts";
import { nodeNamed, withMesh } from "../grounds.ts";

const sizes = [200, 1_000, 5_000] as const;
const kinds = ["bad", "good"] as const satisfies readonly Mac1[];

const figuresOf = (mac1: Mac1): readonly FigureSpec[] => [
  {
    ...{ name: `${mac1}_mac_kept`, unit: "ratio", better: "more", sizedBy: "a second" },
    limit: limits.keptUnderFlood,
    about:
      `one TCP stream while initiations with a ${mac1} mac1 come in, over the same while they go to a port beside ` +
      "the tunnel's",
  },
  {
    ...{ name: `${mac1}_mac_cookies`, unit: "ratio", better: "more", sizedBy: "a second" },
    about: "part of them that was answered with a demand for proof of their address",
  },
];

export const flood: Case = {
  name: "flood",
  about:
    "Two nodes with a tunnel as full as the machine can fill it, and a stranger who sends initiations to one of them " +
    "from thousands of addresses.",
  isForGuest: true,
  figures: kinds.flatMap(figuresOf),
  run: async (bench) => {
    await withMesh(["alice", "bob"], async ({ mesh }) => {
      const [alice, bob] = [nodeNamed(mesh, "alice"), nodeNamed(mesh, "bob")];
      await mesh.untilReached(bob, alice);
      const { ipv4 } = await alice.self();
      const mallory = await mesh.lab.host("mallory", { on: [mesh.wan] });
      const flooder = await Flooder.open(mallory, alice);
      const carriedUnder = (flooding: Flood) =>
        flooder.during(flooding, async () => {
          const { bitsPerSecond } = await iperf(bob.host, alice.host, ipv4, { seconds: 1 });
          return bitsPerSecond;
        });
      for (const mac1 of kinds)
        for (const perSecond of sizes) {
          bench.say(`${perSecond} a second with a ${mac1} mac1`);
          const rounds = bench.isQuick ? 2 : 5;
          const pairs = await alternate(
            rounds,
            () => carriedUnder({ mac1, perSecond }),
            () => carriedUnder({ mac1, perSecond, isAside: true }),
          );
          for (const { product, bare } of pairs) {
            bench.record(`${mac1}_mac_kept`, product.value / bare.value, perSecond);
            const { cookies, arrived } = product.toll;
            bench.record(`${mac1}_mac_cookies`, cookies / arrived, perSecond);
          }
        }
    });
    bench.note(
      "Stranger and nodes share two emulated processors, each as fast as a tenth of one: a thousand initiations a second " +
        "weigh there as ten thousand elsewhere.",
    );
  },
};
