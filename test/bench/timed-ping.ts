/** timed-ping pings and says when each answer came. */
import type { Host } from "../lab/host.ts";
import type { LabProcess } from "../lab/lab-process.ts";

export class TimedPing {
  readonly #process: LabProcess;

  private constructor(running: LabProcess) {
    this.#process = running;
  }

  /** Resolves when the first answer is there. */
  static async open(from: Host, address: string, intervalS: number): Promise<TimedPing> {
    const argv = ["/usr/bin/ping", "-D", "-n", "-i", String(intervalS), "-W", "1", address];
    const running = await from.spawn(argv);
    await running.waitForLine("icmp_seq=");
    return new TimedPing(running);
  }

  /** When each answer came, in milliseconds since 1970, oldest first. */
  get answersMs(): readonly number[] {
    return this.#process.lines.flatMap(({ text }) => {
      const atS = /^\[(\d+\.\d+)\] \d+ bytes from .* icmp_seq=/.exec(text)?.[1];
      return atS === undefined ? [] : [Number(atS) * 1_000];
    });
  }

  async stop(): Promise<void> {
    await this.#process.stop();
  }
}
