/**
 * A mesh over paths that lose what they carry by a rule and say nothing of it: packets that are too large, and
 * flows that were silent for a moment. Underneath there is IPv6 alone.
 */
import { expect } from "bun:test";
import type { Mesh } from "../e2e/mesh.ts";
import { onMesh } from "../e2e/mesh.ts";
import { exchangeTcp, openTcpEcho } from "../lab/traffic.ts";
import { waitFor } from "../lab/wait-for.ts";
import type { NodeHost } from "../e2e/node-host.ts";
import { heartbeatS } from "../../src/wire/map.ts";
import { requireGuest } from "./guest-only.ts";

requireGuest(import.meta.path);

/** The least that a tunnel of both families can have: 1 360 bytes with all that goes around it. */
const args = ["--mtu", "1280"];

/*
 *   control ──┬── alice
 *             ├── bob
 *             ├── carol (joins while alice's firewall forgets)
 *            wan, of IPv6 alone
 */
const { test } = onMesh("paths", {
  nodes: [
    { name: "alice", args },
    { name: "bob", args },
    { name: "carol", args, at: "daemon" },
  ],
  underlay: { ipv6: "2001:db8:1::/64" },
});
type Nodes = Mesh<"alice" | "bob" | "carol">;

const sentence = "what was sent is what arrives; ".repeat(400);

async function expectCarried(from: NodeHost, to: NodeHost): Promise<void> {
  const echo = await openTcpEcho(to.host);
  const { ipv4, ipv6 } = await to.self();
  for (const address of [ipv4, ipv6]) {
    const attempt = exchangeTcp(
      from.host,
      { address, port: echo.port },
      { text: sentence, timeoutMs: 30_000 },
    );
    expect(await attempt).toEqual({ isConnected: true, received: sentence, error: null });
  }
  await echo.process.stop();
}

test("a path that swallows datagrams of more than 1 400 bytes carries packets of every size", async (mesh: Nodes) => {
  const { alice, bob } = mesh.nodes;
  await mesh.untilReached(alice, bob);
  const hole = await mesh.wan.blackhole({ protocol: "udp", longerThanBytes: 1_400 });
  await expectCarried(alice, bob);
  const { ipv4 } = await bob.self();
  for (const sizeBytes of [56, 1_200, 1_300, 3_000]) {
    const { lost } = await alice.host.ping(ipv4, { count: 3, sizeBytes });
    expect({ sizeBytes, lost }).toEqual({ sizeBytes, lost: [] });
  }
  await hole.lift();
});

/** Lets nothing in but answers, and forgets what it waits for after 2 s. */
async function makeForgetful({ host }: NodeHost): Promise<void> {
  await host.nft(firewall);
  const names = [
    "udp_timeout",
    "udp_timeout_stream",
    "tcp_timeout_established",
    "tcp_timeout_time_wait",
  ];
  await host.sysctl(
    Object.fromEntries(names.map((name) => [`net.netfilter.nf_conntrack_${name}`, "2"])),
  );
  // Of flows that began before it waits for longer.
  await host.output(["/usr/sbin/conntrack", "-F"]);
}

const firewall = `table inet firewall {
  chain arriving {
    type filter hook input priority 10; policy drop
    iifname { "lo", "rustynet0" } accept
    # ICMPv6 by its number: the guest has no /etc/protocols.
    meta l4proto 58 accept
    ct state established,related accept
  }
}
`;

/** Waits for a moment at which the firewall has no flow of this protocol left. */
const untilForgotten = ({ host }: NodeHost, protocol: "udp" | "tcp"): Promise<string> =>
  waitFor(
    `alice's firewall to forget every flow of ${protocol}`,
    () => host.output(["/usr/sbin/conntrack", "-L", "-f", "ipv6", "-p", protocol]),
    { deadlineMs: 20_000, pollMs: 100, until: (flows) => flows.trim() === "" },
  );

test("a firewall that forgets every flow after 2 s lets a node's peers answer whenever it speaks", async (mesh: Nodes) => {
  const { alice, bob } = mesh.nodes;
  await makeForgetful(alice);
  for (let round = 0; round < 2; round++) {
    await untilForgotten(alice, "udp");
    const { lost } = await alice.host.ping((await bob.self()).ipv4, { count: 3 });
    expect(lost).toEqual([]);
  }
});

test("a change reaches a node whose firewall has forgotten the stream that it comes by", async (mesh: Nodes) => {
  const { alice, carol } = mesh.nodes;
  const token = await mesh.control.token({ owner: "sam" });
  await untilForgotten(alice, "tcp");
  await carol.up(token);
  // By the time at which a stream that tells nothing is given up.
  await mesh.untilReached(alice, carol, 4, 2 * 1_000 * heartbeatS);
});
