/** capture records what passes an interface, from before `open` resolves until `stop` is called. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { LabProcess } from "./lab-process.ts";
import { Packets } from "./packets.ts";
import { parsePcap } from "./pcap.ts";
import type { Station } from "./station.ts";
import { waitFor } from "./wait-for.ts";

export type CaptureOptions = {
  /** In the words of pcap-filter(7), such as `udp port 51820`. */
  readonly filter?: string;
  /** Where to leave the file, for evidence. Without it the file goes when the lab closes. */
  readonly file?: string;
};

export class Capture {
  readonly process: LabProcess;
  readonly #file: string;

  private constructor(tcpdump: LabProcess, file: string) {
    this.process = tcpdump;
    this.#file = file;
  }

  static async open(
    station: Station,
    interfaceName: string,
    { filter, file }: CaptureOptions = {},
  ): Promise<Capture> {
    const path = file ?? join(station.folder, `${crypto.randomUUID()}.pcap`);
    const argv = ["/usr/bin/tcpdump", "-n", "-U", "--immediate-mode", "-Z", "root", ...memory];
    const tcpdump = await station.spawn([
      ...argv,
      ...["-i", interfaceName, "-w", path],
      ...(filter === undefined ? [] : ["--", filter]),
    ]);
    await tcpdump.waitForLine("listening on");
    return new Capture(tcpdump, path);
  }

  /** Ends the capture. Every packet that passed before the call is in it. */
  async stop(): Promise<Packets> {
    await this.#drained();
    await this.process.stop();
    const { packets } = parsePcap(readFileSync(this.#file));
    return new Packets(packets);
  }

  /** Resolves when tcpdump has read all that the kernel has passed to it, as SIGUSR1 makes it say. */
  async #drained(): Promise<void> {
    await waitFor("the capture to be read", async () => {
      const before = this.process.lines.length;
      this.process.kill("SIGUSR1");
      const isNew = (): boolean => this.#reports(before).length > 0;
      await waitFor("the counters of tcpdump", isNew, { deadlineMs: 1_000, pollMs: 1 });
      return this.#reports(before).some(
        ([captured, received, dropped]) => captured >= received - dropped,
      );
    });
  }

  #reports(firstLine: number): [number, number, number][] {
    return this.process.lines.slice(firstLine).flatMap(({ text }) => {
      const match = counters.exec(text);
      return match === null ? [] : [[Number(match[1]), Number(match[2]), Number(match[3])]];
    });
  }
}

// Packets are handed over one by one, each in a slot of the size of the longest: 64 KiB with its
// header, for offloaded segments. The default memory would be eight slots, and lose bursts.
const memory = ["-s", "65000", "-B", String(32 * 1_024)];

const counters =
  /(\d+) packets? captured, (\d+) packets? received by filter, (\d+) packets? dropped/;
