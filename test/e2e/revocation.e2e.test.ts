/** A node that was revoked is out, whoever restarts and whatever is away, and whether it likes it or not. */
import { expect } from "bun:test";
import { join } from "node:path";
import * as v from "valibot";
import { assert } from "../../src/base/assert.ts";
import { calls } from "../../src/wire/control-api.ts";
import type { LabProcess } from "../lab/lab-process.ts";
import { openTcpEcho } from "../lab/traffic.ts";
import { waitFor } from "../lab/wait-for.ts";
import { onMesh } from "./mesh.ts";
import { type NodeHost, tunnelName } from "./node-host.ts";

/** The requirement (design: signed to the last packet). */
const cutOffMaxMs = 2_000;

/*
 *   control ──┬── alice
 *             ├── bob      (is revoked, and does as told)
 *             ├── carol    (is revoked, and her daemon is not there to hear it)
 */
const { test } = onMesh("revocation", {
  nodes: [{ name: "alice" }, { name: "bob" }, { name: "carol" }],
});

async function chatter(from: NodeHost, address: string, port: number): Promise<LabProcess> {
  const script = join(import.meta.dir, "programs/chatter.ts");
  const running = await from.host.spawn([process.execPath, script, address, String(port)]);
  await running.waitForLine('"echo"');
  return running;
}

const Echo = v.object({ event: v.literal("echo"), atMs: v.number() });

/** When the connection last carried anything. */
function lastEchoMs({ lines }: LabProcess): number {
  const last = lines.findLast(({ text }) => text.includes('"echo"'));
  assert(last !== undefined, "something came back");
  return v.parse(Echo, JSON.parse(last.text)).atMs;
}

test("a revoked node is cut off within two seconds, flows and all", async (mesh) => {
  const { alice, bob, carol } = mesh.nodes;
  await mesh.untilMeshed(alice, bob, carol);
  const [us, them] = [await alice.self(), await bob.self()];
  const echo = await openTcpEcho(alice.host);
  const flow = await chatter(bob, us.ipv4, echo.port);
  const [out, back] = [await bob.host.startPing(us.ipv4), await alice.host.startPing(them.ipv4)];
  // What alice sends to bob is what she still grants: answers to him, and requests.
  const granted = await alice.host.capture(tunnelName, { filter: `dst host ${them.ipv4}` });
  const signedAtMs = Date.now();
  const { node } = await mesh.control.operator(
    calls.nodeRevoke.output,
    ...["node", "revoke", "bob"],
  );
  expect(node.status).toBe("revoked");
  await bob.until("to know it", ({ reason }) => reason?.code === "revoked");
  await waitFor("alice to have no such peer", async () => {
    return !(await alice.tunnelPeers()).includes(them.ipv4);
  });
  // Requests that nobody may answer any more go on a while: nothing comes back.
  const seen = { out: out.received, back: back.received, flow: lastEchoMs(flow) };
  await back.process.waitForLine("no answer yet");
  const after = back.process.lines.length;
  await waitFor("a row of unanswered pings", () => back.process.lines.length > after + 20);
  expect({ out: out.received, back: back.received, flow: lastEchoMs(flow) }).toEqual(seen);
  const answers = (await granted.stop()).of("icmp").filter(({ transport }) => transport.type === 0);
  const lastMs = Math.max(...answers.map(({ timestampMs }) => timestampMs), seen.flow);
  console.log(`  revoked to last packet: ${Math.round(lastMs - signedAtMs)} ms, command included`);
  expect(lastMs - signedAtMs).toBeLessThan(cutOffMaxMs);
  for (const each of [out, back]) await each.stop();
  for (const each of [flow, echo.process]) await each.stop();
});

test("its own daemon takes the tunnel away and says why", async (mesh) => {
  const { bob } = mesh.nodes;
  const status = await bob.status();
  expect(status).toMatchObject({ state: "closed", reason: { code: "revoked" }, tunnel: null });
  expect(await bob.hasTunnel()).toBe(false);
  expect(await bob.network()).not.toContain("rustynet");
  const told = await bob.run("status");
  expect(told.exitCode).not.toBe(0);
  expect(told.stdout + told.stderr).toContain("revoked");
});

test("it stays out over restarts of either side, with control there and away", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  const record = (await mesh.control.nodes()).find(({ node }) => `${node.name}` === "bob");
  assert(record !== undefined, "bob is in the log for ever");
  const prefix = `${record.node.ipv4}/32`;
  const { ipv4 } = await alice.self();
  const expectOut = async (): Promise<void> => {
    await bob.until("to be closed", ({ state, reason }) => {
      return state === "closed" && reason?.code === "revoked";
    });
    expect(await bob.hasTunnel()).toBe(false);
    expect(await alice.tunnelPeers()).not.toContain(prefix);
    // There is no route to alice any more: ping says so instead of waiting.
    expect((await bob.host.run(["/usr/bin/ping", "-c1", "-W1", ipv4])).exitCode).not.toBe(0);
  };
  await bob.restart();
  await alice.restart();
  await alice.untilConnected();
  await expectOut();
  await mesh.control.service.kill();
  await bob.restart();
  await alice.restart();
  await alice.untilState("running");
  await expectOut();
  await mesh.control.start();
  await alice.untilConnected();
  await expectOut();
});

test("one that does not hear of it is cut off by the others", async (mesh) => {
  const { alice, carol } = mesh.nodes;
  await mesh.untilMeshed(alice, carol);
  const [us, them] = [await alice.self(), await carol.self()];
  const pings = await carol.host.startPing(us.ipv4);
  // Her tunnel lives on with all its keys, and nobody takes it down.
  await carol.service.kill();
  const before = pings.received;
  await waitFor("pings without her daemon", () => pings.received > before + 5);
  await mesh.control.operator(calls.nodeRevoke.output, "node", "revoke", "carol");
  await waitFor("alice to have no such peer", async () => {
    return !(await alice.tunnelPeers()).includes(them.ipv4);
  });
  const seen = pings.received;
  const lines = pings.process.lines.length;
  await waitFor("a row of unanswered pings", () => pings.process.lines.length > lines + 20);
  expect(pings.received - seen).toBeLessThanOrEqual(1);
  expect(await carol.hasTunnel()).toBe(true);
  // With control away she believes what she last heard, and still gets nowhere.
  await mesh.control.service.kill();
  await carol.start();
  expect((await carol.untilState("running")).peers.map(({ name }) => `${name}`)).toContain("alice");
  await alice.restart();
  await alice.untilState("running");
  expect((await carol.host.ping(us.ipv4, { count: 5, timeoutS: 1 })).received).toBe(0);
  expect((await carol.host.ping(us.ipv6, { count: 5, timeoutS: 1 })).received).toBe(0);
  await pings.stop();
  // As soon as she hears of it, she is closed too.
  await mesh.control.start();
  await carol.until("to know it", ({ reason }) => reason?.code === "revoked");
  expect(await carol.hasTunnel()).toBe(false);
});
