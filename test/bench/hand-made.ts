/** hand-made is the bare thing that the product is measured against: a tunnel made by people's own programs. */
import type { Host } from "../lab/host.ts";
import { waitFor } from "../lab/wait-for.ts";
import { ground } from "../e2e/ground.ts";

export const byHand = {
  interface: "hand0",
  port: 51_820,
  first: "10.99.0.1",
  second: "10.99.0.2",
} as const;

/** As a person would: a key on each side, an address and the route that comes with it; the tunnel is of the product's kind. */
export async function makeTunnelByHand(left: Host, right: Host): Promise<void> {
  const { interface: name, port } = byHand;
  const ends = [
    { host: left, address: byHand.first, file: "/run/hand.key" },
    { host: right, address: byHand.second, file: "/run/hand.key" },
  ];
  const publicKeys: string[] = [];
  for (const { host, file } of ends) {
    const key = (await host.output(["/usr/bin/wg", "genkey"])).trim();
    await host.writeFile(file, `${key}\n`);
    publicKeys.push((await host.output(["/usr/bin/wg", "pubkey"], { stdin: key })).trim());
    await makeDevice(host, name);
  }
  for (const [i, { host, address, file }] of ends.entries()) {
    const peer = ends[1 - i];
    const key = publicKeys[1 - i];
    if (peer === undefined || key === undefined) throw new Error("a tunnel has two ends");
    const settings = ["listen-port", String(port), "private-key", file, "peer", key];
    const place = ["allowed-ips", `${peer.address}/32`, "endpoint", `${peer.host.ipv4}:${port}`];
    await host.output(["/usr/bin/wg", "set", name, ...settings, ...place]);
    await host.ip(`address add ${address}/24 dev ${name}`, `link set dev ${name} mtu 1420 up`);
  }
}

async function makeDevice(host: Host, name: string): Promise<void> {
  if (ground.backend === "kernel") return host.ip(`link add ${name} type wireguard`);
  await host.spawn(["/usr/bin/wireguard-go", "-f", name]);
  await waitFor(
    `${name} to be there`,
    async () => (await host.run(["/usr/bin/wg", "show", name])).exitCode === 0,
  );
}

/** More peers, of whom nobody is there: each with a key and an address of its own. */
export async function addPeersByHand(host: Host, count: number): Promise<void> {
  const peers = Array.from({ length: count }, (_, i) => {
    const key = crypto.getRandomValues(new Uint8Array(32)).toBase64();
    return `[Peer]\nPublicKey = ${key}\nAllowedIPs = 10.98.${i >> 8}.${i & 255}/32\n`;
  });
  await host.writeFile("/run/peers.conf", peers.join(""));
  await host.output(["/usr/bin/wg", "addconf", byHand.interface, "/run/peers.conf"]);
  await host.ip(`route replace 10.98.0.0/16 dev ${byHand.interface}`);
}
