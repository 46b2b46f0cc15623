/**
 * tour leads a newcomer through the product: a network is made, three nodes join it, and what the
 * README promises of it is tried before their eyes. A promise that does not hold ends the tour.
 */
import * as v from "valibot";
import { Fault } from "../src/base/fault.ts";
import { calls } from "../src/wire/control-api.ts";
import {
  controlSocketDefault,
  localCalls,
  localSocketDefault,
  Status,
} from "../src/wire/local-api.ts";
import type { Capture } from "../test/lab/capture.ts";
import type { Lab } from "../test/lab/lab.ts";
import type { LabProcess } from "../test/lab/lab-process.ts";
import type { Packets } from "../test/lab/packets.ts";
import type { Switch } from "../test/lab/switch.ts";
import { openTcpEcho } from "../test/lab/traffic.ts";
import { waitFor } from "../test/lab/wait-for.ts";
import { installedPath, Terminal } from "./terminal.ts";
import type { Transcript } from "./transcript.ts";

const nodeNames = ["alice", "bob", "carol"] as const;
const passphraseFile = "/etc/rustynet/custody-key";
const tunnelInterface = "rustynet0";
const tunnelPort = 51_820;
const controlPort = 8_443;
const echoPort = 7_000;
/** Long enough that it cannot be met by chance in what is encrypted. */
const message = "Nobody on the wire can read this line.";

/** How many answers show that traffic goes on while something is away: about a second of it. */
const answersAwayMin = 50;

export type World = {
  readonly lab: Lab;
  readonly wan: Switch;
  readonly transcript: Transcript;
  readonly control: Terminal;
  readonly nodes: readonly [alice: Terminal, bob: Terminal, carol: Terminal];
  /** What runs in the background, by the name of its host: the words of the last one are kept. */
  readonly services: Map<string, LabProcess>;
};

export type WireFigures = {
  readonly datagrams: number;
  readonly bytes: number;
  readonly timesSeenInTunnel: number;
  readonly timesSeenOnWire: number;
};
export type RestartFigures = {
  readonly awayMs: number;
  readonly sent: number;
  readonly lost: number;
};
export type Figures = {
  readonly nodes: number;
  /** From the first `rustynet up` to the first answer of a ping by name. */
  readonly joinedAfterMs: number;
  readonly wire: WireFigures;
  readonly restart: RestartFigures;
};

/** Four hosts on one switch, each with the product at its usual place. */
export async function openWorld(lab: Lab, binary: string, transcript: Transcript): Promise<World> {
  const prefixes = { ipv4: "192.0.2.0/24", ipv6: "2001:db8:1::/64" };
  const wan = await lab.switch("wan", prefixes);
  const hosts = await lab.hosts(["control", ...nodeNames], { on: [wan] });
  await Promise.all(
    hosts.map(async (host) => {
      await host.output(["/usr/bin/ln", "-s", binary, installedPath]);
      const passphrase = crypto.getRandomValues(new Uint8Array(32)).toHex();
      await host.writeFile(passphraseFile, `${passphrase}\n`);
      await host.output(["/usr/bin/chmod", "0600", passphraseFile]);
    }),
  );
  const [control, alice, bob, carol] = hosts.map((host) => new Terminal(host, transcript));
  if (!control || !alice || !bob || !carol) throw new Error("a terminal for each host");
  return { lab, wan, transcript, control, nodes: [alice, bob, carol], services: new Map() };
}

/** Walks through everything, and returns what was measured on the way. */
export async function walk(world: World): Promise<Figures> {
  const wire = await world.wan.capture();
  await makeNetwork(world);
  const startedMs = performance.now();
  await join(world);
  await showStatus(world);
  await pingByName(world);
  const joinedAfterMs = Math.round(performance.now() - startedMs);
  const wireFigures = await readTheWire(world, wire);
  const restart = await restartControl(world);
  return { nodes: nodeNames.length, joinedAfterMs, wire: wireFigures, restart };
}

async function makeNetwork(world: World): Promise<void> {
  const { transcript, control } = world;
  transcript.heading("1  A network needs a control server");
  const url = `https://${control.host.ipv4}:${controlPort}`;
  await transcript.step(
    "making the network",
    async () => {
      await control.type(["rustynet", "control", "init", "--url", url, ...custody]);
      await serve(world);
    },
    () => `the control server answers at ${url}, over TLS 1.3`,
  );
}

const custody = ["--passphrase-file", passphraseFile];

async function serve({ control, services }: World): Promise<void> {
  const server = await control.start(["rustynet", "control", ...custody]);
  services.set("control", server);
  await waitFor("the control server to answer", async () => {
    refuseEnd("control", server);
    const unix = control.host.socketPath(controlSocketDefault);
    return (await fetch(`http://local${calls.health.path}`, { unix })).ok;
  });
}

function refuseEnd(host: string, service: LabProcess): void {
  if (!service.hasExited) return;
  throw new Fault("unavailable", `a program ended on ${host}: ${service.argv.join(" ")}`);
}

async function join(world: World): Promise<void> {
  const { transcript, nodes } = world;
  transcript.heading("2  Three nodes join it");
  await transcript.step(
    "joining",
    async () => {
      for (const node of nodes) await joinNode(world, node);
      await waitFor("every node to reach the others", async () => {
        const reports = await Promise.all(nodes.map(statusOf));
        return reports.every(isWhole);
      });
    },
    () => "alice, bob and carol are in, and each has a tunnel to every other",
  );
}

/** The token goes in by standard input: on a command line, every user of the host could see it. */
async function joinNode({ transcript, control, services }: World, node: Terminal): Promise<void> {
  const { name } = node.host;
  const daemon = await node.start(["rustynet", "daemon", ...custody]);
  services.set(name, daemon);
  await waitFor(`the daemon of ${name} to answer`, async () => {
    refuseEnd(name, daemon);
    return (await statusOf(node)).state === "logged_out";
  });
  const create = ["rustynet", "credential", "create", "--owner", "you"];
  const token = /rnjoin1\.[\w-]+/.exec(await control.type(create, { isQuiet: true }))?.[0];
  if (token === undefined) throw new Fault("unavailable", "credential create printed no token");
  transcript.output(`${token.slice(0, 32)}…`);
  await node.type(["rustynet", "up", "-"], { stdin: { name: "token", text: token } });
}

/** Asked over the daemon's socket, as `rustynet status` does, because it is asked often. */
async function statusOf({ host }: Terminal): Promise<Status> {
  const unix = host.socketPath(localSocketDefault);
  const answer = await fetch(`http://local${localCalls.status.path}`, { unix });
  return v.parse(Status, await answer.json());
}

const isWhole = ({ state, peers }: Status): boolean =>
  state === "running" &&
  peers.length === nodeNames.length - 1 &&
  peers.every(({ reach }) => reach === "direct");

async function showStatus({ transcript, nodes: [alice] }: World): Promise<void> {
  transcript.heading("3  What a node knows");
  await alice.type(["rustynet", "status"]);
}

async function pingByName({ transcript, nodes: [alice] }: World): Promise<void> {
  transcript.heading("4  They reach each other by name");
  await transcript.step(
    "pinging",
    async () => {
      await alice.type(["rustynet", "ping", "bob"]);
      await alice.type(["rustynet", "ping", "carol", "-6"]);
    },
    () => "bob answers over IPv4, carol over IPv6, each through its tunnel",
  );
}

/** The same text is looked for inside the tunnel too: a search that finds nothing proves little. */
async function readTheWire(world: World, wire: Capture): Promise<WireFigures> {
  const { transcript, nodes } = world;
  transcript.heading("5  Nobody on the wire can read along");
  return transcript.step(
    "sending a text through the tunnel, and looking for it on the wire",
    async () => {
      const inside = await nodes[0].host.capture(tunnelInterface);
      await sendMessage(world);
      const figures = count(await inside.stop(), await wire.stop());
      const { timesSeenInTunnel, timesSeenOnWire, datagrams } = figures;
      if (timesSeenInTunnel < 2 || timesSeenOnWire !== 0 || datagrams === 0)
        throw new Fault("unavailable", `the wire is not silent: ${JSON.stringify(figures)}`);
      return figures;
    },
    ({ datagrams, bytes, timesSeenInTunnel, timesSeenOnWire }) =>
      `the switch carried ${datagrams} datagrams of the tunnels, ${bytes} bytes: ` +
      `the text is in ${timesSeenInTunnel} packets inside the tunnel, ${timesSeenOnWire} on the wire`,
  );
}

async function sendMessage({ transcript, nodes: [alice, bob] }: World): Promise<void> {
  const address = (await alice.look(["rustynet", "ip", "bob", "-4"])).trim();
  const echo = await openTcpEcho(bob.host, { address, port: echoPort });
  transcript.command("bob", `# sends back what comes to port ${echoPort}`);
  const exchange = `exec 3<>/dev/tcp/${address}/${echoPort}; echo ${message} >&3; head -n 1 <&3`;
  const answer = await alice.type(["bash", "-c", exchange]);
  await echo.process.stop();
  if (answer.trim() !== message) throw new Fault("unavailable", `not what was sent: ${answer}`);
}

function count(inside: Packets, wire: Packets): WireFigures {
  const datagrams = wire
    .of("udp")
    .filter(({ transport }) => transport.destinationPort === tunnelPort);
  return {
    datagrams: datagrams.length,
    bytes: datagrams.reduce((sum, { transport }) => sum + transport.payload.length, 0),
    timesSeenInTunnel: inside.containing(message).length,
    timesSeenOnWire: wire.containing(message).length,
  };
}

async function restartControl(world: World): Promise<RestartFigures> {
  const { transcript } = world;
  transcript.heading("6  The control server may die");
  return transcript.step(
    "killing the control server under running pings",
    async () => {
      const figures = await restartUnderPings(world);
      if (figures.lost > 0) throw new Fault("unavailable", `${figures.lost} pings were lost`);
      return figures;
    },
    ({ awayMs, sent, lost }) =>
      `it was away for ${awayMs} ms and all nodes found it again; of ${sent} pings ${lost} were lost`,
  );
}

async function restartUnderPings(world: World): Promise<RestartFigures> {
  const { transcript, control, nodes } = world;
  const [alice, bob] = nodes;
  const address = (await alice.look(["rustynet", "ip", "bob"])).trim().split("\n")[0] ?? "";
  const server = world.services.get("control");
  if (server === undefined) throw new Error("the control server was started before");
  transcript.command(alice.host.name, `ping -i 0.02 ${address} &`);
  const pings = await alice.host.startPing(address, { intervalS: 0.02 });
  transcript.command(control.host.name, `kill -9 ${server.pid}`);
  server.kill("SIGKILL");
  await server.exited;
  const awayFromMs = performance.now();
  await waitFor("a node to miss the control server", async () => !(await isConnected(bob)));
  const before = pings.received;
  await waitFor("pings to go on meanwhile", () => pings.received >= before + answersAwayMin);
  await serve(world);
  const awayMs = Math.round(performance.now() - awayFromMs);
  await waitFor(
    "every node to find it again",
    async () => (await Promise.all(nodes.map(isConnected))).every(Boolean),
    { deadlineMs: 30_000 },
  );
  const { sent, lost } = await pings.stop();
  return { awayMs, sent, lost: lost.length };
}

async function isConnected(node: Terminal): Promise<boolean> {
  return (await statusOf(node)).control?.state === "connected";
}
