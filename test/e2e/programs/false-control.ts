/**
 * false-control is a control server without a mind: it holds the TLS key, takes every stream and every
 * call without looking, and says what it is told to over a Unix socket.
 * Usage: false-control PORT CERTIFICATE_FILE KEY_FILE SOCKET [UPSTREAM_URL]
 */
export {};

const [port = "8443", certificate = "", key = "", socket = "", upstream = ""] =
  process.argv.slice(2);

type Stream = { readonly id: number; readonly key: string; hello: unknown; isOpen: boolean };
type Attached = { readonly stream: Stream };
type Call = { readonly id: number; readonly path: string; readonly body: string };

const streams: Stream[] = [];
const sockets = new Map<number, Bun.ServerWebSocket<Attached>>();
const calls: Call[] = [];
const waiting = new Map<number, (response: Response) => void>();

/** RFC 9421: who says to have signed. */
const keyOf = (request: Request): string =>
  /keyid="([0-9a-f]+)"/.exec(request.headers.get("signature-input") ?? "")?.[1] ?? "";

const tls: Bun.TLSOptions & { minVersion: number } = {
  cert: Bun.file(certificate),
  key: Bun.file(key),
  minVersion: 0x0304,
};

const server = Bun.serve<Attached>({
  hostname: "::",
  port: Number(port),
  tls,
  idleTimeout: 60,
  async fetch(request, owner) {
    const { pathname: path } = new URL(request.url);
    if (path === "/v1/map") {
      const stream = { id: streams.length, key: keyOf(request), hello: null, isOpen: true };
      return owner.upgrade(request, { data: { stream } }) ? undefined : new Response("no");
    }
    const call = { id: calls.length, path, body: await request.text() };
    calls.push(call);
    if (path === "/v1/advertisement") return Response.json({ generation: 0 });
    return new Promise((resolve) => waiting.set(call.id, resolve));
  },
  websocket: {
    maxPayloadLength: 16 * 1024,
    idleTimeout: 120,
    open(ws) {
      streams.push(ws.data.stream);
      sockets.set(ws.data.stream.id, ws);
    },
    message(ws, message) {
      ws.data.stream.hello ??= JSON.parse(String(message));
    },
    close(ws) {
      ws.data.stream.isOpen = false;
      sockets.delete(ws.data.stream.id);
    },
  },
});

Bun.serve({
  unix: socket,
  maxRequestBodySize: 256 * 1024 * 1024,
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    const id = Number(searchParams.get("id"));
    switch (pathname) {
      case "/streams":
        return Response.json(streams);
      case "/calls":
        return Response.json(calls);
      case "/say":
        return Response.json({ sent: sockets.get(id)?.send(await request.text()) ?? 0 });
      case "/forward": {
        const { path, body } = calls[id] ?? { path: "/", body: "" };
        const headers = { "content-type": "application/json" };
        return fetch(`${upstream}${path}`, {
          ...{ method: "POST", body, headers },
          tls: { rejectUnauthorized: false },
        });
      }
      case "/send": {
        const headers = { "content-type": "application/json" };
        const body = await request.text();
        const answer = await fetch(`${upstream}${searchParams.get("path")}`, {
          ...{ method: "POST", body, headers },
          tls: { rejectUnauthorized: false },
        });
        return Response.json({ status: answer.status, body: await answer.json() });
      }
      case "/reply": {
        const body = await request.text();
        const headers = { "content-type": "application/json" };
        waiting.get(id)?.(new Response(body, { headers }));
        return Response.json({});
      }
      default:
        return new Response("", { status: 404 });
    }
  },
});

console.log(JSON.stringify({ event: "listening", port: server.port }));
