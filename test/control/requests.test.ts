/** requests: what gets through the door of the network, over real TLS, and what does not. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import * as tls from "node:tls";
import * as v from "valibot";
import { encodeUtf8 } from "../../src/base/bytes.ts";
import { Fault } from "../../src/base/fault.ts";
import { bodyMaxBytes } from "../../src/control/api.ts";
import { keygen } from "../../src/crypto/ed25519.ts";
import { type CallName, calls, mapStreamPath, Refusal } from "../../src/wire/control-api.ts";
import { signRequest } from "../../src/wire/request-signature.ts";
import { Harness, nonce, random, TestNode } from "../support/control-harness.ts";

let harness: Harness;
let member: TestNode;
let expelled: TestNode;
beforeAll(async () => {
  harness = await Harness.start();
  member = await harness.join("member");
  expelled = await harness.join("expelled");
  await harness.operate("nodeRevoke", { node: "expelled" });
});
afterAll(() => harness.stop());

/** One request as its bytes go out, with nothing added by a client. */
async function send(
  path: string,
  init: { method: string; headers?: Record<string, string>; body?: Uint8Array },
): Promise<{ status: number; code: string; text: string }> {
  const { certificate: ca } = harness.keys;
  const { body, ...rest } = init;
  const sent = body === undefined ? {} : { body: new Uint8Array(body) };
  const response = await fetch(harness.url + path, { ...rest, ...sent, tls: { ca } });
  const text = await response.text();
  const refusal = v.safeParse(v.pipe(v.string(), v.parseJson(), Refusal), text);
  const code = refusal.success ? refusal.output.code : "accepted";
  return { status: response.status, code, text };
}

const empty = encodeUtf8("{}");
const signed = (node: TestNode, changes: Partial<Parameters<typeof signRequest>[0]> = {}) =>
  signRequest({
    method: "POST",
    url: harness.url + calls.leave.path,
    body: empty,
    identity: node.identity,
    nowS: harness.clock.nowS(),
    nonce: nonce(),
    ...changes,
  });

const signedFor = (node: TestNode, name: CallName) => {
  const { method, path } = calls[name];
  const body = method === "post" ? empty : new Uint8Array();
  const upper = method.toUpperCase();
  const headers = signed(node, { method: upper, url: harness.url + path, body });
  return {
    path,
    init: method === "post" ? { method: upper, headers, body } : { method: upper, headers },
  };
};

const operatorCalls = (Object.keys(calls) as CallName[]).filter(
  (name) => calls[name].needs === "operator",
);

test.each(operatorCalls)("%s is nobody's over the network, a member's neither", async (name) => {
  const { path, init } = signedFor(member, name);
  expect(await send(path, init)).toMatchObject({ status: 403, code: "permission_denied" });
  const { headers: _, ...unsigned } = init;
  expect(await send(path, unsigned)).toMatchObject({ status: 403, code: "permission_denied" });
});

test.each(["advertise", "leave"] as const)("%s needs a member", async (name) => {
  const { path, init } = signedFor(new TestNode(harness, keygen(random)), name);
  expect(await send(path, init)).toMatchObject({ status: 403, code: "permission_denied" });
  const { headers: _, ...unsigned } = init;
  expect(await send(path, unsigned)).toMatchObject({ status: 403, code: "permission_denied" });
  const gone = signedFor(expelled, name);
  expect(await send(gone.path, gone.init)).toMatchObject({ status: 403, code: "revoked" });
  expect((await harness.ask(name)).status).toBe(403);
});

test("the map stream needs a member who upgrades", async () => {
  const get = (node: TestNode) => ({
    method: "GET",
    headers: signed(node, {
      method: "GET",
      url: harness.url + mapStreamPath,
      body: new Uint8Array(),
    }),
  });
  expect(await send(mapStreamPath, { method: "GET" })).toMatchObject({ code: "permission_denied" });
  expect(await send(mapStreamPath, get(expelled))).toMatchObject({ status: 403, code: "revoked" });
  expect(await send(mapStreamPath, get(member))).toMatchObject({ status: 426, code: "usage" });
  expect(await send(mapStreamPath, { method: "POST" })).toMatchObject({ status: 405 });
  expect((await fetch(`http://local${mapStreamPath}`, { unix: harness.socketPath })).status).toBe(
    404,
  );
});

const advertiseOnce = async (headers: (body: Uint8Array) => Record<string, string>) => {
  const body = encodeUtf8(JSON.stringify({ envelope: member.advertisement() }));
  const { path } = calls.advertise;
  return send(path, { method: "POST", headers: headers(body), body });
};
const advertiseUrl = () => harness.url + calls.advertise.path;

test("a signed request is taken once", async () => {
  let kept: Record<string, string> = {};
  const body = encodeUtf8(JSON.stringify({ envelope: member.advertisement() }));
  kept = signed(member, { url: advertiseUrl(), body });
  const init = { method: "POST", headers: kept, body };
  expect(await send(calls.advertise.path, init)).toMatchObject({ status: 200 });
  expect(await send(calls.advertise.path, init)).toMatchObject({ status: 409, code: "replayed" });
  await harness.halt();
  await harness.serve();
  expect(await send(calls.advertise.path, init)).toMatchObject({ status: 409, code: "replayed" });
});

test("a nonce that was forgotten is of a request too old to come again, also by a clock set back", async () => {
  const body = encodeUtf8(JSON.stringify({ envelope: member.advertisement() }));
  const init = { method: "POST", headers: signed(member, { url: advertiseUrl(), body }), body };
  expect(await send(calls.advertise.path, init)).toMatchObject({ status: 200 });
  harness.clock.offsetS += 86_400;
  await harness.halt();
  harness.clock.offsetS -= 86_400;
  await harness.serve();
  expect(await send(calls.advertise.path, init)).toMatchObject({ status: 409, code: "replayed" });
  const later = signed(member, { url: advertiseUrl(), body, nowS: harness.clock.nowS() + 1 });
  const next = { method: "POST", headers: later, body };
  expect(await send(calls.advertise.path, next)).toMatchObject({ status: 200 });
  // What comes next must not fall into the second that is shut now.
  harness.clock.offsetS += 1;
});

test.each([
  ["a clock that is behind", () => ({ nowS: harness.clock.nowS() - 91 }), "clock_skew"],
  ["a clock that is ahead", () => ({ nowS: harness.clock.nowS() + 95 }), "clock_skew"],
  ["another target", () => ({ url: harness.url + calls.leave.path }), "signature_invalid"],
  ["another method", () => ({ method: "PUT" }), "signature_invalid"],
  ["another body", () => ({ body: empty }), "signature_invalid"],
])("a request signed with %s is refused", async (_what, changes, code) => {
  const answer = await advertiseOnce((body) =>
    signed(member, { url: advertiseUrl(), body, ...changes() }),
  );
  expect(answer).toMatchObject({ status: 401, code });
});

test("a victim's key shown with a thief's signature is refused", async () => {
  const thief = new TestNode(harness, keygen(random));
  const answer = await advertiseOnce((body) => {
    const headers = signed(thief, { url: advertiseUrl(), body });
    const input = headers["signature-input"] ?? "";
    const named = input.replace(thief.identity.publicKey, member.identity.publicKey);
    return { ...headers, "signature-input": named };
  });
  expect(answer).toMatchObject({ status: 401, code: "signature_invalid" });
});

test("a request for another host's name is not for this one", async () => {
  const headers = (body: Uint8Array) =>
    signed(member, { url: `https://evil.example${calls.advertise.path}`, body });
  expect(await advertiseOnce(headers)).toMatchObject({ status: 401, code: "signature_invalid" });
});

test("a page in a browser is refused, whatever it shows", async () => {
  for (const path of [calls.health.path, mapStreamPath, calls.enroll.path]) {
    const init = { method: "GET", headers: { origin: "https://evil.example" } };
    expect(await send(path, init)).toMatchObject({ status: 403 });
  }
});

test("a body over the limit is refused before anybody is asked about it", async () => {
  const body = new Uint8Array(bodyMaxBytes + 1);
  const { path } = calls.enroll;
  expect((await send(path, { method: "POST", body })).code).toBe("request_malformed");
  const huge = send(path, { method: "POST", body: new Uint8Array(8 * bodyMaxBytes) });
  expect((await huge.catch(() => ({ status: 413 }))).status).not.toBe(200);
});

test("a refusal shows nothing of what is inside, for any rubbish", async () => {
  for (const body of ["", "null", "0", '{"a":', "\u0000", "[".repeat(100_000)]) {
    const answer = await send(calls.enroll.path, { method: "POST", body: encodeUtf8(body) });
    expect(answer.status).toBe(400);
    expect(answer.text).not.toContain("src/");
    expect(answer.text.length).toBeLessThan(1_000);
  }
});

const handshake = (maxVersion: tls.SecureVersion): Promise<string | null> =>
  new Promise((resolve) => {
    const port = Number(new URL(harness.url).port);
    const versions = { minVersion: "TLSv1.2", maxVersion } as const;
    const options = { host: "127.0.0.1", port, rejectUnauthorized: false, ...versions };
    const socket = tls.connect(options, () => {
      resolve(socket.getProtocol());
      socket.destroy();
    });
    socket.on("error", () => resolve(null));
  });

test("TLS 1.2 is refused and TLS 1.3 is not", async () => {
  expect(await handshake("TLSv1.2")).toBe(null);
  expect(await handshake("TLSv1.3")).toBe("TLSv1.3");
});

/** What comes back for bytes that no client would send; the server has to close by itself, or say all. */
const sendRaw = (text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const port = Number(new URL(harness.url).port);
    const options = { host: "127.0.0.1", port, rejectUnauthorized: false };
    const socket = tls.connect(options, () => socket.write(text));
    let answer = "";
    socket.on("data", (chunk) => {
      answer += String(chunk);
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });

const second = "GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n";
test.each([
  ["two lengths", `Content-Length: 4\r\nContent-Length: 40\r\n\r\nabcd${second}`],
  [
    "a length and chunks",
    `Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${second}`,
  ],
  ["an unknown coding", `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${second}`],
])(
  "a request with %s, which two readers could part differently, is one refusal",
  async (_, rest) => {
    const answer = await sendRaw(`POST /v1/enroll HTTP/1.1\r\nHost: a\r\n${rest}`);
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 400"]);
  },
);

test("a Host field that is no host is the sender's mistake, and no error of ours", async () => {
  const { length } = harness.lines;
  const lines = "GET /v1/map HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n";
  expect(await sendRaw(lines)).toStartWith("HTTP/1.1 400");
  expect(harness.lines.slice(length)).toEqual([]);
});

test("a node that leaves is a member no more", async () => {
  const node = await harness.join("leaver");
  await node.advertise();
  const { epoch } = await node.client().leave(null);
  expect(epoch).toBe(harness.running.control.network.state.epoch);
  expect(harness.running.control.network.state.nodes.get(node.id)?.status).toBe("revoked");
  expect(harness.running.control.network.advertised(node.id)).toBeUndefined();
  const again = await node
    .client()
    .leave(null)
    .catch((error: unknown) => error);
  expect(again instanceof Fault && again.code).toBe("revoked");
});

test("a refused request is in the log: from where, as whom, for what, and why", async () => {
  const thief = new TestNode(harness, keygen(random));
  const { path, init } = signedFor(thief, "leave");
  await send(path, init);
  const events = harness.lines.map((line) => JSON.parse(line) as Record<string, string>);
  expect(events.findLast(({ event }) => event === "request_refused")).toMatchObject({
    address: "127.0.0.1",
    identity: thief.identity.publicKey,
    endpoint: path,
    failure: "permission_denied",
    decision: "no member of this network has this key",
  });
});
