/** A lab leaves nothing behind, whether it is closed or its creator is killed, and never strays. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { Lab } from "./lab.ts";
import { creatorOf, isAlive, labName } from "./lab-id.ts";
import { readMachineNetwork } from "./machine.ts";
import {
  assertNotInRootNamespace,
  holdToNamespace,
  machineNamespaces,
  membersOf,
  namespaceOf,
} from "./namespaces.ts";
import { namespaceNames } from "./sweep.ts";
import { ipBatch } from "./tools.ts";
import { dual, pair } from "./topologies.ts";
import { waitFor } from "./wait-for.ts";

setDefaultTimeout(30_000);

let machineBefore: Awaited<ReturnType<typeof readMachineNetwork>>;
beforeAll(async () => {
  machineBefore = await readMachineNetwork();
});
afterAll(async () => {
  // The claim is about all tests of this file together.
  expect(await readMachineNetwork()).toEqual(machineBefore);
});

test("closing leaves no namespace, process, mount or folder", async () => {
  const lab = await Lab.open("closing", { graceMs: 100 });
  const { wan, alice } = await pair(lab);
  // One that left its parent, one that is deaf to SIGTERM, and a capture that nobody stopped.
  await alice.output(["/usr/bin/setsid", "--fork", "/usr/bin/sleep", "infinity"]);
  await alice.spawn(["/usr/bin/sh", "-c", "trap '' TERM; while :; do sleep 60; done"]);
  await alice.capture(wan);
  const stations = [wan.station, alice.station];
  const namespaces = new Set(stations.flatMap(({ net, mnt }) => [net, mnt]));
  expect(membersOf(namespaces).length).toBeGreaterThanOrEqual(5);
  expect(namespaceNames().filter((name) => name.includes(lab.id)).length).toBe(3);
  await lab.close();
  await lab.close();
  expect(membersOf(namespaces)).toEqual([]);
  expect(namespaceNames().filter((name) => name.includes(lab.id))).toEqual([]);
  expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(lab.id);
  expect(existsSync(lab.folder)).toBe(false);
  expect(lab.switch("late", dual)).rejects.toThrow("is closed");
});

const Abandoned = v.object({ id: v.string(), net: v.string(), mnt: v.string(), child: v.number() });

async function openElsewhere() {
  const script = join(import.meta.dir, "programs/abandoned-lab.ts");
  const creator = Bun.spawn([process.execPath, script], { stdin: "pipe", stdout: "pipe" });
  const { value } = await creator.stdout.getReader().read();
  const lab = v.parse(Abandoned, JSON.parse(new TextDecoder().decode(value)));
  return { creator, lab, namespaces: new Set([lab.net, lab.mnt]) };
}

const isPresent = (id: string): boolean =>
  namespaceNames().some((name) => name.includes(id)) || existsSync(join(tmpdir(), `rnlab-${id}`));

test("a lab whose creator was killed is removed by the next one", async () => {
  const { creator, lab, namespaces } = await openElsewhere();
  expect(isPresent(lab.id)).toBe(true);
  creator.kill("SIGKILL");
  await creator.exited;
  // What was started and did not detach itself is gone with its creator, and so are the holders.
  await waitFor("its programs to end", () => membersOf(namespaces).length <= 1);
  expect(namespaceOf(lab.child, "net")).toBeNull();
  await using _next = await Lab.open("next");
  expect(isPresent(lab.id)).toBe(false);
  expect(membersOf(namespaces)).toEqual([]);
});

test("a lab whose creator lives is left alone", async () => {
  const { creator, lab, namespaces } = await openElsewhere();
  const before = membersOf(namespaces).length;
  await (await Lab.open("neighbour")).close();
  expect(membersOf(namespaces).length).toBe(before);
  expect(isPresent(lab.id)).toBe(true);
  await creator.stdin.end();
  expect(await creator.exited).toBe(0);
  expect(isPresent(lab.id)).toBe(false);
});

test("a half-made lab of a dead creator is removed", async () => {
  await (await Lab.open("first")).close();
  const dead = Bun.spawn(["/usr/bin/true"]);
  await dead.exited;
  const id = `${dead.pid}-1-abcdef` as const;
  expect(creatorOf(labName(id)) !== null && isAlive({ pid: dead.pid, startTicks: 1 })).toBe(false);
  mkdirSync(join(tmpdir(), labName(id)));
  await ipBatch(null, [`netns add ${labName(id, "alice")}`]);
  await using _next = await Lab.open("next");
  expect(isPresent(id)).toBe(false);
});

test("a child outside of its host's namespace is killed, and the test fails", async () => {
  await using lab = await Lab.open("guard");
  const { alice, bob } = await pair(lab);
  const stray = Bun.spawn(["/usr/bin/sleep", "60"]);
  expect(() => assertNotInRootNamespace(stray.pid)).toThrow("the machine's own network");
  const held = holdToNamespace(stray, alice.station.net, 20);
  expect(held).rejects.toThrow("ran in the machine's own network");
  await stray.exited;
  expect(stray.signalCode).toBe("SIGKILL");

  const neighbour = await bob.spawn(["/usr/bin/sleep", "60"]);
  assertNotInRootNamespace(neighbour.pid);
  expect(namespaceOf(neighbour.pid, "net")).toBe(bob.station.net);
});

test("nothing is ever asked of the machine's own network", async () => {
  await using lab = await Lab.open("refusals");
  const { alice } = await pair(lab);
  expect(ipBatch(null, ["link add x type veth"])).rejects.toThrow("refused outside of a lab");
  expect(() => membersOf(machineNamespaces("net"))).toThrow("the machine's own namespace");
  expect(() => membersOf(machineNamespaces("mnt"))).toThrow("the machine's own namespace");
  expect(alice.sysctl({ "kernel.panic": "1" })).rejects.toThrow("not of a network namespace");
  const own = [namespaceOf("self", "net") ?? "", namespaceOf("self", "mnt") ?? ""];
  const hold = join(import.meta.dir, "programs/hold.sh");
  const holder = Bun.spawn(["/bin/sh", hold, ...own, "alice"], { stderr: "pipe", stdout: "pipe" });
  expect(await holder.exited).toBe(1);
  expect(await new Response(holder.stderr).text()).toContain("the machine's own namespaces");
});
