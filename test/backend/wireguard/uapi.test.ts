/** The text of the cross-platform socket: requests as its specification has them, answers read whole. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { Secret } from "../../../src/base/secret.ts";
import { type DeviceChange, nobody, ownerChanges } from "../../../src/backend/wireguard/device.ts";
import { publicKeyOf, tunnelKeyOf } from "../../../src/backend/wireguard/tunnel-key.ts";
import { decodeGetAnswer, decodeSetAnswer } from "../../../src/backend/wireguard/uapi-answer.ts";
import { encodeSetRequest } from "../../../src/backend/wireguard/uapi-request.ts";
import { Cidr, Endpoint } from "../../../src/model/ip.ts";
import { TunnelKey } from "../../../src/model/keys.ts";

const key = (pair: string) => v.parse(TunnelKey, pair.repeat(32));
const cidr = (text: string) => v.parse(Cidr, text);
const [a, b] = [key("ab"), key("cd")];
const bytes = (text: string) => new TextEncoder().encode(text);
const sent = (change: Partial<DeviceChange>) =>
  new TextDecoder().decode(encodeSetRequest({ settings: {}, peers: [], ...change }));

test("settings come first and the request ends with an empty line", () => {
  const secret = new Secret(Uint8Array.from({ length: 32 }, (_, i) => i * 8 + 7));
  const digits = secret.expose((raw) => raw.toHex());
  expect(sent({ settings: { secret, listenPort: 51_820, mark: 0 } })).toBe(
    `set=1\nlisten_port=51820\nfwmark=0\nprivate_key=${digits}\n\n`,
  );
  expect(sent({})).toBe("set=1\n\n");
});

test("peer changes stand in their order", () => {
  const endpoint = v.parse(Endpoint, "[2001:db8::1]:7");
  const changes: DeviceChange["peers"] = [
    { kind: "set", key: a, endpoint, keepaliveS: 25 },
    { kind: "set", key: b, endpoint: null, keepaliveS: 0 },
    { kind: "give", key: a, cidrs: [cidr("10.0.0.0/8"), cidr("::/0")] },
    { kind: "drop", cidrs: [cidr("fd00::/8")] },
    { kind: "remove", key: b },
  ];
  expect(sent({ peers: changes }).split("\n")).toEqual([
    "set=1",
    `public_key=${a}`,
    "endpoint=[2001:db8::1]:7",
    "persistent_keepalive_interval=25",
    `public_key=${b}`,
    "persistent_keepalive_interval=0",
    `public_key=${a}`,
    "update_only=true",
    "allowed_ip=10.0.0.0/8",
    "allowed_ip=::/0",
    `public_key=${nobody}`,
    "allowed_ip=fd00::/8",
    `public_key=${nobody}`,
    "remove=true",
    `public_key=${b}`,
    "remove=true",
    "",
    "",
  ]);
});

// RFC 7748 section 6.1: Bob's keys.
const bobSecret = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
const bobKey = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";

const answer = () =>
  bytes(
    [
      `private_key=${bobSecret}`,
      "listen_port=12912",
      "fwmark=51820",
      "something_new=1",
      `public_key=${a}`,
      `preshared_key=${"0".repeat(64)}`,
      "protocol_version=1",
      "endpoint=[2001:db8::1]:51820",
      "last_handshake_time_sec=1700000000",
      "last_handshake_time_nsec=5",
      "tx_bytes=38333",
      "rx_bytes=2224",
      "persistent_keepalive_interval=25",
      "allowed_ip=192.168.4.4/32",
      "allowed_ip=fd00::/64",
      `public_key=${b}`,
      "endpoint=[fe80::1%eth0]:7",
      "last_handshake_time_sec=0",
      "errno=0",
      "",
      "",
    ].join("\n"),
  );

test("an answer is read whole; the public key is that of the private one", () => {
  const read = decodeGetAnswer(answer());
  expect(read).toEqual({
    ok: true,
    value: {
      key: v.parse(TunnelKey, bobKey),
      listenPort: 12_912,
      mark: 51_820,
      peers: new Map([
        [
          a,
          {
            key: a,
            endpoint: v.parse(Endpoint, "[2001:db8::1]:51820"),
            keepaliveS: 25,
            lastHandshakeS: 1_700_000_000,
            receivedBytes: 2224,
            sentBytes: 38_333,
          },
        ],
        // A link-local endpoint cannot be said in our words.
        [
          b,
          {
            key: b,
            endpoint: null,
            keepaliveS: 0,
            lastHandshakeS: null,
            receivedBytes: 0,
            sentBytes: 0,
          },
        ],
      ]),
      owners: new Map([
        [cidr("192.168.4.4/32"), a],
        [cidr("fd00::/64"), a],
      ]),
    },
  });
});

test("the private key in the answer is wiped", () => {
  const text = answer();
  decodeGetAnswer(text);
  expect(new TextDecoder().decode(text)).not.toContain(bobSecret.slice(0, 8));
});

test("a device without a key has none", () => {
  const read = decodeGetAnswer(bytes("errno=0\n\n"));
  expect(read.ok && read.value.key).toBe(null);
  const zero = decodeGetAnswer(bytes(`private_key=${"0".repeat(64)}\nerrno=0\n\n`));
  expect(zero.ok && zero.value.key).toBe(null);
});

test.each([
  ["nothing", "", "malformed"],
  ["no error number", "listen_port=1\n\n", "malformed"],
  ["an error number that is none", "errno=zero\n\n", "malformed"],
  ["a line without a value", "listen_port\nerrno=0\n\n", "malformed"],
  ["a peer with a short key", "public_key=ab\nerrno=0\n\n", "malformed"],
  ["a prefix with host bits", `public_key=${a}\nallowed_ip=10.0.0.1/8\nerrno=0\n\n`, "malformed"],
  ["a refusal", "errno=-22\n\n", "refused"],
  ["a refusal after data", "listen_port=1\nerrno=-5\n\n", "refused"],
])("an answer with %s is an error", (_what, text, code) => {
  const read = decodeGetAnswer(bytes(text));
  expect(read.ok ? "read" : (read.error.code as string)).toBe(code);
});

test("bytes that are no text are an error", () => {
  const read = decodeGetAnswer(Uint8Array.of(0xff, 0x0a, 0x0a));
  expect(read.ok).toBe(false);
});

test("a set is done, refused or not understood", () => {
  expect(decodeSetAnswer(bytes("errno=0\n\n"))).toBe(null);
  expect(decodeSetAnswer(bytes("errno=-98\n\n"))).toEqual({ code: "refused", errno: -98 });
  expect(decodeSetAnswer(bytes("hello\n\n"))?.code).toBe("malformed");
});

test("the public key is that of RFC 7748, and a bad secret has none", () => {
  expect(publicKeyOf(Uint8Array.fromHex(bobSecret)) as string).toBe(bobKey);
  expect(() => tunnelKeyOf(new Secret(new Uint8Array(32)))).toThrow("32 bytes");
  expect(() => tunnelKeyOf(new Secret(new Uint8Array(33).fill(1)))).toThrow("32 bytes");
});

test("each prefix moves once, and those that stay are not named", () => {
  const [one, two, three, four] = [1, 2, 3, 4].map((i) => cidr(`10.0.0.${i}/32`)) as [
    Cidr,
    Cidr,
    Cidr,
    Cidr,
  ];
  const actual = new Map([
    [one, a],
    [two, a],
    [three, b],
  ]);
  const wanted = new Map([
    [one, a],
    [two, b],
    [four, a],
  ]);
  expect(ownerChanges(actual, wanted)).toEqual([
    { kind: "give", key: b, cidrs: [two] },
    { kind: "give", key: a, cidrs: [four] },
    { kind: "drop", cidrs: [three] },
  ]);
  expect(ownerChanges(actual, actual)).toEqual([]);
});
