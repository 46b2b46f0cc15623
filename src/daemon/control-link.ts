/**
 * control-link keeps the map stream open: connects, says what is held, hands each map over, and comes
 * back after every loss, sooner or later by chance so that nodes do not come all at once.
 */
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import type { UnixS } from "../model/time.ts";
import type { Head } from "../wire/advertisement.ts";
import type { Finding } from "../wire/local-api.ts";
import type { Held, StreamReport } from "../wire/map.ts";
import { backoffMs, type ControlClient, type MapStream } from "./control-client.ts";
import { findingOf } from "./failure.ts";

export type LinkState = {
  readonly state: "connected" | "connecting" | "refused" | "off";
  readonly since: UnixS;
  readonly reason: Finding | null;
};

export type LinkHooks = {
  /** What to ask for: everything after this. */
  readonly held: () => { readonly held: Held; readonly head: Head };
  /** Takes a map. Null when it was believed; else why not, and the stream is given up. */
  readonly onMap: (text: string) => Promise<Finding | null>;
  /** Runs each time that a stream has opened, before its first map is taken. */
  readonly onOpen: () => Promise<void>;
};

/** A stream that lived this long was worth coming back to at once; a server that only greets was not. */
const steadyMs = 10_000;
/** Maps that wait for their turn, in letters. A whole network of ten thousand nodes is a third of it. */
const backlogMaxLength = 64 << 20;
/** What a map takes while it waits, beside its letters: an empty one is not for nothing either. */
const mapMinLength = 1_024;

export class ControlLink {
  readonly #client: ControlClient;
  readonly #hooks: LinkHooks;
  readonly #clock: Clock;
  readonly #log: Log;
  #state: LinkState["state"] = "off";
  #since: UnixS = 0;
  #reason: Finding | null = null;
  #stream: MapStream | null = null;
  #isStopped = true;
  #wake: (() => void) | null = null;
  #abandon: (() => void) | null = null;
  #hasMoved = false;
  #running: Promise<void> = Promise.resolve();

  constructor(client: ControlClient, hooks: LinkHooks, clock: Clock, log: Log) {
    this.#client = client;
    this.#hooks = hooks;
    this.#clock = clock;
    this.#log = log;
  }

  get state(): LinkState {
    return { state: this.#state, since: this.#since, reason: this.#reason };
  }

  start(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#stream?.close();
    this.#wake?.();
    this.#abandon?.();
    await this.#running;
    this.#move("off", null);
  }

  /** The network has changed: find out now whether the stream still lives, and come back at once. */
  probe(): void {
    this.#hasMoved = true;
    this.#wake?.();
    this.#abandon?.();
    this.#stream?.probe();
  }

  report(report: StreamReport): void {
    this.#stream?.send(report);
  }

  async #run(): Promise<void> {
    for (let attempt = 0; !this.#isStopped; attempt++) {
      this.#move(this.#state === "refused" ? "refused" : "connecting", this.#reason);
      const openedMs = this.#clock.monotonicMs();
      const isGood = await this.#session();
      const isSteady = isGood && this.#clock.monotonicMs() - openedMs >= steadyMs;
      // What broke because this host has moved says nothing of the server.
      if (isSteady || this.#hasMoved) attempt = -1;
      this.#hasMoved = false;
      if (this.#isStopped) return;
      await this.#pause(backoffMs(Math.max(attempt, 0), Math.random));
    }
  }

  /** One stream from open to close. True when it brought at least one map that was believed. */
  async #session(): Promise<boolean> {
    let isGood = false;
    let refusal: Finding | null = null;
    // One map after the other: a later one builds on the earlier.
    let queue: Promise<void> = Promise.resolve();
    let backlogLength = 0;
    const isRefused = () => refusal !== null;
    const take = async (text: string): Promise<void> => {
      if (refusal !== null || this.#isStopped) return;
      refusal = (await this.#hooks.onMap(text)) ?? refusal;
      if (refusal !== null) return this.#stream?.close();
      isGood = true;
      this.#move("connected", null);
    };
    try {
      const { closed, stream } = await this.#open((text) => {
        const length = Math.max(text.length, mapMinLength);
        backlogLength += length;
        if (backlogLength > backlogMaxLength) refusal = flooded;
        if (refusal !== null) return this.#stream?.close();
        queue = queue.then(() => take(text)).then(() => void (backlogLength -= length));
      });
      this.#stream = stream;
      if (isRefused()) stream.close();
      // A stream may end before the answer to what was said at its opening comes.
      await Promise.race([this.#hooks.onOpen(), closed]);
      const reason = await closed;
      await queue;
      this.#lose(refusal, reason);
    } catch (error) {
      this.#onFault(error);
    } finally {
      this.#stream?.close();
      this.#stream = null;
    }
    return isGood && refusal === null;
  }

  async #open(onMap: (text: string) => void) {
    let onClose: (reason: Finding | null) => void = () => {};
    const closed = new Promise<Finding | null>((resolve) => {
      onClose = resolve;
    });
    const opening = this.#client.openMapStream({ ...this.#hooks.held(), onMap, onClose });
    return { closed, stream: await this.#orAbandoned(opening) };
  }

  /** An attempt over a network that is gone would go on for seconds after there is another. */
  async #orAbandoned(opening: Promise<MapStream>): Promise<MapStream> {
    const { promise: abandoned, resolve } = Promise.withResolvers<null>();
    this.#abandon = () => resolve(null);
    const stream = await Promise.race([opening, abandoned]).finally(() => (this.#abandon = null));
    if (stream !== null) return stream;
    opening.then(
      (late) => late.close(),
      () => {},
    );
    throw new Fault("unavailable", "the network changed during the attempt to connect", {
      remedy: "it is tried again by itself",
    });
  }

  #lose(refusal: Finding | null, reason: Finding | null): void {
    if (this.#isStopped) return;
    if (refusal !== null) this.#move("refused", refusal);
    else if (reason?.code === "revoked") this.#move("refused", reason);
    else this.#move("connecting", reason);
  }

  #onFault(error: unknown): void {
    if (!(error instanceof Fault)) throw error;
    const { code } = error;
    const reason = findingOf(error);
    const isVerdict = code === "revoked" || code === "pin_mismatch" || code === "permission_denied";
    this.#move(isVerdict ? "refused" : "connecting", reason);
  }

  async #pause(pauseMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }

  #move(state: LinkState["state"], reason: Finding | null): void {
    const isNews = state !== this.#state || reason?.code !== this.#reason?.code;
    if (state !== this.#state) this.#since = this.#clock.nowS();
    this.#state = state;
    this.#reason = reason;
    if (isNews)
      this.#log.info("control_link", {
        state,
        code: reason?.code ?? "",
        why: reason?.message ?? "",
      });
  }
}

const flooded: Finding = {
  code: "map_rejected",
  message: "the control server sends more than this host can take in",
  remedy: "the last verified state stays in force; look at the control server",
};
