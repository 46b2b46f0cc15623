/** Where two of three people decide, machines wait for them, and what they decide holds everywhere. */
import { expect } from "bun:test";
import { assert } from "../../src/base/assert.ts";
import { fingerprintOf } from "../../src/crypto/fingerprint.ts";
import { waitFor } from "../lab/wait-for.ts";
import { wordsOf } from "./journal.ts";
import { onMesh } from "./mesh.ts";
import { tunnelName } from "./node-host.ts";
import { decideTogether, protect, threeOf } from "./quorum.ts";

/** The requirement (design: signed to the last packet). */
const cutOffMaxMs = 2_000;

/*
 *   control ──┬── alice, bob   (nodes from the time when one key decided)
 *             ├── carol, dave  (want in)
 *             └── ann, ben, cleo, two of whom decide
 */
const { test } = onMesh("quorum", {
  nodes: [
    { name: "alice" },
    { name: "bob" },
    { name: "carol", at: "daemon" },
    { name: "dave", at: "daemon" },
  ],
});

test("one key becomes two of three people, and no ping is lost meanwhile", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  await mesh.untilMeshed(alice, bob);
  const pings = await alice.host.startPing((await bob.self()).ipv4);
  const people = await mesh.invite("ann", "ben", "cleo");
  await protect(mesh, people);
  const [ann] = people;
  const seen = await ann?.status();
  expect(seen?.threshold).toBe(2);
  expect(
    seen?.approvers.filter(({ status }) => status === "active").map(({ name }) => name),
  ).toEqual(["ann", "ben", "cleo"]);
  await Promise.all(
    [alice, bob].map((node) =>
      node.until("to know who decides", ({ trust }) => trust?.epoch === seen?.epoch),
    ),
  );
  expect((await pings.stop()).lost).toEqual([]);
});

test("a machine waits in the queue, and up says for whom", async (mesh) => {
  const { carol } = mesh.nodes;
  const token = await mesh.control.token();
  const said = await carol.service.run(["up", "--token-file", "-", "--no-wait"], { stdin: token });
  expect(said.exitCode).toBe(75);
  const status = await carol.untilState("waiting");
  const { request } = status;
  expect(request?.approvals).toMatchObject({
    need: 2,
    signed: [],
    missing: ["ann", "ben", "cleo"],
  });
  expect(said.stdout).toContain("ann, ben, cleo");
  expect(said.stdout).toContain(request?.fingerprint ?? "no fingerprint");
  expect(await carol.hasTunnel()).toBe(false);
  // The place in the queue outlives the daemon, and the server.
  await carol.restart();
  await mesh.control.service.kill();
  await mesh.control.start();
  await carol.until("to ask again", ({ request: again }) => again?.approvals?.need === 2);
});

test("approvers see the same fingerprint, and one of them admits nobody", async (mesh) => {
  const { carol } = mesh.nodes;
  const [ann] = threeOf(mesh);
  const { request } = await carol.status();
  expect(await ann.decide("pending")).toContain(request?.fingerprint ?? "no fingerprint");
  const [outcome] = await ann.outcomes("sign", "carol");
  expect(outcome).toMatchObject({ state: "pending", signed: ["ann"], missing: ["ben", "cleo"] });
  await carol.until("to hear who signed", (status) => {
    return status.request?.approvals?.signed.some((name) => `${name}` === "ann") === true;
  });
  expect((await carol.status()).request?.words).toContain("ann signed; missing ben, cleo");
  expect((await mesh.control.nodes()).map(({ node }) => `${node.name}`)).not.toContain("carol");
});

test("the second signature admits it, while up waits", async (mesh) => {
  const { alice, carol } = mesh.nodes;
  const [, ben] = threeOf(mesh);
  const waiting = carol.service.run(["up"]);
  await ben.decide("sign", "--all");
  const said = await waiting;
  expect([said.exitCode, wordsOf(said)]).toEqual([0, expect.stringContaining("carol")]);
  await mesh.untilMeshed(alice, carol);
  const member = (await mesh.control.nodes()).find(({ node }) => `${node.name}` === "carol");
  assert(member !== undefined, "carol is a member");
  expect(fingerprintOf(member.node.key)).toMatch(/^[A-Z2-9-]+$/);
});

test("a machine that approvers turn down is told why, and stays out", async (mesh) => {
  const { dave } = mesh.nodes;
  const [ann] = threeOf(mesh);
  const token = await mesh.control.token();
  const waiting = dave.service.run(["up", "--token-file", "-"], { stdin: token });
  await dave.untilState("waiting");
  await ann.decide("reject", "dave", "--reason", "nobody knows this machine");
  const said = await waiting;
  expect(said.exitCode).toBe(77);
  expect(wordsOf(said)).toContain("nobody knows this machine");
  expect((await dave.status()).state).toBe("logged_out");
});

test("a revocation by two cuts a node off within two seconds", async (mesh) => {
  const { alice, bob, carol } = mesh.nodes;
  const [ann, ben] = threeOf(mesh);
  await mesh.untilMeshed(alice, bob, carol);
  const them = await carol.self();
  const [outcome] = await ann.outcomes("propose", "revoke-node", "carol");
  assert(outcome?.state === "pending", "one alone revokes nobody");
  const pings = await carol.host.startPing((await alice.self()).ipv4);
  const granted = await alice.host.capture(tunnelName, { filter: `dst host ${them.ipv4}` });
  const before = pings.received;
  await waitFor("captured pings to flow", () => pings.received > before + 20);
  const signedAtMs = Date.now();
  await ben.decide("sign", outcome.id);
  await carol.until("to know it", ({ reason }) => reason?.code === "revoked");
  await waitFor("alice to have no such peer", async () => {
    return !(await alice.tunnelPeers()).includes(them.ipv4);
  });
  const { received } = pings;
  const lines = pings.process.lines.length;
  await waitFor("a row of unanswered pings", () => pings.process.lines.length > lines + 20);
  expect(pings.received).toBe(received);
  await pings.stop();
  const packets = (await granted.stop()).of("icmp");
  const lastMs = Math.max(...packets.map(({ timestampMs }) => timestampMs));
  console.log(`  second signature to last packet: ${Math.round(lastMs - signedAtMs)} ms`);
  expect(packets.length).toBeGreaterThan(10);
  expect(lastMs - signedAtMs).toBeLessThan(cutOffMaxMs);
});

test("it stays out over restarts of everybody, and cannot ask its way back", async (mesh) => {
  const { alice, carol } = mesh.nodes;
  await mesh.control.service.kill();
  await Promise.all([alice.restart(), carol.restart()]);
  await mesh.control.start();
  await alice.untilConnected();
  const status = await carol.until("to be closed", ({ state }) => state === "closed");
  expect(status.reason?.code).toBe("revoked");
  expect(await carol.hasTunnel()).toBe(false);
  const again = await carol.service.run(["up", "--token-file", "-"], {
    stdin: await mesh.control.token(),
  });
  expect(again.exitCode).not.toBe(0);
  expect((await carol.status()).state).toBe("closed");
  expect(await carol.hasTunnel()).toBe(false);
});

test("a quarantined node reaches nobody, and is back after two signatures", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  const people = threeOf(mesh);
  const { ipv4 } = await bob.self();
  await decideTogether(people, "quarantine-node", "bob");
  const closed = await bob.until("to be closed", ({ state }) => state === "closed");
  expect(closed.tunnel).toBeNull();
  await waitFor("alice to have no such peer", async () => {
    return !(await alice.tunnelPeers()).includes(ipv4);
  });
  await decideTogether(people, "restore-node", "bob");
  await bob.untilState("running");
  await mesh.untilMeshed(alice, bob);
  expect(await alice.tunnelPeers()).toContain(ipv4);
});
