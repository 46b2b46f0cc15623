/** flooder is a stranger on the network who floods a node's tunnel with initiations, from thousands of addresses. */
import { join } from "node:path";
import * as v from "valibot";
import { tunnelName, type NodeHost } from "../../e2e/node-host.ts";
import type { Host } from "../../lab/host.ts";
import type { Mac1 } from "./initiation.ts";

export type Flood = {
  readonly mac1: Mac1;
  readonly perSecond: number;
  /** Sent to a port beside the tunnel's, where each is dropped: what sending and carrying it costs by itself. */
  readonly isAside?: boolean;
};

/** What the flood came to, counted by the node's own packet filter. */
export type Toll = {
  readonly sent: number;
  readonly arrived: number;
  /** Answers that ask for proof of the address, before anything is computed for it. */
  readonly cookies: number;
  /** Answers to a handshake that was taken for real. */
  readonly responses: number;
};

const portAside = 9;
const addresses = 4_096;
/** RFC 2544: given to such tests as this. */
const network = "198.18.0.0/15";

export class Flooder {
  readonly #host: Host;
  readonly #node: NodeHost;
  readonly #port: string;
  readonly #key: string;

  private constructor(host: Host, node: NodeHost, port: string, key: string) {
    this.#host = host;
    this.#node = node;
    this.#port = port;
    this.#key = key;
  }

  /** Furnishes a host that is of no mesh, on the same switch as the node, and the node with counters. */
  static async open(host: Host, node: NodeHost): Promise<Flooder> {
    const show = async (what: string): Promise<string> =>
      (await node.host.output(["/usr/bin/wg", "show", tunnelName, what])).trim();
    const [port, key] = [await show("listen-port"), await show("public-key")];
    await host.nft(manyAddresses);
    await node.host.ip(`route add ${network} via ${host.ipv4}`);
    await node.host.nft(countersFor(port));
    return new Flooder(host, node, port, key);
  }

  /** Acts while the flood runs: after its first messages, and until it is told to end. */
  async during<T>(
    { mac1, perSecond, isAside = false }: Flood,
    act: () => Promise<T>,
  ): Promise<{ readonly value: T; readonly toll: Toll }> {
    await this.#counted();
    const port = isAside ? String(portAside) : this.#port;
    const program = [process.execPath, join(import.meta.dir, "send.ts")];
    const words = [this.#node.host.ipv4, port, this.#key, mac1, String(perSecond)];
    const sender = await this.#host.spawn([...program, ...words]);
    await sender.waitForLine("flooding");
    const value = await act();
    sender.kill("SIGTERM");
    const { stdout } = await sender.finished();
    const { sent } = v.parse(Sent, JSON.parse(stdout.trim().split("\n").at(-1) ?? ""));
    return { value, toll: { sent, ...(await this.#counted()) } };
  }

  /** Takes the counters and sets them back. */
  async #counted(): Promise<Omit<Toll, "sent">> {
    const argv = ["/usr/sbin/nft", "reset", "counters", "table", "inet", "flood"];
    const text = await this.#node.host.output(argv);
    const count = (name: string): number =>
      Number(new RegExp(`counter ${name} \\{\\s*packets (\\d+)`).exec(text)?.[1] ?? Number.NaN);
    return { arrived: count("arrived"), cookies: count("cookies"), responses: count("responses") };
  }
}

const Sent = v.strictObject({ sent: v.number() });

const randomAddress = Array.from(
  { length: addresses },
  (_, i) => `${i} : 198.18.${i >> 8}.${i & 255}`,
).join(", ");

const manyAddresses = `table ip spoof {
  chain leaving {
    type filter hook output priority 0
    meta l4proto udp ip saddr set numgen random mod ${addresses} map { ${randomAddress} }
  }
}
`;

const countersFor = (port: string): string => `table inet flood {
  counter arrived { }
  counter cookies { }
  counter responses { }
  chain arriving {
    # Before anything else is done for the packet.
    type filter hook prerouting priority -400
    ip saddr ${network} udp dport ${port} counter name arrived
    ip saddr ${network} udp dport ${portAside} drop
  }
  chain leaving {
    type filter hook output priority 400
    ip daddr ${network} udp sport ${port} @th,64,8 2 counter name responses
    ip daddr ${network} udp sport ${port} @th,64,8 3 counter name cookies
  }
}
`;
