/** icmp-echo against the kernel: answers, silence, refusals, and both kinds of socket. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { sendEcho } from "../../src/kernel/icmp-echo.ts";
import { isInPrivateNamespace, run } from "../support/private-namespace.ts";

const ipv4 = (text: string) => Uint8Array.from(text.split("."), Number);
const ipv6Loopback = Uint8Array.of(...Array<number>(15).fill(0), 1);
const send = (address: Uint8Array, timeoutMs = 5_000) =>
  sendEcho({ address, identifier: 0x1234, sequence: 1, timeoutMs });

const allowUsers = (range: string) => writeFileSync("/proc/sys/net/ipv4/ping_group_range", range);

if (isInPrivateNamespace(import.meta.path)) {
  test.each([
    ["a raw socket", "1 0"],
    ["a ping socket", "0 2147483647"],
  ])("over %s both kinds of IP are answered", async (_, range) => {
    allowUsers(range);
    for (const address of [ipv4("127.0.0.1"), ipv6Loopback]) {
      const outcome = await send(address);
      expect(outcome.kind).toBe("answered");
      if (outcome.kind === "answered") expect(outcome.roundTripUs).toBeGreaterThan(0);
    }
  });

  test.each([
    ["a raw socket", "1 0"],
    ["a ping socket", "0 2147483647"],
  ])("over %s silence is a timeout, and a refusal is told in words", async (_, range) => {
    allowUsers(range);
    // This host takes packets to 198.51.100.0/24 for itself, and a filter eats the answers.
    run("/sbin/ip", "route", "replace", "local", "198.51.100.0/24", "dev", "lo");
    run(
      "/usr/sbin/nft",
      "add table ip t; add chain ip t in { type filter hook input priority 0; }",
    );
    run("/usr/sbin/nft", "add rule ip t in ip daddr 198.51.100.9 drop");
    expect(await send(ipv4("198.51.100.9"), 50)).toEqual({ kind: "timeout" });
    run("/usr/sbin/nft", "delete table ip t");

    expect(await send(ipv4("203.0.113.1"))).toEqual({
      kind: "unreachable",
      why: "there is no route to the address",
    });
  });

  test("a packet that the host's own filter drops is told from one that is lost", async () => {
    run(
      "/usr/sbin/nft",
      "add table ip t; add chain ip t out { type filter hook output priority 0; }",
    );
    run("/usr/sbin/nft", "add rule ip t out ip daddr 127.0.0.2 drop");
    expect(await send(ipv4("127.0.0.2"))).toEqual({
      kind: "unreachable",
      why: "the packet filter of this host drops it",
    });
    run("/usr/sbin/nft", "delete table ip t");
  });

  test("a user who may open neither kind of socket is told what would let him", async () => {
    allowUsers("1 0");
    const program = `
      const { sendEcho } = await import(${JSON.stringify(`${import.meta.dir}/../../src/kernel/icmp-echo.ts`)});
      const request = { address: Uint8Array.of(127, 0, 0, 1), identifier: 1, sequence: 1, timeoutMs: 1 };
      await sendEcho(request).catch((fault) => console.log(fault.code, fault.remedy));`;
    const drop = ["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all"];
    const said = run("/usr/bin/setpriv", ...drop, process.execPath, "-e", program);
    expect(said).toStartWith("permission_denied run it as root, or let every user");
  });
}
