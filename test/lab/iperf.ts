/** iperf measures how much two hosts can send each other, with iperf3. A figure, never a test. */
import * as v from "valibot";
import { assert } from "../../src/base/assert.ts";
import type { Host } from "./host.ts";

const Sum = v.object({ bits_per_second: v.number(), bytes: v.number() });
const Report = v.object({
  end: v.object({
    sum_received: v.optional(Sum),
    // UDP has one sum, with what was lost on the way.
    sum: v.optional(v.object({ ...Sum.entries, lost_percent: v.number() })),
  }),
});

export type Throughput = {
  readonly bitsPerSecond: number;
  readonly bytes: number;
  /** Null for TCP. */
  readonly lostPercent: number | null;
};

export type IperfOptions = {
  readonly seconds?: number;
  readonly streams?: number;
  /** Sends datagrams at this rate, 0 for as fast as it goes; without it TCP. */
  readonly udpBitsPerSecond?: number;
  /** Payload of each datagram; without it as large as the path carries. */
  readonly datagramBytes?: number;
  /** From the server to the client. */
  readonly isReverse?: boolean;
};

const program = "/usr/bin/iperf3";
const port = "5201";

/** Throughput as the receiver counted it. `address` is one of the server's. */
export async function iperf(
  client: Host,
  server: Host,
  address: string,
  {
    seconds = 1,
    streams = 1,
    udpBitsPerSecond,
    datagramBytes,
    isReverse = false,
  }: IperfOptions = {},
): Promise<Throughput> {
  assert(Number.isInteger(seconds) && seconds > 0, "iperf3 takes a fraction of a second for ever");
  const listener = await server.spawn([program, "-s", "-1", "-p", port, "--forceflush"]);
  await listener.waitForLine("Server listening");
  const udp = udpBitsPerSecond === undefined ? [] : ["-u", "-b", String(udpBitsPerSecond)];
  const length = datagramBytes === undefined ? [] : ["-l", String(datagramBytes)];
  const argv = [
    program,
    "-J",
    "-c",
    address,
    "-p",
    port,
    "-t",
    String(seconds),
    "-P",
    String(streams),
  ];
  const timeoutMs = 10_000 + seconds * 2_000;
  const json = await client.output([...argv, ...udp, ...length, ...(isReverse ? ["-R"] : [])], {
    timeoutMs,
  });
  await listener.stop();
  const { sum_received: received, sum } = v.parse(Report, JSON.parse(json)).end;
  const counted = sum ?? received ?? { bits_per_second: 0, bytes: 0 };
  return {
    bitsPerSecond: counted.bits_per_second,
    bytes: counted.bytes,
    lostPercent: sum?.lost_percent ?? null,
  };
}
