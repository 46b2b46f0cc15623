/**
 * map-stream keeps every connected node at the present state: what it lacks when it connects, one map
 * for any number of changes after that, and a map now and then when nothing changes. A node that does
 * not read delays nobody: it has one map under way at most, and gets the newest when it reads again.
 */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { SigningSecret } from "../crypto/ed25519.ts";
import type { NodeId } from "../model/ids.ts";
import type { SigningKey } from "../model/keys.ts";
import { type Counter, skewMaxS, type UnixS } from "../model/time.ts";
import { closeCode, type Held, heartbeatS, mapItemsMax, type StreamReport } from "../wire/map.ts";
import { type MapPart, mapSince, maySee } from "./map-since.ts";
import { mapPayload, presenceText, sealMap } from "./map-text.ts";
import type { Network } from "./network.ts";
import { PresenceBook } from "./presence.ts";

/** What a stream needs of a WebSocket; `send` is as Bun's: -1 queued, 0 dropped, else sent. */
export type StreamSocket = {
  send(text: string): number;
  close(code: number, reason: string): void;
};

export type MapStreamOptions = {
  readonly network: Network;
  readonly control: SigningSecret;
  readonly clock: Clock;
  readonly log: Log;
  /** Called when a node holds a log that this one does not lead to. */
  readonly onFork: (node: NodeId, report: StreamReport & { kind: "hello" }) => void;
};

/** A network larger than this is not told who is online: it would cost its square. */
const presenceNodesMax = 2_000;
const presenceIntervalMs = 1_000;
const helloTimeoutMs = 10_000;
/** Between two slices of a broadcast, other requests get their turn. */
const sliceSize = 200;

type Pending = readonly string[] | "everything";

type Stream = {
  readonly node: NodeId;
  /** The key that the node proved to hold; undefined once its record is gone. */
  readonly key: SigningKey | undefined;
  readonly socket: StreamSocket;
  readonly openedAtMs: number;
  /** Null until the node has said what it holds. */
  held: Held | null;
  isWritable: boolean;
  /** A map is due although nothing changed. */
  isOwed: boolean;
  presence: Pending;
  lastMapAtMs: number;
};

export type SeenNow = { readonly lastSeenAt: UnixS; readonly appliedGeneration: Counter | null };

export class MapStreams {
  readonly presence = new PresenceBook();
  readonly #options: MapStreamOptions;
  readonly #streams = new Map<NodeId, Stream>();
  #seen = new Map<NodeId, SeenNow>();
  readonly #applied = new Map<NodeId, Counter>();
  #isScheduled = false;
  #isStopped = false;
  #lastSignedAt: UnixS = 0;
  #busyUntilMs = 0;
  #presenceToldAtMs = 0;
  readonly #ticker: ReturnType<typeof setInterval>;

  constructor(options: MapStreamOptions) {
    this.#options = options;
    options.network.subscribe(() => this.#schedule());
    this.#ticker = setInterval(() => this.#tick(), presenceIntervalMs);
  }

  get connected(): number {
    return this.#streams.size;
  }

  /** The node's stream begins, by whoever proved this key. One that it has already is replaced. */
  open(node: NodeId, socket: StreamSocket, key = this.#keyOf(node)): void {
    this.#streams.get(node)?.socket.close(closeCode.replaced, "the node has opened another stream");
    const openedAtMs = this.#nowMs();
    this.#streams.set(node, {
      node,
      key,
      socket,
      openedAtMs,
      held: null,
      isWritable: true,
      isOwed: true,
      presence: "everything",
      lastMapAtMs: openedAtMs,
    });
  }

  closed(node: NodeId, socket: StreamSocket): void {
    // A stream that was replaced ends later than its successor begins.
    if (this.#streams.get(node)?.socket !== socket) return;
    this.#streams.delete(node);
    this.presence.set(node, "offline", this.#options.clock.nowS());
    this.#see(node);
  }

  drained(node: NodeId, socket: StreamSocket): void {
    const stream = this.#streams.get(node);
    if (stream?.socket !== socket) return;
    stream.isWritable = true;
    this.#pump(stream);
  }

  report(node: NodeId, socket: StreamSocket, report: StreamReport): void {
    const stream = this.#streams.get(node);
    if (stream?.socket !== socket) return;
    if (report.kind === "hello") this.#greet(stream, report);
    else {
      this.#applied.set(node, Math.min(report.generation, this.#options.network.generation));
      this.#see(node);
    }
  }

  appliedGeneration(node: NodeId): Counter | undefined {
    return this.#applied.get(node);
  }

  isConnected(node: NodeId): boolean {
    return this.#streams.has(node);
  }

  /** Who was heard of since this was last asked. */
  takeSeen(): ReadonlyMap<NodeId, SeenNow> {
    const seen = this.#seen;
    this.#seen = new Map();
    return seen;
  }

  /** Ends every stream; nodes come back to the next start. */
  stop(): void {
    this.#isStopped = true;
    clearInterval(this.#ticker);
    for (const stream of this.#streams.values()) {
      this.#see(stream.node);
      stream.socket.close(closeCode.restarting, "the control server restarts");
    }
    this.#streams.clear();
  }

  #greet(stream: Stream, report: StreamReport & { kind: "hello" }): void {
    const { network, clock, onFork } = this.#options;
    const { held, head } = report;
    if (stream.held !== null || held.epoch !== head.epoch) {
      stream.socket.close(closeCode.malformed, "not what a stream begins with");
      return;
    }
    const isOurs = network.headAt(head.epoch)?.root === head.root;
    const isAhead = held.generation > network.generation;
    if (!isOurs || isAhead) onFork(stream.node, report);
    if (!isOurs) {
      stream.socket.close(closeCode.forked, "the node holds what this server never said");
      return;
    }
    // Somebody else counted, with a stolen key maybe: the node knows whether that still binds it.
    stream.held = isAhead ? { ...held, generation: 0 } : held;
    // One that was expelled and knows it is not told again: it would come back for it without end.
    if (held.epoch >= network.lastEpochFor(stream.node)) this.#dismiss(stream);
    if (this.#streams.get(stream.node) !== stream) return;
    this.presence.set(stream.node, "online", clock.nowS());
    this.#see(stream.node);
    this.#pump(stream);
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    // At most half of the time goes into broadcasts: what changes meanwhile goes out with the next.
    const delayMs = Math.max(0, this.#busyUntilMs - this.#nowMs());
    setTimeout(() => void this.#broadcast(), delayMs);
  }

  async #broadcast(): Promise<void> {
    const startedAtMs = this.#nowMs();
    this.#isScheduled = false;
    let done = 0;
    for (const stream of [...this.#streams.values()]) {
      if (this.#isStopped) return;
      this.#pump(stream);
      if (++done % sliceSize === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const endedAtMs = this.#nowMs();
    this.#busyUntilMs = endedAtMs + (endedAtMs - startedAtMs);
  }

  /** Sends until the node has everything or its socket is full. */
  #pump(stream: Stream): void {
    const { network, clock } = this.#options;
    if (this.#isRotated(stream)) return this.#hangUp(stream, "the node has another key now");
    while (stream.isWritable && stream.held !== null && this.#isBehind(stream, stream.held)) {
      const part = mapSince(network, stream.held, stream.node, clock.nowS());
      if (!this.#send(stream, part)) return;
      stream.held = { epoch: part.head.epoch, generation: part.generation };
      if (part.isLast) this.#dismiss(stream);
    }
  }

  #isBehind(stream: Stream, held: Held): boolean {
    const { network } = this.#options;
    if (this.#streams.get(stream.node) !== stream) return false;
    const isOwed = stream.isOwed || stream.presence === "everything" || stream.presence.length > 0;
    return isOwed || held.generation < network.generation || held.epoch < network.state.epoch;
  }

  #send(stream: Stream, part: MapPart): boolean {
    const { network, control } = this.#options;
    const presence = part.isLast ? this.#takePresence(stream) : [];
    const terms = {
      network: network.state.network,
      audience: stream.node,
      signedAt: this.#signedAt(),
      presence,
    };
    const sent = stream.socket.send(sealMap(mapPayload(part, terms), control));
    stream.isWritable = sent > 0;
    // Dropped means that the socket is closing; its close event takes the stream away.
    if (sent === 0) return false;
    stream.isOwed = false;
    stream.lastMapAtMs = this.#nowMs();
    return true;
  }

  /** A node that does not belong any more has now been told so, and hears nothing after that. */
  #dismiss(stream: Stream): void {
    const status = this.#options.network.state.nodes.get(stream.node)?.status;
    if (status !== "active") this.#hangUp(stream, "the node was revoked");
  }

  /** Who proved a key that speaks for the node no more is told nothing more. */
  #isRotated({ node, key }: Stream): boolean {
    const present = this.#keyOf(node);
    return present !== undefined && present !== key;
  }

  #keyOf(node: NodeId): SigningKey | undefined {
    return this.#options.network.state.nodes.get(node)?.key;
  }

  #hangUp(stream: Stream, why: string): void {
    stream.socket.close(closeCode.revoked, why);
    this.closed(stream.node, stream.socket);
  }

  #takePresence(stream: Stream): readonly string[] {
    const texts =
      stream.presence === "everything" ? this.#presenceFor(stream.node) : stream.presence;
    stream.presence = texts.slice(mapItemsMax);
    return texts.slice(0, mapItemsMax);
  }

  #presenceFor(viewer: NodeId): readonly string[] {
    const { network } = this.#options;
    if (network.state.nodes.size > presenceNodesMax) return [];
    return [...this.presence.all()]
      .filter(({ node }) => maySee(network.state, viewer, node))
      .map(presenceText);
  }

  /** Never lower than before, unless the clock ran so far ahead that nobody believes it anyway. */
  #signedAt(): UnixS {
    const now = this.#options.clock.nowS();
    const isUsable = this.#lastSignedAt - now <= skewMaxS;
    this.#lastSignedAt = isUsable ? Math.max(now, this.#lastSignedAt) : now;
    return this.#lastSignedAt;
  }

  #tick(): void {
    const nowMs = this.#nowMs();
    this.#tellPresence(nowMs);
    for (const stream of this.#streams.values()) {
      if (stream.held === null) {
        if (nowMs - stream.openedAtMs > helloTimeoutMs)
          stream.socket.close(closeCode.malformed, "the node did not say what it holds");
      } else if (nowMs - stream.lastMapAtMs >= heartbeatS * 1_000) {
        stream.isOwed = true;
        this.#see(stream.node);
        this.#schedule();
      }
    }
  }

  #tellPresence(nowMs: number): void {
    if (!this.presence.hasChanges || nowMs - this.#presenceToldAtMs < presenceIntervalMs) return;
    this.#presenceToldAtMs = nowMs;
    const { state } = this.#options.network;
    const changes = this.presence.takeChanges();
    if (state.nodes.size > presenceNodesMax) return;
    const told = changes.map((change) => ({ node: change.node, text: presenceText(change) }));
    for (const stream of this.#streams.values()) {
      if (stream.presence === "everything") continue;
      const visible = told.filter(({ node }) => maySee(state, stream.node, node));
      const pending = [...stream.presence, ...visible.map(({ text }) => text)];
      // Who lags behind gets the whole once instead of a growing history.
      stream.presence = pending.length > mapItemsMax ? "everything" : pending;
    }
    this.#schedule();
  }

  #see(node: NodeId): void {
    const appliedGeneration = this.#applied.get(node) ?? null;
    this.#seen.set(node, { lastSeenAt: this.#options.clock.nowS(), appliedGeneration });
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }
}
