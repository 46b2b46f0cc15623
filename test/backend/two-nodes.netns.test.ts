/**
 * Two tunnel ends in two network namespaces find each other and carry packets of both families:
 *
 *   rna: tunnel 100.64.0.1, fd00::1 ─ va 192.0.2.1 ═══ vb 192.0.2.2 ─ tunnel 100.64.0.2, fd00::2 :rnb
 */
import { expect, test } from "bun:test";
import { Secret } from "../../src/base/secret.ts";
import { tunnelKeyOf } from "../../src/backend/wireguard/tunnel-key.ts";
import { isInPrivateNamespace, run } from "../support/private-namespace.ts";

const ip = (...words: string[]) => run("/sbin/ip", ...words);
const secrets = { a: "a1".repeat(32), b: "b2".repeat(32) };
const keyOf = (hex: string) => tunnelKeyOf(new Secret(Uint8Array.fromHex(hex)));

function joinTwoHosts(): void {
  ip("netns", "add", "rna");
  ip("netns", "add", "rnb");
  ip("link", "add", "va", "netns", "rna", "type", "veth", "peer", "name", "vb", "netns", "rnb");
  for (const [space, link, host] of [
    ["rna", "va", "1"],
    ["rnb", "vb", "2"],
  ] as const) {
    ip("-n", space, "address", "add", `192.0.2.${host}/24`, "dev", link);
    ip("-n", space, "address", "add", `2001:db8::${host}/64`, "dev", link, "nodad");
    ip("-n", space, "link", "set", link, "up");
  }
}

type Side = { readonly space: string; readonly link: string; readonly secret: string };

/** A node that runs in a namespace, and answers what it observes of its peer. */
async function startNode(
  { space, link, secret }: Side,
  addresses: readonly string[],
  peer: { readonly key: string; readonly endpoint: string; readonly addresses: readonly string[] },
) {
  const program = `${import.meta.dir}/tunnel-node.ts`;
  const setup = JSON.stringify({ interface: link, secret, addresses, peer });
  const argv = ["/sbin/ip", "netns", "exec", space, process.execPath, program, setup];
  const child = Bun.spawn(argv, { env: {}, stdio: ["pipe", "pipe", "inherit"] });
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  expect((await lines.read()).value?.trim()).toBe("ready");
  return {
    async observe(): Promise<unknown> {
      await child.stdin.write("observe\n");
      await child.stdin.flush();
      return JSON.parse((await lines.read()).value ?? "");
    },
    async stop() {
      await child.stdin.end();
      return await child.exited;
    },
  };
}

if (isInPrivateNamespace(import.meta.path)) {
  test.each([
    ["IPv4", "192.0.2.1:51820", "192.0.2.2:51820"],
    ["IPv6", "[2001:db8::1]:51820", "[2001:db8::2]:51820"],
  ])("two nodes shake hands over %s and packets pass both ways", async (_name, endA, endB) => {
    joinTwoHosts();
    const [ofA, ofB] = [
      ["100.64.0.1", "fd00::1"],
      ["100.64.0.2", "fd00::2"],
    ];
    const a = await startNode({ space: "rna", link: "rna0", secret: secrets.a }, ofA, {
      key: keyOf(secrets.b),
      endpoint: endB,
      addresses: ofB,
    });
    const b = await startNode({ space: "rnb", link: "rnb0", secret: secrets.b }, ofB, {
      key: keyOf(secrets.a),
      endpoint: endA,
      addresses: ofA,
    });
    for (const [space, address] of [
      ["rna", "100.64.0.2"],
      ["rna", "fd00::2"],
      ["rnb", "100.64.0.1"],
      ["rnb", "fd00::1"],
    ] as const)
      ip("netns", "exec", space, "/bin/ping", "-c", "1", "-W", "10", address);
    expect(await a.observe()).toMatchObject({
      endpoint: endB,
      lastHandshakeS: expect.any(Number),
      receivedBytes: expect.any(Number),
    });
    expect(await b.observe()).toMatchObject({ endpoint: endA, lastHandshakeS: expect.any(Number) });
    expect([await a.stop(), await b.stop()]).toEqual([0, 0]);
    for (const space of ["rna", "rnb"]) {
      expect(ip("-n", space, "link")).not.toContain(`${space}0`);
      ip("netns", "delete", space);
    }
  });
}
