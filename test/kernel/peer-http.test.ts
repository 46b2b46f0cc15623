/** peer-http: the kernel says who calls; limits hold; a dead server's file is no obstacle, a live one's is. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import * as net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../../src/base/fault.ts";
import {
  type PeerCredentials,
  type PeerHttpOptions,
  type PeerHttpServer,
  servePeerHttp,
} from "../../src/kernel/peer-http.ts";
import { waitFor } from "../lab/wait-for.ts";

let directory = "";
let path = "";
const servers: PeerHttpServer[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rustynet-peer-"));
  path = join(directory, "test.sock");
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  rmSync(directory, { recursive: true, force: true });
});

async function serve(changes: Partial<PeerHttpOptions<PeerCredentials>> = {}): Promise<void> {
  const options: PeerHttpOptions<PeerCredentials> = {
    path,
    mode: 0o660,
    identify: (peer) => peer,
    fetch: async (request, peer) =>
      Response.json({ peer, method: request.method, url: request.url, body: await request.text() }),
    ...changes,
  };
  servers.push(await servePeerHttp(options));
}

const ask = (init: RequestInit = {}, url = "http://local/v1/x?a=1") =>
  fetch(url, { unix: path, ...init });

/** Sends these bytes as they are and returns all that comes back before the other side hangs up. */
function raw(text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = net.connect(path, () => socket.write(text));
    socket.on("data", (data) => (answer += data.toString()));
    socket.on("error", () => resolve(answer));
    socket.on("close", () => resolve(answer));
  });
}

test("the caller is who the kernel says, and the request is whole", async () => {
  await serve();
  const answer = (await (await ask({ method: "POST", body: "hello" })).json()) as {
    peer: PeerCredentials;
  };
  expect(answer).toMatchObject({ method: "POST", url: "http://local/v1/x?a=1", body: "hello" });
  expect(answer.peer).toMatchObject({
    pid: process.pid,
    uid: process.getuid?.() ?? -1,
    gid: process.getgid?.() ?? -1,
  });
  expect(new Set(answer.peer.groups)).toEqual(new Set(process.getgroups?.()));
});

test("a caller who cannot be made out is not let in, and the next one is", async () => {
  let calls = 0;
  const identify = (peer: PeerCredentials) => {
    if (calls++ === 0) throw new Error("no descriptors left");
    return peer;
  };
  await serve({ identify });
  expect(await raw("GET / HTTP/1.1\r\nhost: local\r\n\r\n")).toBe("");
  expect((await ask()).status).toBe(200);
});

test.if(process.getuid?.() === 0)("another user is another caller", async () => {
  await serve({ mode: 0o666 });
  const script = `const r = await fetch("http://local/", { unix: ${JSON.stringify(path)} }); console.log(await r.text());`;
  chmodSync(directory, 0o755);
  const argv = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const child = Bun.spawn([...argv, process.execPath, "-e", script], { cwd: "/", env: {} });
  const { peer } = JSON.parse(await new Response(child.stdout).text()) as { peer: PeerCredentials };
  expect(peer).toMatchObject({ uid: 65_534, gid: 65_534, groups: [] });
});

test("the socket file has its mode from the start, and goes with the server", async () => {
  await serve({ mode: 0o660 });
  expect(statSync(path).mode & 0o777).toBe(0o660);
  await servers.splice(0)[0]?.close();
  expect(existsSync(path)).toBe(false);
});

test("a file that a dead server left is replaced, a live server is not", async () => {
  writeFileSync(path, "left over");
  await serve();
  expect((await ask()).status).toBe(200);
  const second = await serve().catch((error: unknown) => error);
  expect(second instanceof Fault && second.code).toBe("busy");
  expect((await ask()).status).toBe(200);
});

test.each([
  ["a page's origin", { origin: "https://evil.example" }, "http://local/"],
  ["another host's name", {}, "http://evil.example/"],
  ["the host's own name", {}, "http://localhost/"],
])("a request with %s is refused before anybody sees it", async (_what, headers, url) => {
  let isSeen = false;
  await serve({
    fetch: () => {
      isSeen = true;
      return Promise.resolve(new Response());
    },
  });
  expect((await ask({ headers }, url)).status).toBe(403);
  expect(isSeen).toBe(false);
});

test("a body over the limit is refused, and the next connection is served", async () => {
  await serve({ limits: { bodyMaxBytes: 1_000 } });
  expect((await ask({ method: "POST", body: "x".repeat(1_000) })).status).toBe(200);
  expect((await ask({ method: "POST", body: "x".repeat(1_001) })).status).toBe(413);
  expect((await ask()).status).toBe(200);
});

test.each([
  ["nothing", ""],
  ["half a header", "GET / HTTP/1.1\r\nHost: lo"],
  ["half a body", "POST / HTTP/1.1\r\nHost: local\r\nContent-Length: 10\r\n\r\nhalf"],
])("a caller who sends %s and waits is hung up on", async (_what, text) => {
  await serve({ limits: { requestMaxMs: 20, idleMaxMs: 20 } });
  expect(await raw(text)).not.toContain("200 OK");
  expect((await ask()).status).toBe(200);
});

test("an answer may take longer than a request", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await serve({
    limits: { requestMaxMs: 20 },
    fetch: async () => {
      await promise;
      return new Response("done");
    },
  });
  const answer = ask();
  // Longer than the request may take, by the same clock.
  setTimeout(resolve, 60);
  expect(await (await answer).text()).toBe("done");
});

test.if(process.getuid?.() === 0)("one user's connections keep nobody else out", async () => {
  await serve({ mode: 0o666, limits: { connectionsPerUserMax: 2 } });
  const script = `
    const net = require("node:net");
    let closed = 0;
    for (let i = 0; i < 9; i++)
      net.connect(${JSON.stringify(path)}).on("error", () => {}).on("close", () => {
        closed++;
        if (closed === 7) console.log("the rest is held");
      });
    setInterval(() => {}, 1_000);`;
  chmodSync(directory, 0o755);
  const other = Bun.spawn(
    [
      ...["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
      ...[process.execPath, "-e", script],
    ],
    { stdio: ["ignore", "pipe", "inherit"], env: {} },
  );
  const said = await other.stdout.getReader().read();
  expect(new TextDecoder().decode(said.value)).toContain("the rest is held");
  expect((await ask()).status).toBe(200);
  other.kill();
});

test("more connections than are allowed are not accepted", async () => {
  await serve({ limits: { connectionsMax: 3 } });
  const held = Array.from({ length: 3 }, () => net.connect(path));
  let connected = 0;
  for (const socket of held) socket.on("connect", () => (connected += 1));
  await waitFor("the connections", () => connected === 3);
  await waitFor(
    "the refusal",
    async () => (await raw("GET / HTTP/1.1\r\nHost: local\r\n\r\n")) === "",
  );
  for (const socket of held) socket.destroy();
  await waitFor("room", async () => (await ask().catch(() => null))?.status === 200);
});

test("a socket whose directory is not there is refused as such", async () => {
  const attempt = serve({ path: join(directory, "missing", "test.sock") });
  const error = await attempt.catch((caught: unknown) => caught);
  expect(error instanceof Fault && error.code).toBe("unavailable");
});

test("a handler that breaks is one broken answer, which tells nothing", async () => {
  await serve({ fetch: () => Promise.reject(new Error("inner secret")) });
  const answer = await ask();
  expect(answer.status).toBe(500);
  expect(await answer.text()).not.toContain("inner secret");
});
