/** control-stream is one map stream from open to close, and notices by itself when it is dead. */
import type { Fault } from "../base/fault.ts";
import type { Finding } from "../wire/local-api.ts";
import { closeCode, heartbeatS, type StreamReport } from "../wire/map.ts";
import type { MapStream, MapStreamHooks } from "./control-client.ts";
import type { PinnedTls } from "../client/tls-pin.ts";

export type StreamOptions = {
  readonly url: string;
  readonly tls: PinnedTls;
  readonly headers: Record<string, string>;
  /** Finds out why the server did not open the stream. */
  readonly explain: () => Promise<Fault>;
  readonly hooks: MapStreamHooks;
};

const openMaxMs = 10_000;
/** A map comes every `heartbeatS`; when a quarter more has passed, the stream is dead. */
const silenceMaxMs = heartbeatS * 1_250;
/** Half of what a reconnect may take: an answer from the other end of the world needs less. */
const probeMaxMs = 500;

/** Resolves once the stream is open and the server knows what this node holds. */
export function openStream(options: StreamOptions): Promise<MapStream> {
  const { hooks } = options;
  const url = options.url.replace(/^https:/, "wss:");
  const { headers, tls } = options;
  const socket = new WebSocket(url, { headers, tls, perMessageDeflate: false });
  const life = new Life(socket, hooks);
  return new Promise((resolve, reject) => {
    let isOpen = false;
    const refuse = async (): Promise<void> => {
      if (isOpen) return;
      isOpen = true;
      life.end();
      reject(await options.explain());
    };
    const timer = setTimeout(() => socket.terminate(), openMaxMs);
    socket.addEventListener("open", () => {
      clearTimeout(timer);
      isOpen = true;
      const { held, head } = hooks;
      life.begin();
      life.send({ kind: "hello", held, head });
      resolve({
        close: () => life.close(),
        probe: () => life.probe(),
        send: (report) => life.send(report),
      });
    });
    socket.addEventListener("error", () => void refuse());
    socket.addEventListener("close", (event) => {
      clearTimeout(timer);
      if (isOpen) life.closed(event.code, event.reason);
      else void refuse();
    });
  });
}

class Life {
  readonly #socket: WebSocket;
  readonly #hooks: MapStreamHooks;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #probe: ReturnType<typeof setTimeout> | undefined;
  #isEnded = false;
  #isOurs = false;

  constructor(socket: WebSocket, hooks: MapStreamHooks) {
    this.#socket = socket;
    this.#hooks = hooks;
  }

  begin(): void {
    this.#heard();
    for (const kind of ["ping", "pong"] as const)
      this.#socket.addEventListener(kind, () => this.#heard());
    this.#socket.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      this.#heard();
      if (typeof data === "string" && !this.#isEnded) this.#hooks.onMap(data);
    });
  }

  send(report: StreamReport): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(report));
  }

  close(): void {
    this.#isOurs = true;
    this.#hangUp(null);
  }

  probe(): void {
    if (this.#isEnded || this.#probe !== undefined) return;
    this.#probe = setTimeout(() => this.#hangUp(silent), probeMaxMs);
    this.#socket.ping();
  }

  closed(code: number, reason: string): void {
    this.#finish(this.#isOurs ? null : findingOf(code, reason));
  }

  /** Stops the timers. Called again, it does nothing. */
  end(): void {
    this.#isEnded = true;
    clearTimeout(this.#silence);
    clearTimeout(this.#probe);
  }

  #heard(): void {
    if (this.#isEnded) return;
    clearTimeout(this.#probe);
    this.#probe = undefined;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#hangUp(silent), silenceMaxMs);
  }

  /** Without waiting for the other side, which may be the reason. */
  #hangUp(reason: Finding | null): void {
    this.#finish(reason);
    this.#socket.close();
    this.#socket.terminate();
  }

  #finish(reason: Finding | null): void {
    if (this.#isEnded) return;
    this.end();
    this.#hooks.onClose(reason);
  }
}

const silent: Finding = {
  code: "timeout",
  message: "the control server is silent",
  remedy: "it is tried again by itself",
};

function findingOf(code: number, reason: string): Finding {
  switch (code) {
    case closeCode.revoked:
      return {
        code: "revoked",
        message: "this node was expelled from the network",
        remedy: "rustynet logout --local, then join again with a new token",
      };
    case closeCode.replaced:
      return {
        code: "busy",
        message: "another daemon with this node's identity has connected",
        remedy: "find out where a copy of this host's state runs, and end it",
      };
    case closeCode.forked:
      return {
        code: "map_rejected",
        message: "the control server's log is not the one that this node holds",
        remedy: "ask the network's operator whether the server was restored from a backup",
      };
    case closeCode.malformed:
      return { code: "request_malformed", message: `the control server hung up: ${reason}` };
    case closeCode.restarting:
      return { code: "unavailable", message: "the control server restarts" };
    default:
      return { code: "unavailable", message: `the map stream ended (${code})` };
  }
}
