/** A node that hears nothing more closes by itself, in time, with or without its daemon. */
import { expect } from "bun:test";
import { waitFor } from "../lab/wait-for.ts";
import { dropsOf } from "./drops.ts";
import { onMesh, untilAnswered } from "./mesh.ts";

const holdS = 6;
/** From the last map: what the lease may be longer than the hold time, and the row of pings. */
const closedMaxMs = (holdS + 3) * 1_000;

/*
 *   control ──┬── alice   (holds a map for 6 s)
 *             └── bob     (holds it for a day, as usual)
 */
const { test } = onMesh("hold", {
  nodes: [{ name: "alice", args: ["--hold-seconds", String(holdS)] }, { name: "bob" }],
});

test("without a control server the node closes when its time is up, and says so", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  await mesh.untilReached(bob, alice);
  const { ipv4 } = await alice.self();
  const pings = await bob.host.startPing(ipv4);
  await mesh.control.service.kill();
  const lastMapMs = ((await alice.status()).trust?.signedAt ?? 0) * 1_000;
  const status = await alice.untilState("closed", closedMaxMs);
  expect(status.reason).toMatchObject({ code: "hold_expired" });
  expect(status.tunnel?.leaseS).toBe(0);
  // Not before its time either: a short outage closes nobody.
  expect(Date.now() - lastMapMs).toBeGreaterThan((holdS - 1) * 1_000);
  const before = pings.process.lines.length;
  await waitFor("a row of unanswered pings", () => pings.process.lines.length > before + 20);
  const seen = pings.received;
  await waitFor("more unanswered pings", () => pings.process.lines.length > before + 40);
  expect(pings.received).toBe(seen);
  await pings.stop();
  // Out of it nothing goes either.
  const dropped = await dropsOf(alice, "lease_expired");
  await alice.host.run(["/usr/bin/ping", "-c1", "-W1", (await bob.self()).ipv4]);
  expect(await dropsOf(alice, "lease_expired")).toBeGreaterThan(dropped);
  const told = await alice.run("status");
  expect(told.exitCode).not.toBe(0);
  expect(told.stdout + told.stderr).toContain("hold time");
});

test("it opens again when the control server is back", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  await mesh.control.start();
  await alice.until("to run again", ({ state }) => state === "running", 40_000);
  await untilAnswered(bob.host, (await alice.self()).ipv4);
});

test("the kernel closes it in time when the daemon is gone as well", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  const { ipv4 } = await alice.self();
  // A fresh map, and then nobody who could count.
  await alice.restart();
  await alice.untilConnected(40_000);
  await untilAnswered(bob.host, ipv4);
  const pings = await bob.host.startPing(ipv4);
  await alice.service.kill();
  await mesh.control.service.kill();
  const killedMs = performance.now();
  let last = { received: 0, lines: 0 };
  await waitFor(
    "a row of unanswered pings",
    () => {
      const now = { received: pings.received, lines: pings.process.lines.length };
      if (now.received !== last.received) last = now;
      return now.lines - last.lines > 20;
    },
    { deadlineMs: closedMaxMs, pollMs: 20 },
  );
  console.log(
    `  closed by the kernel ${Math.round(performance.now() - killedMs)} ms after the kill`,
  );
  expect(await alice.hasTunnel()).toBe(true);
  await pings.stop();
  // A daemon that starts now knows that its map is too old.
  await alice.start();
  await alice.untilState("closed");
  expect((await bob.host.ping(ipv4, { timeoutS: 1 })).received).toBe(0);
  await mesh.control.start();
  await alice.until("to run again", ({ state }) => state === "running", 40_000);
  await untilAnswered(bob.host, ipv4);
});
