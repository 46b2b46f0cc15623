/** capture records what passes an interface, from before `open` resolves until `stop` is called. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../src/base/fault.ts";
import type { LabProcess } from "./lab-process.ts";
import { Packets } from "./packets.ts";
import { parsePcap } from "./pcap.ts";
import type { Station } from "./station.ts";
import { waitFor } from "./wait-for.ts";

export type CaptureOptions = {
  /** In the words of pcap-filter(7), such as `udp port 51820`. */
  readonly filter?: string;
  /**
   * Where to leave the file, for evidence. Without it the file goes with the lab, or stays in the
   * folder that RUSTYNET_TEST_CAPTURES names.
   */
  readonly file?: string;
  /** How much of each packet is kept. Offloaded segments are up to 65,000 bytes long. */
  readonly snapBytes?: number;
  /** A capture that lost packets proves little, so it is refused unless that was expected. */
  readonly mayLose?: boolean;
};

/** What tcpdump says of itself. `received` counts those that were dropped too. */
type Counters = { readonly captured: number; readonly received: number; readonly dropped: number };

export class Capture {
  readonly process: LabProcess;
  readonly #file: string;
  readonly #mayLose: boolean;

  private constructor(tcpdump: LabProcess, file: string, mayLose: boolean) {
    this.process = tcpdump;
    this.#file = file;
    this.#mayLose = mayLose;
  }

  static async open(
    station: Station,
    interfaceName: string,
    { filter, file, snapBytes = snapBytesUsual, mayLose = false }: CaptureOptions = {},
  ): Promise<Capture> {
    const folder = process.env["RUSTYNET_TEST_CAPTURES"] ?? station.folder;
    const path =
      file ?? join(folder, `${station.name}-${interfaceName}-${crypto.randomUUID()}.pcap`);
    const tcpdump = await station.spawn([
      ...["/usr/bin/tcpdump", "-n", "-U", "--immediate-mode", "-Z", "root"],
      ...["-s", String(snapBytes), "-B", String(memoryKib), "-i", interfaceName, "-w", path],
      ...(filter === undefined ? [] : ["--", filter]),
    ]);
    await tcpdump.waitForLine("listening on");
    return new Capture(tcpdump, path, mayLose);
  }

  /**
   * Ends the capture. Every packet that passed before the call is in it, or Fault `unavailable` is
   * thrown.
   */
  async stop(): Promise<Packets> {
    const { received, dropped } = await this.#counters();
    if (dropped > 0 && !this.#mayLose) {
      throw new Fault("unavailable", `the capture lost ${dropped} of ${received} packets`, {
        remedy: "narrow the filter, lower snapBytes, or allow it with mayLose",
      });
    }
    await waitFor("the capture to be read to its end", () => this.#counters(), {
      until: ({ captured }) => captured >= received - dropped,
    });
    await this.process.stop();
    return new Packets(parsePcap(readFileSync(this.#file)).packets);
  }

  /** Asks for the counters, by SIGUSR1. */
  async #counters(): Promise<Counters> {
    const before = this.process.lines.length;
    this.process.kill("SIGUSR1");
    const report = (): string | undefined =>
      this.process.lines.slice(before).find(({ text }) => counters.test(text))?.text;
    const text = await waitFor("the counters of tcpdump", report, { pollMs: 1 });
    const numbers = counters
      .exec(text ?? "")
      ?.slice(1)
      .map(Number);
    const [captured = 0, received = 0, dropped = 0] = numbers ?? [];
    return { captured, received, dropped };
  }
}

// Packets are handed over one by one, each in a slot of the size of the longest, here a page. Of
// tcpdump's own memory and packet size there would be eight slots, and a burst would be lost.
const snapBytesUsual = 4_000;
const memoryKib = 32 * 1_024;

const counters =
  /(\d+) packets? captured, (\d+) packets? received by filter, (\d+) packets? dropped/;
