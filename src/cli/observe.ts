/** observe: the commands that tell how this host and its peers stand. */
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import { version } from "../base/version.ts";
import { IpAddress } from "../model/ip.ts";
import type { Finding, PeerReport, Status } from "../wire/local-api.ts";
import { type DaemonClient, daemonOption, openDaemonClient } from "./client.ts";
import { defineCommand } from "./command.ts";
import { exitOf, faultOf } from "./connect.ts";
import { peerNamed } from "./node-reference.ts";
import { renderPeer, renderPeers, renderStatus } from "./status-text.ts";
import { quoted } from "./text.ts";

export const status = defineCommand({
  summary: "Show how this host stands in its network",
  details: [
    "Exits with 0 only when the host is up and running. --check says nothing on standard output:",
    "live asks whether the daemon answers, ready whether the host is up and running.",
  ],
  args: {
    check: {
      type: "enum",
      options: ["live", "ready"],
      description: "Only exit with 0 or not",
    },
    ...daemonOption,
  },
  run: async ({ check, socket }, context) => {
    const found = await openDaemonClient(socket)("status", {});
    const isRunning = found.state === "running";
    const exit = isRunning || check === "live" ? 0 : exitOf(found.reason);
    if (check !== undefined) {
      if (exit !== 0) throw faultOf(found.reason ?? notRunning(found));
      return { document: { check, state: found.state } };
    }
    const findings = [...found.findings, ...versionFindings(found)];
    const document = { ...found, findings };
    return { document, lines: renderStatus(document, context.clock.nowS()), exit };
  },
});

export const notRunning = ({ state }: Status): Finding => ({
  code: "unavailable",
  message: `the daemon is ${state}`,
  remedy: "rustynet status",
});

/** Daemon and command are one file, but an upgrade replaces the file and not the running daemon. */
function versionFindings(found: Status): readonly Finding[] {
  if (found.version === version) return [];
  return [
    {
      code: "version_differs",
      message: `the daemon is version ${found.version}, this program is ${version}`,
      remedy: "systemctl restart rustynet",
    },
  ];
}

export const peers = defineCommand({
  summary: "List the other nodes, and how they are reached",
  args: daemonOption,
  run: async ({ socket }, context) => {
    const found = await openDaemonClient(socket)("status", {});
    return {
      document: { peers: found.peers },
      lines: renderPeers(found.peers, context.clock.nowS()),
    };
  },
});

export const whois = defineCommand({
  summary: "Say whose address it is",
  args: {
    ip: { type: "positional", description: "An address inside the network" },
    ...daemonOption,
  },
  run: async (given, context) => {
    const ip = parseIp(given.ip);
    const call = openDaemonClient(given.socket);
    const { self } = await call("status", {});
    if (self !== null && (self.ipv4 === ip || self.ipv6 === ip))
      return {
        document: { ...self, isSelf: true },
        lines: [`${self.name}, this host, a node of ${self.owner}`],
      };
    const peer = await call("whois", { ip });
    return {
      document: { ...peer, isSelf: false },
      lines: renderPeer(peer, context.clock.nowS()),
    };
  },
});

function parseIp(text: string): IpAddress {
  const parsed = v.safeParse(IpAddress, text);
  if (parsed.success) return parsed.output;
  throw new Fault("usage", `${quoted(text)} is no IP address in its usual spelling`, {
    remedy: "for example: rustynet whois 100.64.0.1",
  });
}

export const families = {
  ipv4: { type: "boolean", alias: "4", description: "IPv4" },
  ipv6: { type: "boolean", alias: "6", description: "IPv6" },
} as const;

export const ip = defineCommand({
  summary: "Print the addresses of this host or of another node",
  args: {
    node: {
      type: "positional",
      required: false,
      description: "Name, address or id; this host otherwise",
      completes: "node",
    },
    ...families,
    ...daemonOption,
  },
  run: async ({ node, ipv4, ipv6, socket }) => {
    const member = await findMember(openDaemonClient(socket), node);
    // Neither option means both, and so do both.
    const addresses = [
      ...(ipv4 || !ipv6 ? [member.ipv4] : []),
      ...(ipv6 || !ipv4 ? [member.ipv6] : []),
    ];
    return { document: { name: member.name, addresses }, lines: addresses };
  },
});

type Member = Pick<PeerReport, "name" | "ipv4" | "ipv6">;

async function findMember(call: DaemonClient, node: string | undefined): Promise<Member> {
  const found = await call("status", {});
  if (node !== undefined) return peerNamed(found, node).member;
  if (found.self !== null) return found.self;
  throw faultOf(found.reason ?? notRunning(found));
}
