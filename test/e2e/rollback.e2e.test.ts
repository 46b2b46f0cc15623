/** What is older than what was verified is not believed: on a node's disk, from the server, and by people. */
import { expect } from "bun:test";
import { controlStateDir } from "./control-host.ts";
import { findingsOf } from "./interview.ts";
import { onMesh } from "./mesh.ts";
import { nodeStateDir, type NodeHost } from "./node-host.ts";
import { decideTogether, serverOf, threeWhoDecide } from "./quorum.ts";

/*
 *   control ──┬── alice
 *             ├── bob
 *             └── ann, ben, cleo, two of whom decide
 */
const { test } = onMesh("rollback", { nodes: [{ name: "alice" }, { name: "bob" }] });

/** Copies of what a node keeps, as a thief or a careless restore would put them back. */
const keep = (node: NodeHost, to: string) =>
  node.host.output(["/usr/bin/cp", "-a", nodeStateDir, to]);
const putBack = (node: NodeHost, from: string, ...names: readonly string[]) =>
  node.host.output(["/usr/bin/cp", "-a", ...names.map((name) => `${from}/${name}`), nodeStateDir]);

test("rollback attempt to older snapshot: the node is restricted, says what mends it, and that does", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  const people = await threeWhoDecide(mesh);
  await keep(bob, "/var/lib/older");
  const [proposed] = await people[0].outcomes("checkpoint");
  await people[1].decide("sign", proposed?.id ?? "");
  const { head } = await serverOf(mesh);
  await bob.until("to hold the checkpoint", ({ trust }) => trust?.epoch === head.epoch);
  await decideTogether(people, "rename-node", "alice", "alicia");
  await bob.until("to hold more", ({ trust }) => trust?.epoch === head.epoch + 1);
  await bob.service.stop();
  await keep(bob, "/var/lib/newer");
  await putBack(bob, "/var/lib/older", "membership.log", "membership.snapshot");
  await bob.start();
  const { reason } = await bob.untilState("restricted");
  expect(reason).toMatchObject({ code: "store_corrupt" });
  expect(reason?.remedy).toContain("restore the whole directory");
  const { ipv4 } = await alice.self();
  expect((await bob.host.run(["/usr/bin/ping", "-c1", "-W1", ipv4])).exitCode).not.toBe(0);
  expect((await bob.run("status")).exitCode).toBe(65);
  await bob.service.stop();
  await putBack(bob, "/var/lib/newer", "membership.log", "membership.snapshot");
  await bob.start();
  await mesh.untilMeshed(alice, bob);
});

for (const [what, spoil] of [
  [
    "a byte of its middle changed",
    ["/usr/bin/dd", "bs=1", "seek=400", "count=1", "conv=notrunc", "if=/dev/zero"],
  ],
  ["nothing left of it", ["/usr/bin/dd", "bs=1", "count=0"]],
] as const)
  test(`a log with ${what} is never read as valid: the node is restricted`, async (mesh) => {
    const { alice, bob } = mesh.nodes;
    await bob.service.stop();
    await bob.host.output(["/usr/bin/rm", "-rf", "/var/lib/whole"]);
    await keep(bob, "/var/lib/whole");
    await bob.host.output([...spoil, `of=${nodeStateDir}/membership.log`]);
    await bob.start();
    expect((await bob.untilState("restricted")).reason?.code).toBe("store_corrupt");
    await bob.service.stop();
    await putBack(bob, "/var/lib/whole", "membership.log");
    await bob.start();
    await mesh.untilMeshed(alice, bob);
  });

test("rollback of the server to an older log: nodes and people keep what they verified, and say so", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  const people = await threeWhoDecide(mesh);
  const { service, host } = mesh.control;
  await service.stop();
  await host.output(["/usr/bin/cp", "-a", controlStateDir, "/var/lib/backup"]);
  await mesh.control.start();
  await decideTogether(people, "rename-node", "alicia", "alice");
  const { head } = await serverOf(mesh);
  await alice.until("to follow", ({ trust }) => trust?.epoch === head.epoch);
  await service.stop();
  await host.output(["/usr/bin/mv", controlStateDir, "/var/lib/present"]);
  await host.output(["/usr/bin/cp", "-a", "/var/lib/backup", controlStateDir]);
  await mesh.control.start();
  const status = await alice.until(
    "to refuse the older log",
    (one) => findingsOf(one).includes("log is not the one that this node holds"),
    40_000,
  );
  expect([status.state, status.trust?.epoch]).toEqual(["running", head.epoch]);
  const person = await people[2].membership("status");
  expect([person.exitCode, person.stderr]).toEqual([77, expect.stringContaining("history_behind")]);
  await service.stop();
  await host.output(["/usr/bin/rm", "-r", controlStateDir]);
  await host.output(["/usr/bin/mv", "/var/lib/present", controlStateDir]);
  await mesh.control.start();
  await Promise.all(
    [alice, bob].map((node) => node.host.ip("address add 198.51.100.9/32 dev eth0")),
  );
  await alice.untilConnected(40_000);
  await mesh.untilMeshed(alice, bob);
});
