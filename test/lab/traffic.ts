/** traffic sends bytes between hosts by small programs that run in them, and tells what arrived. */
import { join } from "node:path";
import * as v from "valibot";
import type { Host } from "./host.ts";
import type { LabProcess } from "./lab-process.ts";

export type Peer = { readonly from: string; readonly port: number };

/** A server that sends back what it gets. */
export type EchoServer = {
  readonly process: LabProcess;
  readonly port: number;
  /** Where connections or datagrams came from, as the server saw it, in order. */
  readonly peers: () => Peer[];
};

/** `address` is of the host itself; all its addresses when not given. Port 0 takes a free one. */
type Listen = { readonly address?: string; readonly port?: number };

export const openTcpEcho = (host: Host, listen?: Listen): Promise<EchoServer> =>
  openEcho(host, "tcp-echo.ts", listen);

export const openUdpEcho = (host: Host, listen?: Listen): Promise<EchoServer> =>
  openEcho(host, "udp-echo.ts", listen);

export type TcpAttempt = {
  readonly isConnected: boolean;
  readonly received: string;
  /** Null when all that was sent came back. */
  readonly error: string | null;
};

/** Connects to an echo server and sends `text`. A connection that fails is an answer, no fault. */
export async function exchangeTcp(
  from: Host,
  to: { readonly address: string; readonly port: number },
  { text = "ping", timeoutMs = 1_000 }: { text?: string; timeoutMs?: number } = {},
): Promise<TcpAttempt> {
  const argv = program("tcp-exchange.ts", to.address, to.port, timeoutMs);
  return v.parse(TcpReport, JSON.parse(await from.output(argv, { stdin: text })));
}

export type UdpAttempt = {
  readonly sourcePort: number;
  readonly answers: readonly (Peer & { readonly text: string })[];
};

/** Sends `text` to each echo server from one socket. Ends with the last answer, or the time. */
export async function exchangeUdp(
  from: Host,
  to: readonly { readonly address: string; readonly port: number }[],
  options: { text?: string; sourcePort?: number; timeoutMs?: number } = {},
): Promise<UdpAttempt> {
  const { text = "ping", sourcePort = 0, timeoutMs = 1_000 } = options;
  const destinations = to.flatMap(({ address, port }) => [address, port]);
  const argv = program("udp-exchange.ts", sourcePort, timeoutMs, ...destinations);
  return v.parse(UdpReport, JSON.parse(await from.output(argv, { stdin: text })));
}

/** An IPv4 peer of a socket for both families is spelled `::ffff:192.0.2.1` by the kernel. */
const Address = v.pipe(
  v.string(),
  v.transform((text) => text.replace(/^::ffff:(?=\d+\.)/, "")),
);
const PeerReport = v.object({ from: Address, port: v.number() });
const TcpReport = v.strictObject({
  isConnected: v.boolean(),
  received: v.string(),
  error: v.nullable(v.string()),
});
const UdpReport = v.strictObject({
  sourcePort: v.number(),
  answers: v.array(v.strictObject({ from: Address, port: v.number(), text: v.string() })),
});

const program = (name: string, ...args: readonly (string | number)[]): string[] => [
  process.execPath,
  join(import.meta.dir, "programs", name),
  ...args.map(String),
];

async function openEcho(
  host: Host,
  name: string,
  { address = "::", port = 0 }: Listen = {},
): Promise<EchoServer> {
  const server = await host.spawn(program(name, address, port));
  const { text } = await server.waitForLine('"listening"');
  const report = v.parse(v.object({ port: v.number() }), JSON.parse(text));
  const peers = (): Peer[] =>
    server.lines
      .filter((line) => line.text.includes('"peer"'))
      .map((line) => v.parse(PeerReport, JSON.parse(line.text)));
  return { process: server, port: report.port, peers };
}
