/**
 * listener is the TLS socket of the control server: TLS 1.3 and nothing older, HTTP calls, and the
 * map stream as a WebSocket on the same port.
 */
import type { Server, ServerWebSocket } from "bun";
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import type { NodeId } from "../model/ids.ts";
import type { SigningKey } from "../model/keys.ts";
import { mapStreamPath } from "../wire/control-api.ts";
import { closeCode, StreamReport } from "../wire/map.ts";
import { bodyMaxBytes, type Door, refusalResponse, respondToError } from "./api.ts";
import type { Control } from "./control.ts";
import { identify, networkDoor, revoked } from "./door.ts";

/** BoringSSL's number for TLS 1.3. The name that Bun's types suggest is refused or ignored. */
const tls13 = 0x0304;

const askingMaxS = 10;
const answerMaxS = 60;

/** A report is a few hundred bytes. */
const reportMaxBytes = 4 * 1024;
/** Reports that a node may send in a row, and how many come back each second. */
const reportsBurst = 100;
const reportsPerSecond = 10;

type Attached = {
  readonly node: NodeId;
  readonly key: SigningKey;
  credit: number;
  creditAtMs: number;
};
type Socket = ServerWebSocket<Attached>;

export type Listener = {
  readonly port: number;
  /** Stops accepting, waits for answers under way, and closes what is left. */
  readonly close: () => Promise<void>;
};

export type ListenOptions = {
  readonly hostname: string;
  readonly port: number;
  readonly certificate: string;
  readonly privateKey: string;
};

/** Throws `unavailable` when the address is taken or not ours. */
export function listen(
  control: Control,
  call: (request: Request, door: Door) => Promise<Response>,
  options: ListenOptions,
): Listener {
  const { hostname, port, certificate, privateKey } = options;
  const tls: Bun.TLSOptions & { minVersion: number } = {
    cert: certificate,
    key: privateKey,
    minVersion: tls13,
  };
  const server = openServer(() =>
    Bun.serve({
      hostname,
      port,
      tls,
      maxRequestBodySize: 4 * bodyMaxBytes,
      idleTimeout: askingMaxS,
      development: false,
      fetch: (request, owner) => answer(control, call, request, owner),
      error: (error) => respondToError(error, control.log),
      websocket: streamHandlers(control),
    }),
  );
  return {
    port: server.port ?? port,
    close: async () => {
      const grace = setTimeout(() => void server.stop(true), 2_000);
      await server.stop();
      clearTimeout(grace);
    },
  };

  function openServer<T>(open: () => T): T {
    try {
      return open();
    } catch (cause) {
      throw new Fault("unavailable", `cannot listen on ${hostname} port ${port}`, {
        cause,
        remedy: "free the port, or choose another address with --listen",
      });
    }
  }
}

async function answer(
  control: Control,
  call: (request: Request, door: Door) => Promise<Response>,
  request: Request,
  server: Server<Attached>,
): Promise<Response | undefined> {
  const address = server.requestIP(request)?.address ?? "unknown";
  // The short timeout is for those who do not finish asking; an answer may have to wait its turn.
  server.timeout(request, answerMaxS);
  // No browser is a client of this API; a page that makes one ask is up to no good.
  if (request.headers.get("origin") !== null)
    return refusalResponse(new Fault("permission_denied", "not from a web page"));
  // Bun makes the address from the Host field as it came, which may make none.
  if (!URL.canParse(request.url))
    return refusalResponse(new Fault("request_malformed", "the Host field is no host"));
  if (new URL(request.url).pathname !== mapStreamPath)
    return call(request, networkDoor(control, address));
  try {
    return await upgrade(control, request, server, address);
  } catch (error) {
    return respondToError(error instanceof Error ? error : new Error(String(error)), control.log);
  }
}

/** Who was expelled or put into quarantine while away comes to be told so, by the log. */
const refuseNobody = (): void => {};

async function upgrade(
  control: Control,
  request: Request,
  server: Server<Attached>,
  address: string,
): Promise<Response | undefined> {
  if (request.method !== "GET") {
    const fault = new Fault("usage", "not with this method", { remedy: "use GET" });
    const { status, headers } = { status: 405, headers: { allow: "GET" } };
    return Response.json({ code: fault.code, message: fault.message }, { status, headers });
  }
  const caller = await identify(control, request, new Uint8Array(), address, refuseNobody);
  if (caller.kind !== "member") {
    throw new Fault("permission_denied", "this call needs a member", {
      remedy: "sign the request with the identity key of an active node",
    });
  }
  const data = { node: caller.node.id, key: caller.node.key, credit: reportsBurst, creditAtMs: 0 };
  if (server.upgrade(request, { data })) return undefined;
  if (caller.node.status === "revoked") throw revoked();
  const fault = new Fault("usage", "the map stream is a WebSocket", { remedy: "upgrade" });
  return refusalResponse(fault, 426);
}

function streamHandlers(control: Control) {
  const { streams, clock } = control;
  return {
    data: {} as Attached,
    maxPayloadLength: reportMaxBytes,
    backpressureLimit: 16 * 1024 * 1024,
    closeOnBackpressureLimit: true,
    // Bun pings before it runs out: a node that is gone without a word is noticed by then.
    idleTimeout: 90,
    sendPings: true,
    perMessageDeflate: false,
    open: (socket: Socket) => streams.open(socket.data.node, socket, socket.data.key),
    close: (socket: Socket) => streams.closed(socket.data.node, socket),
    drain: (socket: Socket) => streams.drained(socket.data.node, socket),
    message: (socket: Socket, message: string | Buffer) => {
      const report = hasCredit(socket.data, clock.monotonicMs()) ? parseReport(message) : null;
      if (report === null) socket.close(closeCode.malformed, "not a report");
      else streams.report(socket.data.node, socket, report);
    },
  };
}

function hasCredit(attached: Attached, nowMs: number): boolean {
  const earned = ((nowMs - attached.creditAtMs) / 1_000) * reportsPerSecond;
  attached.credit = Math.min(reportsBurst, attached.credit + earned) - 1;
  attached.creditAtMs = nowMs;
  return attached.credit >= 0;
}

function parseReport(message: string | Buffer): StreamReport | null {
  if (typeof message !== "string") return null;
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), StreamReport), message);
  return parsed.success ? parsed.output : null;
}
