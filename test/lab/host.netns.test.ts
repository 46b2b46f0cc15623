/** A host runs programs in a world of its own, and what passes it is measured and recorded. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { iperf } from "./iperf.ts";
import { Lab } from "./lab.ts";
import { pair } from "./topologies.ts";
import { exchangeTcp, exchangeUdp, openTcpEcho, openUdpEcho } from "./traffic.ts";
import { waitFor } from "./wait-for.ts";

setDefaultTimeout(30_000);

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
  await alice.ping(bob.ipv4, { count: 2_000, intervalS: 0 });
  capture.process.kill("SIGCONT");
  expect((await capture.stop()).countByProtocol()).toEqual({ icmp: 4_000 });
});

test("a capture that lost packets is refused, unless that was expected", async () => {
  await using lab = await Lab.open("lossy");
  const { alice, bob } = await pair(lab);
  // A slot for each of the longest packets there are leaves room for a few hundred.
  const options = { filter: "icmp", snapBytes: 65_000 };
  const strict = await alice.capture("eth0", options);
  const lenient = await alice.capture("eth0", { ...options, mayLose: true });
  for (const { process } of [strict, lenient]) process.kill("SIGSTOP");
  await alice.ping(bob.ipv4, { count: 600, intervalS: 0 });
  for (const { process } of [strict, lenient]) process.kill("SIGCONT");
  expect(strict.stop()).rejects.toThrow(/lost \d+ of 1200 packets/);
  const { icmp = 0 } = (await lenient.stop()).countByProtocol();
  expect(icmp).toBeGreaterThan(0);
  expect(icmp).toBeLessThan(1_200);
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
