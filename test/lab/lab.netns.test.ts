/** The lab does what its tests will rely on: real packets between namespaces, and nothing left behind. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import type { Host } from "./host.ts";
import { iperf } from "./iperf.ts";
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
import type { Switch } from "./switch.ts";
import { ipBatch } from "./tools.ts";
import { exchangeTcp, exchangeUdp, openTcpEcho, openUdpEcho } from "./traffic.ts";
import { waitFor } from "./wait-for.ts";

setDefaultTimeout(30_000);

const dual = { ipv4: "192.0.2.0/24", ipv6: "2001:db8:1::/64" };
const inner = { ipv4: "10.1.0.0/24", ipv6: "fd00:1::/64" };

/*
 *   alice ──┬── bob
 *          wan
 */
async function pair(lab: Lab, prefixes = dual): Promise<{ wan: Switch; alice: Host; bob: Host }> {
  const wan = await lab.switch("wan", prefixes);
  const alice = await lab.host("alice", { on: [wan] });
  const bob = await lab.host("bob", { on: [wan] });
  return { wan, alice, bob };
}

let machineBefore: Awaited<ReturnType<typeof readMachineNetwork>>;
beforeAll(async () => {
  machineBefore = await readMachineNetwork();
});
afterAll(async () => {
  // The claim is about all tests of this file together.
  expect(await readMachineNetwork()).toEqual(machineBefore);
});

test("two hosts reach each other by both families at once", async () => {
  await using lab = await Lab.open("pair");
  const { alice, bob } = await pair(lab);
  expect([alice.ipv4, bob.ipv4]).toEqual(["192.0.2.2", "192.0.2.3"] as never[]);
  expect([alice.ipv6, bob.ipv6]).toEqual(["2001:db8:1::2", "2001:db8:1::3"] as never[]);
  expect(await alice.ping(bob.ipv4, { count: 3 })).toMatchObject({ sent: 3, lost: [] });
  expect(await bob.ping(alice.ipv6, { count: 3 })).toMatchObject({ sent: 3, lost: [] });
});

test("hosts of one family have no address of the other", async () => {
  await using lab = await Lab.open("single");
  const six = await lab.switch("six", { ipv6: "2001:db8:6::/64" });
  const [alice, bob] = await lab.hosts(["alice", "bob"], { on: [six] });
  expect(await alice?.ping(bob?.ipv6 ?? "")).toMatchObject({ received: 1 });
  expect(() => alice?.ipv4).toThrow("alice has no IPv4 address");
  expect(await alice?.output(["/usr/bin/ip", "-4", "address", "show", "dev", "eth0"])).toBe("");
});

test("three labs side by side do not meet, though all their names and addresses are equal", async () => {
  const labs = await Promise.all(["a", "b", "c"].map((name) => Lab.open(name)));
  const pairs = await Promise.all(labs.map((lab) => pair(lab)));
  const servers = await Promise.all(pairs.map(({ bob }) => openTcpEcho(bob, { port: 7 })));
  await Promise.all(
    pairs.map(({ alice, bob }) => exchangeTcp(alice, { address: bob.ipv4, port: 7 })),
  );
  expect(servers.map((server) => server.peers().length)).toEqual([1, 1, 1]);
  await labs[0]?.close();
  expect(await pairs[1]?.alice.ping("192.0.2.3")).toMatchObject({ received: 1 });
  await Promise.all(labs.map((lab) => lab.close()));
});

test("a hundred hosts are made in one call", async () => {
  await using lab = await Lab.open("many");
  const wan = await lab.switch("wan", dual);
  const names = Array.from({ length: 100 }, (_, i) => `n${i}`);
  const hosts = await lab.hosts(names, { on: [wan] });
  expect(hosts.map(({ ipv4 }) => String(ipv4)).at(-1)).toBe("192.0.2.101");
  const next = (i: number): string => hosts[(i + 1) % hosts.length]?.ipv4 ?? "";
  const pings = await Promise.all(hosts.map((host, i) => host.ping(next(i))));
  expect(pings.filter(({ received }) => received !== 1)).toEqual([]);
});

/*
 *   inside1 ──┬── nat ──┬── server1
 *   inside2 ──┤         ├── server2
 *            lan       wan
 */
async function natted(lab: Lab, nat: "port-restricted" | "symmetric") {
  const wan = await lab.switch("wan", dual);
  const lan = await lab.switch("lan", inner);
  const router = await lab.router("nat", { inside: lan, outside: wan, nat });
  const [inside1, inside2] = await lab.hosts(["inside1", "inside2"], { on: [lan] });
  const [server1, server2] = await lab.hosts(["server1", "server2"], { on: [wan] });
  if (!inside1 || !inside2 || !server1 || !server2) throw new Error("a host for each name");
  return { wan, lan, router, inside1, inside2, server1, server2 };
}

test("behind a translating router the capture shows the router's address and no other", async () => {
  await using lab = await Lab.open("nat");
  const { wan, router, inside1, server1 } = await natted(lab, "port-restricted");
  const capture = await server1.capture(wan, { filter: "icmp or icmp6" });
  expect(await inside1.ping(server1.ipv4, { count: 2 })).toMatchObject({ lost: [] });
  expect(await inside1.ping(server1.ipv6, { count: 2 })).toMatchObject({ lost: [] });
  const packets = await capture.stop();
  const requests = packets.where(
    ({ transport }) =>
      (transport?.kind === "icmp" && transport.type === 8) ||
      (transport?.kind === "icmpv6" && transport.type === 128),
  );
  const { ipv4, ipv6 } = router.on(wan);
  expect(requests.all.map(({ ip }) => ip?.source)).toEqual([ipv4, ipv4, ipv6, ipv6] as never[]);
});

test.each([
  { nat: "port-restricted", isSame: true },
  { nat: "symmetric", isSame: false },
] as const)("a $nat router maps one socket to one port: $isSame", async ({ nat, isSame }) => {
  await using lab = await Lab.open("mapping");
  const { inside1, server1, server2, router, wan } = await natted(lab, nat);
  const [echo1, echo2] = [await openUdpEcho(server1), await openUdpEcho(server2)];
  const attempt = await exchangeUdp(inside1, [
    { address: server1.ipv4, port: echo1.port },
    { address: server2.ipv4, port: echo2.port },
  ]);
  expect(attempt.answers.length).toBe(2);
  const [seen1, seen2] = [echo1.peers()[0], echo2.peers()[0]];
  expect([seen1?.from, seen2?.from]).toEqual([router.on(wan).ipv4, router.on(wan).ipv4] as never[]);
  expect(seen1?.port === seen2?.port).toBe(isSame);
});

test("a translating router lets in nothing but answers", async () => {
  await using lab = await Lab.open("closed");
  const { inside1, server1, router, wan } = await natted(lab, "port-restricted");
  const echo = await openUdpEcho(inside1, { port: 4_000 });
  // A neighbour that knows the inner prefix sends there by the router.
  await server1.ip(`route add ${inner.ipv4} via ${router.on(wan).ipv4}`);
  const to = { address: inside1.ipv4, port: 4_000 };
  expect((await exchangeUdp(server1, [to], { timeoutMs: 200 })).answers).toEqual([]);
  expect(echo.peers()).toEqual([]);
});

/*
 *   alice ──── left ──── router ──── right ──── bob
 */
test("a plain router carries both ways without translating", async () => {
  await using lab = await Lab.open("plain");
  const left = await lab.switch("left", inner);
  const right = await lab.switch("right", dual);
  await lab.router("router", { inside: left, outside: right });
  const alice = await lab.host("alice", { on: [left] });
  const bob = await lab.host("bob", { on: [right] });
  const capture = await bob.capture(right, { filter: "icmp" });
  expect(await alice.ping(bob.ipv4)).toMatchObject({ received: 1 });
  expect(await bob.ping(alice.ipv6)).toMatchObject({ received: 1 });
  expect((await capture.stop()).all[0]?.ip?.source).toBe(alice.ipv4);
});

test("a router that comes after its hosts is refused", async () => {
  await using lab = await Lab.open("late");
  const { wan } = await pair(lab);
  const lan = await lab.switch("lan", inner);
  const made = lab.router("nat", { inside: wan, outside: lan, nat: "symmetric" });
  expect(made).rejects.toThrow("make nat before them");
});

test("a pulled plug loses packets, and with the plug all is as before", async () => {
  await using lab = await Lab.open("plug");
  const { alice, bob } = await pair(lab);
  await alice.linkDown();
  const carrier = async (): Promise<string> => alice.readFile("/sys/class/net/eth0/carrier");
  expect(await carrier()).toBe("0\n");
  expect(await bob.ping(alice.ipv4, { timeoutS: 0.1 })).toMatchObject({ lost: [1] });
  await alice.linkUp();
  expect(await bob.ping(alice.ipv4)).toMatchObject({ lost: [] });
  expect(await alice.ping(bob.ipv6)).toMatchObject({ lost: [] });
});

test("a host that moves has its new address and not its old one", async () => {
  await using lab = await Lab.open("roaming");
  const { wan, alice, bob } = await pair(lab);
  const cafe = await lab.switch("cafe", { ipv4: "198.51.100.0/24", ipv6: "2001:db8:2::/64" });
  const carol = await lab.host("carol", { on: [cafe] });
  const index = await alice.readFile("/sys/class/net/eth0/ifindex");
  await alice.move(cafe);
  expect(alice.ipv4).toBe("198.51.100.3" as never);
  expect(await alice.ping(carol.ipv4)).toMatchObject({ received: 1 });
  expect(await alice.ping(carol.ipv6)).toMatchObject({ received: 1 });
  expect((await alice.run(["/usr/bin/ping", "-c1", "-W1", bob.ipv4])).exitCode).not.toBe(0);
  expect(await alice.readFile("/sys/class/net/eth0/ifindex")).toBe(index);
  expect(await alice.output(["/usr/bin/ip", "address"])).not.toContain("192.0.2.");
  await alice.move(wan);
  expect(await alice.ping(bob.ipv6)).toMatchObject({ received: 1 });
});

test("a black hole swallows what it names until it is lifted", async () => {
  await using lab = await Lab.open("hole");
  const { wan, alice, bob } = await pair(lab);
  const [open, shut] = [await openUdpEcho(bob), await openUdpEcho(bob)];
  const answered = async (port: number): Promise<boolean> => {
    const to = { address: bob.ipv4, port };
    return (await exchangeUdp(alice, [to], { timeoutMs: 200 })).answers.length === 1;
  };
  const ofPort = await wan.blackhole({ port: shut.port, protocol: "udp" });
  expect([await answered(open.port), await answered(shut.port)]).toEqual([true, false]);
  const ofPair = await wan.blackhole({ between: [alice.ipv6, bob.ipv6] });
  expect(await alice.ping(bob.ipv6, { timeoutS: 0.1 })).toMatchObject({ received: 0 });
  expect(await alice.ping(bob.ipv4)).toMatchObject({ received: 1 });
  await ofPort.lift();
  await ofPair.lift();
  expect(await answered(shut.port)).toBe(true);
  expect(await alice.ping(bob.ipv6)).toMatchObject({ received: 1 });
});

test("a running ping names the packets that were lost, and none when none was", async () => {
  await using lab = await Lab.open("loss");
  const { wan, alice, bob } = await pair(lab);
  const whole = await alice.startPing(bob.ipv4, { intervalS: 0.005 });
  await waitFor("twenty answers", () => whole.received >= 20);
  expect((await whole.stop()).lost).toEqual([]);

  const cut = await alice.startPing(bob.ipv4, { intervalS: 0.005 });
  const hole = await wan.blackhole({ host: "bob" });
  await cut.process.waitForLine("no answer yet");
  await hole.lift();
  const soFar = cut.received;
  await waitFor("answers after the hole", () => cut.received > soFar);
  const { sent, received, lost } = await cut.stop();
  expect(lost.length).toBeGreaterThan(0);
  expect(sent - received - lost.length).toBeLessThanOrEqual(1);
});

test("a capture holds every packet that passed before it was stopped", async () => {
  await using lab = await Lab.open("capture");
  const { wan, alice, bob } = await pair(lab);
  const count = 300;
  const onHost = await alice.capture("eth0", { filter: "icmp" });
  expect(await alice.ping(bob.ipv4, { count, intervalS: 0 })).toMatchObject({ lost: [] });
  expect((await onHost.stop()).countByProtocol()).toEqual({ icmp: 2 * count });
  const onSwitch = await wan.capture({ filter: "icmp" });
  await alice.ping(bob.ipv4, { count: 3 });
  // The switch sees each frame as it comes in and nothing twice.
  expect((await onSwitch.stop()).countByProtocol()).toEqual({ icmp: 6 });
});

test("a capture that lags behind reads to the end before it stops", async () => {
  await using lab = await Lab.open("lag");
  const { alice, bob } = await pair(lab);
  const capture = await alice.capture("eth0", { filter: "icmp" });
  capture.process.kill("SIGSTOP");
  await alice.ping(bob.ipv4, { count: 100, intervalS: 0 });
  capture.process.kill("SIGCONT");
  expect((await capture.stop()).countByProtocol()).toEqual({ icmp: 200 });
});

test("a capture shows ports, payloads and byte strings of real traffic", async () => {
  await using lab = await Lab.open("payload");
  const { wan, alice, bob } = await pair(lab);
  const [tcp, udp] = [await openTcpEcho(bob), await openUdpEcho(bob)];
  const capture = await bob.capture(wan);
  await exchangeTcp(alice, { address: bob.ipv6, port: tcp.port }, { text: "over tcp" });
  await exchangeUdp(alice, [{ address: bob.ipv4, port: udp.port }], { text: "over udp" });
  const packets = await capture.stop();
  expect(packets.udpPayloadsTo(udp.port).map(String)).toEqual(["over udp"]);
  expect(packets.containing("over tcp").length).toBeGreaterThanOrEqual(2);
  expect(packets.containing("never sent")).toEqual([]);
  const [segment] = packets.of("tcp");
  expect(segment?.ip?.version).toBe(6);
  expect(segment?.transport.destinationPort).toBe(tcp.port);
  expect(segment?.transport.flags).toBe(2);
});

test("a host has its own name, files and environment", async () => {
  await using lab = await Lab.open("private");
  const { alice, bob } = await pair(lab);
  const machineResolver = readFileSync("/etc/resolv.conf", "utf8");
  expect(await alice.output(["/usr/bin/hostname"])).toBe("alice\n");
  expect(await alice.readFile("/proc/self/environ")).toBe("");
  expect(await alice.readFile("/etc/resolv.conf")).not.toContain("nameserver");
  // As resolver daemons do it: a new file renamed over the old one.
  await alice.writeFile("/etc/resolv.conf.new", "nameserver 192.0.2.9\n");
  await alice.output(["/usr/bin/mv", "/etc/resolv.conf.new", "/etc/resolv.conf"]);
  expect(await alice.readFile("/etc/resolv.conf")).toBe("nameserver 192.0.2.9\n");
  expect(await bob.readFile("/etc/resolv.conf")).not.toContain("nameserver");
  const paths = ["/var/run/x", "/var/lib/rustynet/x", "/etc/rustynet/x", "/usr/local/bin/rnlab-x"];
  for (const path of paths) {
    await alice.writeFile(path, "mine");
    expect((await bob.run(["/usr/bin/test", "-e", path])).exitCode).toBe(1);
    expect(existsSync(path)).toBe(false);
  }
  expect(readFileSync("/etc/resolv.conf", "utf8")).toBe(machineResolver);
  expect(hostname()).not.toBe("alice");
});

test("this process reaches a Unix socket of a host by its path", async () => {
  await using lab = await Lab.open("socket");
  const { alice } = await pair(lab);
  const script =
    'Bun.listen({ unix: "/run/s", socket: { open: (s) => void s.write("hello"), data() {} } })';
  await alice.spawn([process.execPath, "-e", script]);
  const path = alice.socketPath("/run/s");
  await waitFor("the socket", () => existsSync(path));
  const greeting = new Promise((done) => createConnection(path).once("data", done));
  expect(String(await greeting)).toBe("hello");
});

test("a program may run as another user with one capability", async () => {
  await using lab = await Lab.open("user");
  const { alice } = await pair(lab);
  const as = { uid: 65_534, gid: 65_534, capabilities: ["net_admin"] };
  const add = ["/usr/bin/ip", "route", "add", "203.0.113.0/24", "via", "192.0.2.3"];
  expect(await alice.run(add, { as: { ...as, capabilities: [] } })).toMatchObject({ exitCode: 2 });
  expect(await alice.run(add, { as })).toMatchObject({ exitCode: 0 });
  expect((await alice.run(["/usr/bin/cat", "/etc/shadow"], { as })).exitCode).toBe(1);
});

test("run takes input, tells the outcome, and kills what takes too long", async () => {
  await using lab = await Lab.open("run");
  const { alice } = await pair(lab);
  expect(await alice.output(["/usr/bin/cat"], { stdin: "text" })).toBe("text");
  expect(await alice.output(["/usr/bin/printenv"], { env: { A: "1" } })).toBe("A=1\n");
  const failed = await alice.run(["/usr/bin/ls", "/absent"]);
  expect(failed).toMatchObject({ exitCode: 2, stdout: "" });
  expect(alice.output(["/usr/bin/ls", "/absent"])).rejects.toThrow("cannot access '/absent'");
  const slow = alice.run(["/usr/bin/sleep", "60"], { timeoutMs: 50 });
  expect(slow).rejects.toThrow("sleep 60 on alice took over 50 ms");
  await slow.catch(() => {});
  expect(alice.run(["sleep", "1"])).rejects.toThrow("absolute path");
});

test("output arrives line by line, in the log file too, and a missing line says what came", async () => {
  await using lab = await Lab.open("lines");
  const { alice } = await pair(lab);
  const logFile = join(lab.folder, "alice.log");
  const echo = await alice.spawn(["/usr/bin/printf", "one\\ntwo\\nend"], { logFile });
  expect(await echo.waitForLine(/^tw/)).toEqual({ stream: "stdout", text: "two" });
  expect(await echo.waitForLine("end")).toEqual({ stream: "stdout", text: "end" });
  expect(echo.waitForLine("three")).rejects.toThrow(/ended without .*three[^]*stdout: two/);
  expect(await echo.finished()).toMatchObject({ exitCode: 0, signal: null });
  expect(readFileSync(logFile, "utf8")).toBe("one\ntwo\nend");
  const sleeping = await alice.spawn(["/usr/bin/sleep", "60"]);
  expect(await sleeping.stop()).toMatchObject({ exitCode: null, signal: "SIGTERM" });
});

test("iperf3 gives figures for both protocols", async () => {
  await using lab = await Lab.open("iperf");
  const { alice, bob } = await pair(lab);
  expect((await iperf(alice, bob, bob.ipv4)).bitsPerSecond).toBeGreaterThan(1e6);
  const udp = await iperf(alice, bob, bob.ipv6, { udpBitsPerSecond: 1e6 });
  expect(udp.lostPercent).toBe(0);
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

test("the description names every switch, host and address", async () => {
  await using lab = await Lab.open("drawn");
  const { inside1, server1 } = await natted(lab, "symmetric");
  const text = lab.describe();
  for (const word of ["wan", "lan", "symmetric", inside1.ipv4, server1.ipv6, lab.id]) {
    expect(text).toContain(word);
  }
});
