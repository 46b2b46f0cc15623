/**
 * peer-http serves HTTP on a Unix socket to callers whom the kernel vouches for. It owns the socket
 * file, the limits, and what a browser that was lured here must not get past; what a caller may do is
 * decided by whoever serves.
 */
import { chmodSync, rmSync } from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import { lockFile } from "./file-lock.ts";
import { addressOf, errno, errorName, libc, pinned } from "./libc.ts";

/** Who is at the other end, as the kernel noted when it connected (socket(7), SO_PEERCRED). */
export type PeerCredentials = {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
};

export type PeerHttpOptions<Caller> = {
  readonly path: string;
  /** Of the socket file: a first fence, before credentials are looked at. */
  readonly mode: number;
  readonly identify: (peer: PeerCredentials) => Caller;
  readonly fetch: (request: Request, caller: Caller) => Promise<Response>;
  readonly limits?: Partial<PeerHttpLimits>;
};

export type PeerHttpLimits = {
  readonly bodyMaxBytes: number;
  /** For the whole request, from the first byte to the last. */
  readonly requestMaxMs: number;
  /** Between two requests of one connection. */
  readonly idleMaxMs: number;
  readonly connectionsMax: number;
  /** Of one user: whoever may only look is not to keep those out who may change. */
  readonly connectionsPerUserMax: number;
};

export type PeerHttpServer = {
  /** Stops accepting, lets answers under way end, and removes the socket file. */
  readonly close: () => Promise<void>;
};

/** What every request must name as its host: a page that was lured here cannot. */
export const localHost = "local";

const limitsDefault: PeerHttpLimits = {
  bodyMaxBytes: 256 * 1024,
  requestMaxMs: 10_000,
  idleMaxMs: 30_000,
  connectionsMax: 256,
  connectionsPerUserMax: 64,
};

/** Throws `busy` when another process serves this path. */
export async function servePeerHttp<Caller>(
  options: PeerHttpOptions<Caller>,
): Promise<PeerHttpServer> {
  const limits = { ...limitsDefault, ...options.limits };
  const lock = claim(options.path);
  try {
    return await open(options, limits, lock);
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

function claim(path: string): Disposable {
  const remedy = `end it first; ss -xlp src ${path} shows which one it is`;
  try {
    return lockFile(`${path}.lock`, `another process serves ${path}`, remedy);
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw notListening(path, cause);
  }
}

const notListening = (path: string, cause: unknown): Fault =>
  new Fault("unavailable", `cannot listen at ${path}`, {
    cause,
    remedy: "see that its directory is there and belongs to the service's user",
  });

async function open<Caller>(
  options: PeerHttpOptions<Caller>,
  limits: PeerHttpLimits,
  lock: Disposable,
): Promise<PeerHttpServer> {
  const callers = new WeakMap<object, Caller>();
  const connections = new Map<net.Socket, PeerCredentials>();
  const hasRoom = ({ uid }: PeerCredentials): boolean => {
    const theirs = [...connections.values()].filter((peer) => peer.uid === uid);
    return theirs.length < limits.connectionsPerUserMax;
  };
  const web = http.createServer({ maxHeaderSize: 8 * 1024 }, (request, response) => {
    void answer(options, limits, callers, request, response);
  });
  const server = net.createServer((socket) => {
    if (connections.size >= limits.connectionsMax) return void socket.destroy();
    const known = identify(options, socket);
    if (known === null || !hasRoom(known.peer)) return void socket.destroy();
    callers.set(socket, known.caller);
    connections.set(socket, known.peer);
    socket.on("close", () => connections.delete(socket));
    socket.on("error", () => socket.destroy());
    allow(socket, limits.requestMaxMs);
    web.emit("connection", socket);
  });
  await listen(server, options.path, options.mode);
  return {
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of connections.keys()) socket.end();
      allowAll(connections.keys(), 1_000);
      await closed;
      rmSync(options.path, { force: true });
      lock[Symbol.dispose]();
    },
  };
}

/** Null for a caller that cannot be made out, be it for want of descriptors: it is not let in. */
function identify<Caller>(
  options: PeerHttpOptions<Caller>,
  socket: net.Socket,
): { readonly peer: PeerCredentials; readonly caller: Caller } | null {
  try {
    const peer = credentialsOf(socket);
    return peer === null ? null : { peer, caller: options.identify(peer) };
  } catch {
    return null;
  }
}

/** A socket file that is left over from a process that died is in nobody's use: we hold the lock. */
async function listen(server: net.Server, path: string, mode: number): Promise<void> {
  rmSync(path, { force: true });
  // The file is born closed and opened afterwards: nobody connects in between.
  const umask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
  } catch (cause) {
    throw notListening(path, cause);
  } finally {
    process.umask(umask);
  }
  chmodSync(path, mode);
}

const deadlines = new WeakMap<net.Socket, ReturnType<typeof setTimeout>>();

/** Gives a connection this long from now; null lets it take its time. */
function allow(socket: net.Socket, timeMs: number | null): void {
  clearTimeout(deadlines.get(socket));
  if (timeMs === null || socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), timeMs);
  timer.unref();
  deadlines.set(socket, timer);
}

function allowAll(sockets: Iterable<net.Socket>, timeMs: number): void {
  for (const socket of sockets) allow(socket, timeMs);
}

async function answer<Caller>(
  options: PeerHttpOptions<Caller>,
  limits: PeerHttpLimits,
  callers: WeakMap<object, Caller>,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): Promise<void> {
  const { socket } = request;
  const caller = callers.get(socket);
  try {
    const refusal = refuseStranger(request);
    const body = refusal === null ? await readBody(request, limits.bodyMaxBytes) : null;
    // What the answer takes is the server's own business: joining a network may take a while.
    allow(socket, null);
    const result =
      refusal ??
      (body === null || caller === undefined
        ? refuse(413, "request_malformed", "the body is too large")
        : await options.fetch(requestOf(request, body), caller));
    await send(response, result, body !== null);
  } catch {
    // Whoever serves answers its own errors; what arrives here is a connection that broke.
    if (!response.headersSent) await send(response, refuse(500, "unavailable", "broke"), false);
  }
  allow(socket, limits.idleMaxMs);
}

/** A page in a browser can reach neither a Unix socket nor this host name, but a proxy might for it. */
function refuseStranger(request: http.IncomingMessage): Response | null {
  const { host, origin } = request.headers;
  if (origin !== undefined) return refuse(403, "permission_denied", "not from a web page");
  if (host !== localHost) return refuse(403, "permission_denied", `the host must be ${localHost}`);
  return null;
}

const refuse = (status: number, code: string, message: string): Response =>
  Response.json({ code, message }, { status });

/** Null when there is more than the limit. */
async function readBody(
  request: http.IncomingMessage,
  sizeMaxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    sizeBytes += chunk.length;
    if (sizeBytes > sizeMaxBytes) return null;
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

function requestOf(request: http.IncomingMessage, body: Uint8Array<ArrayBuffer>): Request {
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers))
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
  const { method = "GET", url = "/" } = request;
  const hasBody = method !== "GET" && method !== "HEAD";
  return new Request(`http://${localHost}${url}`, {
    method,
    headers,
    body: hasBody ? body : null,
  });
}

async function send(
  response: http.ServerResponse,
  result: Response,
  mayStay: boolean,
): Promise<void> {
  const headers = Object.fromEntries(result.headers);
  const text = await result.bytes();
  const connection = mayStay ? "keep-alive" : "close";
  response.writeHead(result.status, { ...headers, "content-length": text.length, connection });
  response.end(text);
}

const Handle = v.object({ _handle: v.object({ fd: v.number() }) });
const solSocket = 1;
const soPeerCred = 17;
const soPeerGroups = 59;
const groupsMax = 1_024;

/** Null for a peer that is gone already. */
function credentialsOf(socket: net.Socket): PeerCredentials | null {
  const handle = v.safeParse(Handle, socket);
  if (!handle.success) throw new Fault("unavailable", "this runtime hides its sockets");
  const { fd } = handle.output._handle;
  const credentials = readOption(fd, soPeerCred, 12);
  const groups = readOption(fd, soPeerGroups, 4 * groupsMax);
  if (credentials === null || groups === null) return null;
  const [pid = 0, uid = 0xffff_ffff, gid = 0xffff_ffff] = credentials;
  return { pid, uid, gid, groups: [...groups] };
}

function readOption(fd: number, option: number, sizeBytes: number): Uint32Array | null {
  const value = pinned(sizeBytes);
  const length = pinned(4);
  new DataView(length.buffer).setUint32(0, sizeBytes, true);
  if (libc.getsockopt(fd, solSocket, option, addressOf(value), addressOf(length)) !== 0) {
    const name = errorName(errno());
    if (name === "EBADF" || name === "ENOTCONN") return null;
    throw new Fault("unavailable", `the kernel does not say who connected: ${name}`);
  }
  const used = new DataView(length.buffer).getUint32(0, true);
  return new Uint32Array(value.buffer, 0, used / 4);
}
