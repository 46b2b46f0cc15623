/** control-channel: to the one server that was named, signed by whoever asks, and no further than it must. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import * as tls from "node:tls";
import * as v from "valibot";
import { decodeUtf8 } from "../../src/base/bytes.ts";
import { Fault } from "../../src/base/fault.ts";
import { wordRequest } from "../../src/client/control-channel.ts";
import { faultOfRefusal } from "../../src/client/http-answer.ts";
import { probePin } from "../../src/client/tls-pin.ts";
import { makeCertificate } from "../../src/control/certificate.ts";
import { tlsPinOf } from "../../src/control/tls-files.ts";
import { keygen } from "../../src/crypto/ed25519.ts";
import { ControlUrl } from "../../src/wire/join-token.ts";
import { verifyRequest } from "../../src/wire/request-signature.ts";
import { Harness, random } from "../support/control-harness.ts";
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

test("a call without a signature and one that is signed get their answers", async () => {
  const node = await harness.join("calling");
  const channel = node.channel();
  expect(await channel.call("health", {})).toMatchObject({ status: "ok" });
  const envelope = node.advertisement();
  expect(await channel.call("advertise", { envelope })).toHaveProperty("generation");
});

test("whose key signs is the caller's choice, and the server's to judge", async () => {
  const node = await harness.join("choosing");
  const fault = await faultOf(node.channel({ signer: keygen(random) }).call("leave", {}));
  expect(fault.code).toBe("permission_denied");
  expect((await node.channel().call("leave", {})).epoch).toBeGreaterThan(0);
});

test("an approver's key is answered what approvers may ask, by GET as by POST, and a node's is not", async () => {
  const node = await harness.join("not-deciding");
  const channel = node.channel({ signer: harness.approver });
  expect(await channel.call("proposalList", {})).toBeDefined();
  const missing = { id: "ab".repeat(16) as never, reason: "no such thing" as never };
  expect((await faultOf(channel.call("proposalReject", missing))).code).toBe("not_found");
  expect((await faultOf(node.channel().call("proposalList", {}))).code).toBe("permission_denied");
});

describe("a call is worded as HTTP", () => {
  const path = "/v1/sample";
  test("a GET by its query, which has no body", () => {
    const { body, ...worded } = wordRequest({ method: "get", path }, { id: "ab", note: "a b&c" });
    expect(worded).toEqual({ method: "GET", path: "/v1/sample?id=ab&note=a+b%26c", headers: {} });
    expect(body).toHaveLength(0);
    expect(wordRequest({ method: "get", path }, {}).path).toBe(path);
  });

  test("a POST by its body, which says what it is", () => {
    const { body, ...worded } = wordRequest({ method: "post", path }, { id: "ab" });
    const headers = { "content-type": "application/json" };
    expect(worded).toEqual({ method: "POST", path, headers });
    expect(decodeUtf8(body)).toBe('{"id":"ab"}');
  });
});

test("what is opened is signed as a GET of its path, query and all", async () => {
  const node = await harness.join("opening");
  const key = node.identity.publicKey;
  const { url, headers } = await node.channel().open("/v1/sample?a=b", (request) => {
    return Promise.resolve(request);
  });
  expect(url).toBe(`${harness.url}/v1/sample?a=b`);
  const verified = await verifyRequest({
    method: "GET",
    url,
    headers: new Headers(headers),
    body: new Uint8Array(),
    nowS: harness.clock.nowS(),
    isKnown: (each) => each === key,
  });
  expect(unwrap(verified).key).toBe(key);
});

/** Accepts TLS and counts what arrives inside it. */
async function trap(certificate: string, key: string) {
  let receivedBytes = 0;
  const server = tls.createServer({ cert: certificate, key, minVersion: "TLSv1.3" }, (socket) => {
    socket.on("data", (data) => (receivedBytes += data.length));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = v.parse(v.object({ port: v.number() }), server.address());
  const url = v.parse(ControlUrl, `https://127.0.0.1:${port}`);
  return { url, received: () => receivedBytes, close: () => server.close() };
}

test("a server with another key is sent no byte, and both fingerprints are named", async () => {
  const node = await harness.join("pinned");
  const { certificate, tlsKey } = await makeCertificate("127.0.0.1", node.clock.nowS(), random);
  const key = tlsKey.expose((bytes) => new TextDecoder().decode(bytes));
  const { url, received, close } = await trap(certificate, key);
  const channel = node.channel({ url });
  for (const attempt of [
    channel.call("advertise", { envelope: node.advertisement() }),
    channel.open("/v1/map", () => Promise.reject(new Error("it was opened"))),
  ]) {
    const fault = await faultOf(attempt);
    expect(fault.code).toBe("pin_mismatch");
    expect(fault.message).toContain(tlsPinOf(certificate));
    expect(fault.message).toContain(harness.pin);
  }
  expect(received()).toBe(0);
  close();
});

test("what trusts the pinned key refuses another server that answers at the same address", async () => {
  const { url } = harness;
  const pinned = await probePin(url, harness.pin);
  const other = await makeCertificate("127.0.0.1", harness.clock.nowS(), random);
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: {
      cert: other.certificate,
      key: other.tlsKey.expose((bytes) => new TextDecoder().decode(bytes)),
    },
    fetch: () => new Response("reached"),
  });
  const attempt = fetch(`https://127.0.0.1:${server.port}/`, { tls: pinned });
  expect(await attempt.then((response) => response.text()).catch(() => "refused")).toBe("refused");
  // Also when the trusted certificate signed nothing here: the key itself is compared.
  const mixed = { ...pinned, ca: other.certificate };
  const second = fetch(`https://127.0.0.1:${server.port}/`, { tls: mixed });
  expect(await second.then((response) => response.text()).catch(() => "refused")).toBe("refused");
  await server.stop(true);
});

test("an answer that does not end is not read to the end", async () => {
  const node = await harness.join("flooded");
  const { certificate, tlsKey } = await makeCertificate("127.0.0.1", node.clock.nowS(), random);
  const chunk = new Uint8Array(1 << 20).fill(0x20);
  let sent = 0;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { cert: certificate, key: tlsKey.expose((bytes) => new TextDecoder().decode(bytes)) },
    fetch: () =>
      new Response(
        new ReadableStream({
          pull: (stream) => {
            sent++;
            if (sent < 400) stream.enqueue(chunk);
            else stream.close();
          },
        }),
      ),
  });
  const url = v.parse(ControlUrl, `https://127.0.0.1:${server.port}`);
  const fault = await faultOf(node.channel({ url, pin: tlsPinOf(certificate) }).call("leave", {}));
  expect(fault.message).toContain("does not end");
  await server.stop(true);
});

test("a refusal of which nobody would see the end is cut", () => {
  const endless = "x".repeat(1 << 20);
  const body = { code: "unavailable", message: endless, remedy: endless };
  const fault = faultOfRefusal(body, "unavailable");
  expect([fault?.message.length, fault?.remedy?.length]).toEqual([1_000, 1_000]);
});

test("a refusal of the server arrives with its own code and remedy", async () => {
  const node = await harness.join("refused");
  const fault = await faultOf(node.advertise({ node: "0".repeat(64) as never }));
  expect(fault.code).toBe("permission_denied");
  const token = await harness.token();
  await node.harness.operate("credentialRevoke", {
    id: createHash("sha256")
      .update(Buffer.from(token.secret, "base64url"))
      .digest("hex")
      .slice(0, 16) as never,
  });
  const refused = await faultOf(node.enroll(token));
  expect([refused.code, refused.remedy]).toEqual([
    "credential_invalid",
    "make a new one with rustynet credential create",
  ]);
});
