/** Nodes join, find each other by name, talk through encrypted tunnels, and nobody else gets in. */
import { expect } from "bun:test";
import { join } from "node:path";
import * as v from "valibot";
import { PeerReport, Status } from "../../src/wire/local-api.ts";
import { exchangeTcp, openTcpEcho } from "../lab/traffic.ts";
import { waitFor } from "../lab/wait-for.ts";
import { controlPort } from "./control-host.ts";
import { dropsOf } from "./drops.ts";
import { ground } from "./ground.ts";
import { type Mesh, meshTest, onMesh } from "./mesh.ts";
import { type NodeHost, tunnelName } from "./node-host.ts";

const tunnelPort = 51_820;

/*
 *   control ──┬── alice (sam)
 *             ├── bob   (sam)
 *             ├── carol (sam)
 *             ├── eve   (eve, another owner)
 *            wan
 */
const { test } = onMesh("mesh", {
  nodes: [{ name: "alice" }, { name: "bob" }, { name: "carol" }, { name: "eve", owner: "eve" }],
});

/** A name for `rustynet ping`, an address of each family for everybody else's. */
async function expectReached(from: NodeHost, to: NodeHost): Promise<void> {
  expect(await from.output("ping", to.name, "-c", "1")).toContain(to.name);
  for (const family of ["-4", "-6"]) {
    const address = (await from.output("ip", to.name, family)).trim();
    // While both ends begin at once, a userspace tunnel may drop one; then it has to be over with that.
    await waitFor(`${to.name} to answer three in a row`, async () => {
      return (await from.host.ping(address, { count: 3 })).received === 3;
    });
  }
}

test("three nodes reach each other by name, IPv4 and IPv6", async (mesh) => {
  const { alice, bob, carol } = mesh.nodes;
  await mesh.untilMeshed(alice, bob, carol);
  await expectReached(alice, bob);
  await expectReached(bob, carol);
  await expectReached(carol, alice);
});

test("status, peers and whois say who is there, and how", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  await mesh.untilReached(alice, bob);
  const status = v.parse(Status, JSON.parse(await alice.output("status", "--json")));
  expect(status).toMatchObject({
    state: "running",
    reason: null,
    self: { name: "alice", owner: "sam" },
    tunnel: { backend: ground.backend, interface: tunnelName },
    control: { state: "connected", url: mesh.control.url },
  });
  expect(status.peers.map(({ name }) => `${name}`)).toEqual(["bob", "carol", "eve"]);
  const { ipv4, ipv6, node } = await bob.self();
  expect(status.peers.find(({ name }) => name === "bob")).toMatchObject({ node, reach: "direct" });
  const whois = JSON.parse(await alice.output("whois", ipv6, "--json"));
  expect(v.parse(PeerReport, whois)).toMatchObject({ name: "bob", ipv4, ipv6, node });
  expect(await alice.output("status")).toContain("bob");
  expect(await alice.output("peers")).toContain(ipv4);
  expect((await alice.output("ip", "-4")).trim()).toBe((await alice.self()).ipv4);
});

test("only ciphertext crosses the wire", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  await mesh.untilReached(alice, bob);
  const pattern = "this sentence is for bob alone ".repeat(20);
  const { ipv4, ipv6 } = await bob.self();
  const echo = await openTcpEcho(bob.host);
  const outside = await mesh.wan.capture();
  const inside = await bob.host.capture(tunnelName, { filter: "tcp" });
  for (const address of [ipv4, ipv6])
    expect(await exchangeTcp(alice.host, { address, port: echo.port }, { text: pattern })).toEqual({
      isConnected: true,
      received: pattern,
      error: null,
    });
  // The pattern is in what the tunnel's inside shows, so the search finds it where it is.
  expect((await inside.stop()).containing("this sentence is for bob").length).toBeGreaterThan(3);
  const packets = await outside.stop();
  expect(packets.containing("this sentence is for bob")).toEqual([]);
  expect(packets.of("udp").length).toBeGreaterThan(4);
  const ports = (one: { sourcePort: number; destinationPort: number }): number[] => [
    one.sourcePort,
    one.destinationPort,
  ];
  const strays = [
    ...packets.of("udp").filter(({ transport }) => !ports(transport).includes(tunnelPort)),
    ...packets.of("tcp").filter(({ transport }) => !ports(transport).includes(controlPort)),
    ...packets.of("icmp"),
  ];
  expect(strays).toEqual([]);
  await echo.process.stop();
});

test("a node of another owner is denied, and not even told where the others are", async (mesh) => {
  const { alice, bob, eve } = mesh.nodes;
  const { ipv4, ipv6, node } = await alice.self();
  const status = await eve.status();
  expect(status.state).toBe("running");
  expect(status.peers.map(({ reach, endpoint, os }) => ({ reach, endpoint, os }))).toEqual(
    Array.from({ length: 3 }, () => ({ reach: "denied", endpoint: null, os: null })),
  );
  expect(await eve.tunnelPeers()).toBe("");
  // What eve keeps on disk is all that she was ever told.
  const kept = await eve.host.output(["/usr/bin/cat", "/var/lib/rustynet/advertisements"]);
  expect(kept).not.toContain(node);
  expect(await alice.tunnelPeers()).not.toContain((await eve.self()).ipv4);
  const addresses = [ipv4, ipv6, (await bob.self()).ipv4];
  const pings = addresses.map((address) => eve.host.ping(address, { count: 2, timeoutS: 1 }));
  for (const { received } of await Promise.all(pings)) expect(received).toBe(0);
  expect((await eve.run("ping", "alice", "-c", "1", "--timeout", "1s")).exitCode).not.toBe(0);
});

test("the filter stops a stranger whom the tunnel would let in", async (mesh) => {
  const { alice, eve } = mesh.nodes;
  const [us, them] = [await alice.self(), await eve.self()];
  // The daemons would put it right at once. The filter needs none.
  await whileFrozen([alice, eve], async () => {
    // Somebody with root on both hosts makes the tunnel itself accept eve.
    const [ours, theirs] = [await tunnelKeyOf(alice), await tunnelKeyOf(eve)];
    await allow(alice, theirs, [them.ipv4, them.ipv6], eve);
    await allow(eve, ours, [us.ipv4, us.ipv6], alice);
    const before = await dropsOf(alice, "source_denied");
    const arriving = await alice.host.capture(tunnelName, { filter: "icmp or icmp6" });
    const pings = [us.ipv4, us.ipv6].map((to) => eve.host.ping(to, { count: 2, timeoutS: 1 }));
    for (const { received } of await Promise.all(pings)) expect(received).toBe(0);
    // They did come through the tunnel, and no further.
    expect((await arriving.stop()).all.length).toBeGreaterThanOrEqual(4);
    expect((await dropsOf(alice, "source_denied")) - before).toBeGreaterThanOrEqual(4);
  });
  await alice.host.ip("address add 198.51.100.1/32 dev eth0");
  await waitFor("alice to put her tunnel right", async () => {
    return !(await alice.tunnelPeers()).includes(them.ipv4);
  });
});

test("what listens on the overlay address is not reached from outside the tunnel", async (mesh) => {
  const { bob } = mesh.nodes;
  const { ipv4, ipv6 } = await bob.self();
  const outsider = mesh.control.host;
  const echo = await openTcpEcho(bob.host);
  await outsider.ip(
    `route add ${ipv4}/32 via ${bob.host.ipv4}`,
    `route add ${ipv6}/128 via ${bob.host.ipv6}`,
  );
  const before = await dropsOf(bob, "address_outside_tunnel");
  const attempts = [ipv4, ipv6].map((address) =>
    exchangeTcp(outsider, { address, port: echo.port }),
  );
  for (const { isConnected } of await Promise.all(attempts)) expect(isConnected).toBe(false);
  expect((await dropsOf(bob, "address_outside_tunnel")) - before).toBeGreaterThanOrEqual(2);
  // The same service answers where it may be reached.
  expect(await exchangeTcp(outsider, { address: bob.host.ipv4, port: echo.port })).toMatchObject({
    isConnected: true,
  });
  await echo.process.stop();
});

// The kernel's own tunnel is made by no program that could look around first.
if (ground.backend === "userspace") {
  /*
   *   control ──┬── alice
   *             └── bob (whose tunnel program looks at the packet filter before it starts)
   */
  meshTest(
    "the filter is loaded, and closed, before there is a tunnel",
    {
      nodes: [{ name: "alice" }, { name: "bob" }],
      prepare: async ({ nodes: { bob } }) => {
        const wrapper = join(import.meta.dir, "programs/filter-first.sh");
        const program = "/usr/bin/wireguard-go";
        await bob.host.output(["/usr/bin/touch", "/run/tunnel-program"]);
        await bob.host.output(["/usr/bin/mount", "--bind", program, "/run/tunnel-program"]);
        await bob.host.output(["/usr/bin/mount", "--bind", wrapper, program]);
      },
    },
    async (mesh) => {
      const { alice, bob } = mesh.nodes;
      await mesh.untilReached(alice, bob);
      const rules = await bob.host.readFile("/run/rules-before-tunnel");
      expect(rules).toContain(`iifname "${tunnelName}" jump`);
      expect(rules).toContain((await bob.self()).ipv4);
      // Nobody is a source yet, and the lease has not begun.
      expect(rules).not.toContain((await alice.self()).ipv4);
      expect(rules).toMatch(/set lease \{[^}]*flags timeout\s*\}/);
    },
  );
}

for (const [title, underlay] of [
  ["IPv4 alone", { ipv4: "192.0.2.0/24" }],
  ["IPv6 alone", { ipv6: "2001:db8:1::/64" }],
] as const)
  /*
   *   control ──┬── alice
   *             └── bob        (a network of one family)
   */
  meshTest(
    `over ${title} both families work inside`,
    { nodes: [{ name: "alice" }, { name: "bob" }], underlay },
    async (mesh: Mesh<"alice" | "bob">) => {
      const { alice, bob } = mesh.nodes;
      await mesh.untilMeshed(alice, bob);
      await expectReached(alice, bob);
    },
  );

async function whileFrozen(nodes: readonly NodeHost[], act: () => Promise<void>): Promise<void> {
  for (const { service } of nodes) service.process.kill("SIGSTOP");
  try {
    await act();
  } finally {
    for (const { service } of nodes) service.process.kill("SIGCONT");
  }
}

async function tunnelKeyOf({ host }: NodeHost): Promise<string> {
  return (await host.output(["/usr/bin/wg", "show", tunnelName, "public-key"])).trim();
}

async function allow(
  node: NodeHost,
  key: string,
  addresses: readonly string[],
  at: NodeHost,
): Promise<void> {
  const set = ["/usr/bin/wg", "set", tunnelName, "peer", key];
  const endpoint = `${at.host.ipv4}:${tunnelPort}`;
  await node.host.output([...set, "endpoint", endpoint, "allowed-ips", addresses.join(",")]);
}
