/** throughput: what the product's tunnel carries, against one made by hand with the same program. */
import { untilAnswered } from "../../e2e/mesh.ts";
import type { Case } from "../bench.ts";
import { nodeNamed, withMesh } from "../grounds.ts";
import { byHand, makeTunnelByHand } from "../hand-made.ts";
import { figuresOf, loads, measureSideBySide } from "../side-by-side.ts";

export const throughput: Case = {
  name: "throughput",
  about:
    "Two nodes of the product, and two hosts with a tunnel made by hand with the same program and MTU, " +
    "on one switch, in turn.",
  figures: loads.flatMap((load) => figuresOf(load)),
  run: async (bench) => {
    await withMesh(["alice", "bob"], async ({ mesh }) => {
      const [alice, bob] = [nodeNamed(mesh, "alice"), nodeNamed(mesh, "bob")];
      const [carol, dave] = await mesh.lab.hosts(["carol", "dave"], { on: [mesh.wan] });
      if (carol === undefined || dave === undefined) throw new Error("a host for each name");
      await makeTunnelByHand(carol, dave);
      await mesh.untilReached(alice, bob);
      await untilAnswered(carol, byHand.second);
      const { ipv4 } = await bob.self();
      const ways = {
        product: { client: alice.host, server: bob.host, address: ipv4 },
        bare: { client: carol, server: dave, address: byHand.second },
      };
      const length = bench.isQuick ? { rounds: 3, seconds: 1 } : { rounds: 6, seconds: 3 };
      for (const load of loads) await measureSideBySide(bench, load, ways, length);
    });
  },
};
