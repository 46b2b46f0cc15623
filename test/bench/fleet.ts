/** fleet drives simulated nodes, which run in a process of their own on a host of the lab. */
import { join } from "node:path";
import * as v from "valibot";
import { Fault } from "../../src/base/fault.ts";
import { Head } from "../../src/wire/advertisement.ts";
import type { Host } from "../lab/host.ts";
import { pace } from "../support/pace.ts";
import type { LabProcess } from "../lab/lab-process.ts";

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

export const Order = v.variant("kind", [
  v.strictObject({
    kind: v.literal("enroll"),
    token: v.string(),
    count: Count,
    prefix: v.string(),
    /** Whether each says how it can be reached, and so becomes a peer of its owner's other nodes. */
    advertises: v.boolean(),
    /** How many are on their way at the same time. */
    atOnce: Count,
  }),
  /** Answered once all streams are open. Who is new holds the log up to this head, as if it had verified it. */
  v.strictObject({ kind: v.literal("connect"), head: Head }),
  /** Answered once every node has noticed that its stream has ended. */
  v.strictObject({ kind: v.literal("lost") }),
  /** Answered once all nodes were told of this epoch. */
  v.strictObject({ kind: v.literal("await"), epoch: Count }),
]);
export type Order = v.InferOutput<typeof Order>;

/** Times in milliseconds since 1970, on the one clock that all hosts of a lab share. */
export const Answer = v.strictObject({
  nodes: Count,
  startedAtMs: v.number(),
  endedAtMs: v.number(),
  /** When each node was told of the epoch that was awaited. */
  toldAtMs: v.array(v.number()),
});
export type Answer = v.InferOutput<typeof Answer>;

/**
 * A server at its limit shows its rate, not how it queues. An emulated one would let more than a few
 * wait for longer than it waits for them.
 */
const atOnce = pace > 1 ? 2 : 16;

export class Fleet {
  readonly process: LabProcess;
  readonly #socket: string;

  private constructor(running: LabProcess, socket: string) {
    this.process = running;
    this.#socket = socket;
  }

  /** Several may be on one host, by different names. */
  static async open(host: Host, name: string): Promise<Fleet> {
    const socket = join(host.station.folder, `${name}.sock`);
    const program = join(import.meta.dir, "programs/fleet.ts");
    const running = await host.spawn([process.execPath, program, socket]);
    await running.waitForLine("ready");
    return new Fleet(running, socket);
  }

  enroll(terms: {
    token: string;
    count: number;
    prefix: string;
    advertises: boolean;
  }): Promise<Answer> {
    return this.#order({ kind: "enroll", atOnce, ...terms });
  }

  connect(head: Head): Promise<Answer> {
    return this.#order({ kind: "connect", head });
  }

  untilLost(): Promise<Answer> {
    return this.#order({ kind: "lost" });
  }

  awaitEpoch(epoch: number): Promise<Answer> {
    return this.#order({ kind: "await", epoch });
  }

  async #order(order: Order): Promise<Answer> {
    // Bun gives up after five minutes otherwise, and a large fleet may take longer.
    const init = { unix: this.#socket, method: "POST", timeout: false };
    try {
      const response = await fetch("http://fleet/", { ...init, body: JSON.stringify(order) });
      const answer: unknown = await response.json();
      if (response.ok) return v.parse(Answer, answer);
      throw new Fault("unavailable", Bun.inspect(answer));
    } catch (cause) {
      const words = this.process.stderr.trim();
      throw new Fault("unavailable", `the fleet failed at ${order.kind}: ${words}`, { cause });
    }
  }
}

/** This moment on the clock that the fleet and captures use. */
export const wallMs = (): number => performance.timeOrigin + performance.now();
