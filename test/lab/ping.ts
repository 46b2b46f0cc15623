/** ping asks whether packets arrive, and which of a long row did not. */
import { Fault } from "../../src/base/fault.ts";
import type { LabProcess } from "./lab-process.ts";
import type { Station } from "./station.ts";

export type PingOptions = {
  readonly count?: number;
  readonly intervalS?: number;
  /** The whole size of the ICMP payload. */
  readonly sizeBytes?: number;
  /** How long to wait for the last answer. Neighbours are asked for once a second only. */
  readonly timeoutS?: number;
};

export type PingResult = {
  readonly sent: number;
  readonly received: number;
  /** Sequence numbers, from 1, that no answer came to. */
  readonly lost: readonly number[];
  readonly roundTripsMs: readonly number[];
};

const program = "/usr/bin/ping";

/** Sends `count` echo requests (1 when not given) and waits for the answers. Loss is no fault. */
export async function ping(
  from: Station,
  address: string,
  { count = 1, intervalS = 0.01, sizeBytes = 56, timeoutS = 3 }: PingOptions = {},
): Promise<PingResult> {
  const argv = [program, "-n", "-c", String(count), "-i", String(intervalS)];
  const rest = ["-s", String(sizeBytes), "-W", String(timeoutS), address];
  const timeoutMs = 10_000 + 1_000 * (count * intervalS + timeoutS);
  const { stdout, stderr } = await from.run([...argv, ...rest], { timeoutMs });
  return readPing(stdout, stderr);
}

/** Pings until told to stop. */
export class ContinuousPing {
  readonly process: LabProcess;

  private constructor(running: LabProcess) {
    this.process = running;
  }

  /** Resolves when the first answer is there, so that what follows happens under traffic. */
  static async open(
    from: Station,
    address: string,
    { intervalS = 0.02, sizeBytes = 56 }: PingOptions = {},
  ): Promise<ContinuousPing> {
    const argv = [program, "-n", "-O", "-i", String(intervalS), "-s", String(sizeBytes), address];
    const started = new ContinuousPing(await from.spawn(argv));
    await started.process.waitForLine(/bytes from .* icmp_seq=/);
    return started;
  }

  /** Answers so far. */
  get received(): number {
    return answers(this.process.stdout).length;
  }

  /** The last request is not judged, for its answer may have been under way. */
  async stop(): Promise<PingResult> {
    this.process.kill("SIGINT");
    const { stdout, stderr } = await this.process.finished();
    const { sent, lost, ...rest } = readPing(stdout, stderr);
    return { sent, lost: lost.filter((sequence) => sequence !== sent), ...rest };
  }
}

function readPing(stdout: string, stderr: string): PingResult {
  const sent = /(\d+) packets transmitted/.exec(stdout)?.[1];
  if (sent === undefined) throw new Fault("host_failed", `ping did not run: ${stderr}${stdout}`);
  const answered = answers(stdout);
  const sequences = new Set(answered.map(({ sequence }) => sequence));
  const all = Array.from({ length: Number(sent) }, (_, i) => i + 1);
  return {
    sent: all.length,
    received: sequences.size,
    lost: all.filter((sequence) => !sequences.has(sequence)),
    roundTripsMs: answered.map(({ timeMs }) => timeMs),
  };
}

// The kernel counts in 16 bits: a row of more than 65,535 would repeat its numbers.
const answers = (stdout: string): { sequence: number; timeMs: number }[] =>
  [...stdout.matchAll(/bytes from .* icmp_seq=(\d+) .*time=([\d.]+) ms/g)].map((match) => ({
    sequence: Number(match[1]),
    timeMs: Number(match[2]),
  }));
