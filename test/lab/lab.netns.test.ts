/** A lab carries real packets: over switches, through routers, and not where it was told not to. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { Lab } from "./lab.ts";
import { readMachineNetwork } from "./machine.ts";
import { dual, inner, natted, pair } from "./topologies.ts";
import { exchangeTcp, exchangeUdp, openTcpEcho, openUdpEcho } from "./traffic.ts";

setDefaultTimeout(30_000);

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
  const ofLong = await wan.blackhole({ longerThanBytes: 700 });
  const sized = async (sizeBytes: number): Promise<number> =>
    (await alice.ping(bob.ipv4, { sizeBytes, timeoutS: 0.1 })).received;
  // With 28 bytes of headers.
  expect([await sized(672), await sized(673)]).toEqual([1, 0]);
  await ofLong.lift();
  expect(await answered(shut.port)).toBe(true);
  expect(await alice.ping(bob.ipv6)).toMatchObject({ received: 1 });
});

test("the description names every switch, host and address", async () => {
  await using lab = await Lab.open("drawn");
  const { inside1, server1 } = await natted(lab, "symmetric");
  const text = lab.describe();
  for (const word of ["wan", "lan", "symmetric", inside1.ipv4, server1.ipv6, lab.id]) {
    expect(text).toContain(word);
  }
});
