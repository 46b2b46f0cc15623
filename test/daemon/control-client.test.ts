/** control-client: to the one server that the token named, over a stream that notices when it is dead. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import type * as net from "node:net";
import * as tls from "node:tls";
import * as v from "valibot";
import { Fault } from "../../src/base/fault.ts";
import { makeCertificate } from "../../src/control/certificate.ts";
import { tlsPinOf } from "../../src/control/tls-files.ts";
import { Envelope, openEnvelope } from "../../src/crypto/envelope.ts";
import { backoffMs, type MapStreamHooks } from "../../src/daemon/control-client.ts";
import type { Head } from "../../src/wire/advertisement.ts";
import { ControlUrl } from "../../src/wire/join-token.ts";
import type { Finding } from "../../src/wire/local-api.ts";
import { type Held, Map as PeerMap, mapType } from "../../src/wire/map.ts";
import { waitFor } from "../lab/wait-for.ts";
import { Harness, random, type TestNode } from "../support/control-harness.ts";
import { certificateChain } from "../support/certificate-chain.ts";
import { Prng } from "../support/prng.ts";
import { unwrap } from "../support/world.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await Harness.start();
});
afterAll(() => harness.stop());

async function faultOf(attempt: Promise<unknown>): Promise<Fault> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** Opens the node's stream and collects what comes. */
async function follow(node: TestNode, changes: Partial<MapStreamHooks> = {}) {
  const maps: PeerMap[] = [];
  const closed: (Finding | null)[] = [];
  const held: Held = { epoch: 0, generation: 0 };
  const head = { epoch: 0, root: harness.genesisRoot } as Head;
  const stream = await node.client().openMapStream({
    held,
    head,
    onMap: (text) => {
      const envelope = v.parse(Envelope, JSON.parse(text));
      maps.push(v.parse(PeerMap, unwrap(openEnvelope(envelope, mapType)).value));
    },
    onClose: (reason) => closed.push(reason),
    ...changes,
  });
  return { stream, maps, closed };
}

test("a stream brings the whole state, then each change, also who is online", async () => {
  const alpha = await harness.join("alpha");
  const { stream, maps, closed } = await follow(alpha);
  await waitFor("the first map", () => maps.length === 1);
  expect(maps[0]).toMatchObject({ audience: alpha.id, since: { epoch: 0, generation: 0 } });
  const beta = await harness.join("beta");
  await beta.advertise();
  await waitFor(
    "the change",
    () => maps.at(-1)?.generation === harness.running.control.network.generation,
  );
  const other = await follow(beta);
  const isOnline = () => maps.some(({ presence }) => presence.some(({ node }) => node === beta.id));
  await waitFor("presence", isOnline);
  other.stream.close();
  expect(other.closed).toEqual([null]);
  stream.send({ kind: "applied", generation: 2, epoch: 1 });
  const applied = async () => {
    const { nodes } = await harness.operate("nodeList", {});
    return nodes.find(({ node }) => node.id === alpha.id)?.appliedGeneration === 2;
  };
  await waitFor("the report", applied);
  stream.close();
  expect(closed).toEqual([null]);
});

test("a node that comes back gets what it missed and nothing else", async () => {
  const node = await harness.join("comes-back");
  const first = await follow(node);
  await waitFor("the first map", () => first.maps.length > 0);
  first.stream.close();
  const { head, generation } = first.maps.at(-1) ?? { head: { epoch: 0 }, generation: 0 };
  const other = await harness.join("while-away");
  await other.advertise();
  const held = { epoch: head.epoch, generation };
  const again = await follow(node, { held, head: head as never });
  await waitFor("what it missed", () => again.maps.length > 0);
  expect(again.maps[0]?.entries).toHaveLength(1);
  expect(again.maps[0]?.advertisements).toHaveLength(1);
  again.stream.close();
});

test("an expelled node hears it on the stream, also when it comes late, and nothing else", async () => {
  const node = await harness.join("expelled");
  const { maps, closed } = await follow(node);
  await waitFor("the first map", () => maps.length > 0);
  await harness.operate("nodeRevoke", { node: "expelled" });
  await waitFor("the end", () => closed.length > 0);
  expect(closed[0]?.code).toBe("revoked");
  expect(maps.at(-1)?.entries.length).toBeGreaterThan(0);
  await harness.join("after-it");
  const late = await follow(node);
  await waitFor("the end again", () => late.closed.length > 0);
  expect(late.closed[0]?.code).toBe("revoked");
  // The log up to its own end, and not a word of who came later.
  expect(late.maps.at(-1)?.head).toEqual(maps.at(-1)?.head as Head);
  expect((await faultOf(node.advertise())).code).toBe("revoked");
});

test("a second stream of a node ends its first, which says why", async () => {
  const node = await harness.join("twice");
  const first = await follow(node);
  const second = await follow(node);
  await waitFor("the end of the first", () => first.closed.length > 0);
  expect(first.closed[0]?.code).toBe("busy");
  expect(second.closed).toEqual([]);
  second.stream.close();
});

test("a node that holds another log is told so, and the audit has it", async () => {
  const node = await harness.join("forked");
  const root = createHash("sha256").update("another").digest("hex");
  const head = { epoch: 1, root } as never;
  const { closed } = await follow(node, { held: { epoch: 1, generation: 1 }, head });
  await waitFor("the end", () => closed.length > 0);
  expect(closed[0]?.code).toBe("map_rejected");
  const { records } = await harness.operate("auditList", {});
  expect(records.some(({ event, subject }) => event === "node_forked" && subject === node.id)).toBe(
    true,
  );
  expect(harness.lines.join("\n")).toContain("node_forked");
});

test("a restart of the server ends the stream, and the next one goes on", async () => {
  const node = await harness.join("restart");
  const { maps, closed } = await follow(node);
  await waitFor("the first map", () => maps.length > 0);
  await harness.halt();
  await waitFor("the end", () => closed.length > 0);
  expect(closed[0]?.code).toBe("unavailable");
  expect((await faultOf(follow(node))).code).toBe("unavailable");
  await harness.serve();
  const last = maps.at(-1);
  const held = { epoch: last?.head.epoch ?? 0, generation: last?.generation ?? 0 };
  const again = await follow(node, { held, head: (last?.head ?? {}) as never });
  await waitFor("a map", () => again.maps.length > 0);
  expect(again.maps[0]?.entries).toEqual([]);
  again.stream.close();
});

test.each(["leaf", "leaf and intermediate", "whole chain"] as const)(
  "a certificate that an authority signed is known by its key as well: %s sent",
  async (sent) => {
    const chain = await certificateChain("127.0.0.1");
    const cert = { leaf: [chain.leaf], "leaf and intermediate": [chain.leaf, chain.intermediate] };
    const pems = sent === "whole chain" ? [chain.leaf, chain.intermediate, chain.root] : cert[sent];
    const { keys } = harness;
    await harness.halt();
    harness.keys = { ...keys, certificate: pems.join("\n"), tlsKey: chain.leafKey };
    await harness.serve();
    const node = await harness.join();
    const { maps, stream } = await follow(node);
    await waitFor("a map", () => maps.length > 0);
    stream.close();
    await harness.halt();
    harness.keys = keys;
    await harness.serve();
  },
);

/** Opens a WebSocket for whoever asks, and never says a word. */
async function muteServer(certificate: string, key: string) {
  const sockets: net.Socket[] = [];
  const server = tls.createServer({ cert: certificate, key, minVersion: "TLSv1.3" }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.once("data", (data) => {
      const asked = /sec-websocket-key: (\S+)/i.exec(data.toString())?.[1] ?? "";
      const magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
      const accept = createHash("sha1")
        .update(asked + magic)
        .digest("base64");
      const upgrade =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade";
      socket.write(`${upgrade}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = v.parse(v.object({ port: v.number() }), server.address());
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { url: v.parse(ControlUrl, `https://127.0.0.1:${port}`), close };
}

test("a probe finds out that a silent server is gone", async () => {
  const node = await harness.join("probing");
  const { certificate, tlsKey } = await makeCertificate("127.0.0.1", node.clock.nowS(), random);
  const key = tlsKey.expose((bytes) => new TextDecoder().decode(bytes));
  const { url, close } = await muteServer(certificate, key);
  const client = node.client({ url, pin: tlsPinOf(certificate) });
  const closed: (Finding | null)[] = [];
  const hooks = { held: { epoch: 0, generation: 0 }, head: {} as never, onMap() {} };
  const stream = await client.openMapStream({ ...hooks, onClose: (reason) => closed.push(reason) });
  stream.probe();
  await waitFor("the verdict", () => closed.length > 0);
  expect(closed[0]?.code).toBe("timeout");
  close();
});

test("a probe of a server that lives changes nothing", async () => {
  const node = await harness.join("alive");
  const { stream, maps, closed } = await follow(node);
  await waitFor("a map", () => maps.length > 0);
  stream.probe();
  await harness.join("news");
  await waitFor("news", () => maps.length > 1);
  expect(closed).toEqual([]);
  stream.close();
});

test("waits double from 0.2 s to 30 s, each with a part that is chance", () => {
  const prng = new Prng(3);
  for (let attempt = 0; attempt < 100; attempt++) {
    const wholeMs = Math.min(200 * 2 ** attempt, 30_000);
    expect(backoffMs(attempt, () => 0)).toBe(wholeMs / 2);
    const waitMs = backoffMs(attempt, () => prng.next());
    expect(waitMs).toBeGreaterThanOrEqual(wholeMs / 2);
    expect(waitMs).toBeLessThanOrEqual(wholeMs);
  }
});
