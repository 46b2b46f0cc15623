/** What was verified stays in force while servers, daemons, links and addresses come and go. */
import { expect } from "bun:test";
import { waitFor } from "../lab/wait-for.ts";
import { dualUnderlay, meshTest, onMesh, untilAnswered, untilSilent } from "./mesh.ts";
import { nodeStateDir, tunnelName } from "./node-host.ts";

/** Losses of a tunnel that is made anew, at 20 ms a ping: told, and bounded by the deadlines alone. */
const note = (what: string, figures: object): void =>
  console.log(`  ${what}: ${JSON.stringify(figures)}`);

/*
 *   control ──┬── alice
 *             └── bob
 */
const { test } = onMesh("resilience", { nodes: [{ name: "alice" }, { name: "bob" }] });

test("no ping is lost while the control server is killed and started again", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  await mesh.untilMeshed(alice, bob);
  const pings = await alice.host.startPing((await bob.self()).ipv4);
  await mesh.control.service.kill();
  await bob.until("to miss its control server", ({ control }) => control?.state === "connecting");
  await waitFor("pings without a control server", () => pings.received > 20);
  await mesh.control.start();
  await Promise.all([alice.untilConnected(), bob.untilConnected()]);
  expect((await pings.stop()).lost).toEqual([]);
});

test("the tunnel outlives a daemon that is killed, and one that is told to end", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  await mesh.untilMeshed(alice, bob);
  const pings = await alice.host.startPing((await bob.self()).ipv4);
  for (const end of ["kill", "stop"] as const) {
    await bob.service[end]();
    const before = pings.received;
    await waitFor("pings without bob's daemon", () => pings.received > before + 10);
    await bob.start();
    await bob.untilConnected();
  }
  const { lost, sent } = await pings.stop();
  note("pings lost while a daemon was killed and told to end", { sent, lost: lost.length });
  expect(lost).toEqual([]);
});

test("a killed daemon brings its tunnels back while the control server is away", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  await mesh.untilMeshed(alice, bob);
  await mesh.control.service.kill();
  await bob.restart();
  await bob.untilState("running");
  await mesh.untilMeshed(alice, bob);
  await mesh.control.start();
  await Promise.all([alice.untilConnected(), bob.untilConnected()]);
});

test("with tunnel and daemon gone and control away, the node comes back by itself", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  await mesh.untilMeshed(alice, bob);
  const peer = (await bob.self()).ipv4;
  await mesh.control.service.kill();
  await bob.service.kill();
  // As after a restart of the host: no daemon, no device, no rules.
  await bob.host.ip(`link delete dev ${tunnelName}`);
  await bob.host.nft("delete table inet rustynet");
  await untilSilent(alice.host, peer);
  await bob.start();
  await bob.untilState("running");
  await mesh.untilMeshed(alice, bob);
  await mesh.control.start();
  await Promise.all([alice.untilConnected(), bob.untilConnected()]);
});

test("a device that somebody removed is made again", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  await mesh.untilMeshed(alice, bob);
  await bob.host.ip(`link delete dev ${tunnelName}`);
  await waitFor("bob's tunnel to be there again", () => bob.hasTunnel());
  await mesh.untilMeshed(alice, bob);
});

test("pings resume after the link was down", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  await mesh.untilMeshed(alice, bob);
  const pings = await alice.host.startPing((await bob.self()).ipv4);
  await bob.host.linkDown();
  await pings.process.waitForLine("no answer yet");
  await bob.host.linkUp();
  const [before, upAtMs] = [pings.received, performance.now()];
  await waitFor("pings after the link came back", () => pings.received > before + 5);
  note("first pings after a link flap", { ms: Math.round(performance.now() - upAtMs) });
  await pings.stop();
  await bob.untilConnected();
});

test("down closes, up opens, and saying it twice changes nothing", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  await mesh.untilMeshed(alice, bob);
  const before = await bob.network();
  await bob.up();
  expect(await bob.network()).toBe(before);
  await bob.output("down");
  expect(await bob.hasTunnel()).toBe(false);
  expect(await bob.network()).not.toContain("rustynet");
  expect((await bob.status()).state).toBe("stopped");
  await bob.output("down");
  // It stays down over a restart: somebody has said so.
  await bob.restart();
  expect((await bob.status()).state).toBe("stopped");
  expect(await bob.hasTunnel()).toBe(false);
  await bob.up();
  await bob.up();
  await mesh.untilMeshed(alice, bob);
});

/*
 *   control ──┬── alice
 *            wan
 *             │ router
 *            lan      (bob moves from wan to lan: other addresses, another way out)
 */
meshTest(
  "a node whose addresses change is found again",
  { nodes: [{ name: "alice" }, { name: "bob" }] },
  async (mesh) => {
    const { alice, bob } = mesh.nodes;
    const lan = await mesh.lab.switch("lan", { ipv4: "10.1.0.0/24", ipv6: "fd00:1::/64" });
    await mesh.lab.router("nat", { inside: lan, outside: mesh.wan, nat: "port-restricted" });
    await mesh.untilMeshed(alice, bob);
    const pings = await alice.host.startPing((await bob.self()).ipv4);
    await bob.host.move(lan);
    const [before, movedAtMs] = [pings.received, performance.now()];
    await waitFor("pings after the move", () => pings.received > before + 5, {
      deadlineMs: 20_000,
    });
    note("first pings after a move to another network", {
      ms: Math.round(performance.now() - movedAtMs),
    });
    await pings.stop();
    await bob.untilConnected();
    await mesh.untilMeshed(alice, bob);
  },
);

/*
 *   control ──┬── alice
 *             └── bob, who leaves
 */
meshTest(
  "logout leaves nothing on the host, and the network knows",
  { nodes: [{ name: "alice" }, { name: "bob", at: "daemon" }], underlay: dualUnderlay },
  async (mesh) => {
    const { alice, bob } = mesh.nodes;
    const untouched = await bob.network();
    await bob.up(await mesh.control.token());
    await mesh.untilMeshed(alice, bob);
    const { ipv4, node } = await bob.self();
    const identity = await bob.host.output(["/usr/bin/md5sum", `${nodeStateDir}/identity.key`]);
    await bob.output("logout");
    expect(await bob.network()).toBe(untouched);
    expect(await bob.hasTunnel()).toBe(false);
    expect((await bob.status()).state).toBe("logged_out");
    const files = await bob.host.output(["/usr/bin/ls", nodeStateDir]);
    for (const name of ["enrollment", "membership.log", "genesis", "watermark", "advertisements"])
      expect(files).not.toContain(name);
    // A key that is there is a new one, for the next time.
    const now = await bob.host.run(["/usr/bin/md5sum", `${nodeStateDir}/identity.key`]);
    expect(now.stdout).not.toBe(identity);
    const record = (await mesh.control.nodes()).find((each) => each.node.id === node);
    expect(record?.node.status).toBe("revoked");
    await waitFor("alice to forget bob", async () => {
      return !(await alice.tunnelPeers()).includes(ipv4);
    });
    await bob.up(await mesh.control.token());
    await untilAnswered(alice.host, (await bob.self()).ipv4);
  },
);
