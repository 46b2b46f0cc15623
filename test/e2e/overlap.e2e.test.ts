/** A network whose addresses the host already uses for something else is not laid over it. */
import { expect } from "bun:test";
import { waitFor } from "../lab/wait-for.ts";
import { meshTest } from "./mesh.ts";

const lan = "100.64.5.0/24";

/*
 *   control ──┬── alice
 *             └── bob      (has a route to 100.64.5.0/24, as behind a provider's NAT)
 */
meshTest(
  "a host with a route inside the network's range is left as it is, and told why",
  { nodes: [{ name: "alice" }, { name: "bob", at: "daemon" }] },
  async (mesh) => {
    const { alice, bob } = mesh.nodes;
    await bob.host.ip(`route add ${lan} via ${alice.host.ipv4} dev eth0`);
    const before = await bob.network();
    const token = await mesh.control.token();
    const finished = await bob.service.run(["up", "--token-file", "-"], { stdin: token });
    expect(finished.exitCode).toBe(75);
    expect(finished.stderr).toContain(lan);
    expect(finished.stderr).toContain("100.64.0.0/10");
    expect(finished.stderr).toContain("--range");
    expect(await bob.network()).toBe(before);
    expect(await bob.hasTunnel()).toBe(false);
    const status = await bob.status();
    expect(status).toMatchObject({ state: "restricted", reason: { code: "route_overlap" } });
    // Once the route is gone the node comes up by itself.
    await bob.host.ip(`route del ${lan}`);
    await bob.untilState("running");
    await mesh.untilMeshed(alice, bob);
    // A route that comes later does not cut off what works, and is not overwritten.
    await bob.host.ip(`route add ${lan} via ${alice.host.ipv4} dev eth0`);
    await mesh.untilMeshed(alice, bob);
    expect(await bob.network()).toContain(lan);
  },
);

/*
 *   control ──┬── alice    (both have the route, and the network uses 10.77.0.0/16)
 *             └── bob
 */
meshTest(
  "with another range the same host joins",
  {
    nodes: [{ name: "alice" }, { name: "bob" }],
    initArgs: ["--range", "10.77.0.0/16"],
    prepare: async ({ nodes: { alice, bob }, control }) => {
      for (const { host } of [alice, bob])
        await host.ip(`route add ${lan} via ${control.host.ipv4} dev eth0`);
    },
  },
  async (mesh) => {
    const { alice, bob } = mesh.nodes;
    await mesh.untilMeshed(alice, bob);
    expect((await bob.self()).ipv4).toStartWith("10.77.0.");
    await waitFor("the route to stay", async () => (await bob.network()).includes(lan));
  },
);
