/** What the kernel's device answers is read whole, however many messages it takes. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { decodeDevice } from "../../../src/backend/wireguard/kernel-answer.ts";
import { Cidr, Endpoint } from "../../../src/model/ip.ts";
import { TunnelKey } from "../../../src/model/keys.ts";
import { golden } from "../../support/golden.ts";

const key = (pair: string) => v.parse(TunnelKey, pair.repeat(32));
const cidr = (text: string) => v.parse(Cidr, text);

const first = () =>
  golden(
    "00 01 0000                        # genlmsghdr",
    "0600 0600  6cca 0000              # WGDEVICE_A_LISTEN_PORT 51820",
    "0800 0700  6cca0000               # WGDEVICE_A_FWMARK 0xca6c",
    "0800 0100  05000000               # WGDEVICE_A_IFINDEX",
    "0800 0200  726e3000               # WGDEVICE_A_IFNAME",
    `2400 0300  ${"5a".repeat(32)}     # WGDEVICE_A_PRIVATE_KEY`,
    `2400 0400  ${"0a".repeat(32)}     # WGDEVICE_A_PUBLIC_KEY`,
    "c000 0880                         # WGDEVICE_A_PEERS, 192 bytes",
    "bc00 0080                         # a peer, 188 bytes",
    `2400 0100  ${"ab".repeat(32)}     # WGPEER_A_PUBLIC_KEY`,
    `2400 0200  ${"00".repeat(32)}     # WGPEER_A_PRESHARED_KEY`,
    "1400 0600  00f1536500000000 4000000000000000   # WGPEER_A_LAST_HANDSHAKE_TIME",
    "0600 0500  1900 0000              # WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL",
    "0c00 0800  0300000000000000       # WGPEER_A_TX_BYTES",
    "0c00 0700  0000000001000000       # WGPEER_A_RX_BYTES: 2^32",
    "0800 0a00  01000000               # WGPEER_A_PROTOCOL_VERSION",
    "1400 0400  0200 ca6c c0000201 00000000 00000000   # WGPEER_A_ENDPOINT",
    "2000 0980                         # WGPEER_A_ALLOWEDIPS",
    "1c00 0080                         # a prefix",
    "0500 0300  20 000000              # WGALLOWEDIP_A_CIDR_MASK 32",
    "0600 0100  0200 0000              # WGALLOWEDIP_A_FAMILY",
    "0800 0200  64400001               # WGALLOWEDIP_A_IPADDR 100.64.0.1",
  );

/** The same peer goes on with one more prefix, and another peer without an endpoint follows. */
const second = () =>
  golden(
    "00 01 0000",
    "0800 0200  726e3000               # WGDEVICE_A_IFNAME",
    "9400 0880                         # WGDEVICE_A_PEERS, 148 bytes",
    "5400 0080                         # the same peer, 84 bytes",
    `2400 0100  ${"ab".repeat(32)}`,
    "2c00 0980                         # WGPEER_A_ALLOWEDIPS",
    "2800 0080",
    "0500 0300  80 000000",
    "0600 0100  0a00 0000",
    "1400 0200  fd000000 00000000 00000000 00000001",
    "3c00 0080                         # another peer, 60 bytes",
    `2400 0100  ${"cd".repeat(32)}`,
    "1400 0600  0000000000000000 0000000000000000   # no handshake yet",
  );

const decode = (...payloads: Uint8Array[]) =>
  decodeDevice(payloads.map((payload) => ({ payload })));

test("settings, peer and prefix are read from one message", () => {
  expect(decode(first())).toEqual({
    key: key("0a"),
    listenPort: 51_820,
    mark: 0xca6c,
    peers: new Map([
      [
        key("ab"),
        {
          key: key("ab"),
          endpoint: v.parse(Endpoint, "192.0.2.1:51820"),
          keepaliveS: 25,
          lastHandshakeS: 0x6553f100,
          receivedBytes: 2 ** 32,
          sentBytes: 3,
        },
      ],
    ]),
    owners: new Map([[cidr("100.64.0.1/32"), key("ab")]]),
  });
});

test("a peer that goes on in the next message keeps what the first said of it", () => {
  const { listenPort, peers, owners } = decode(first(), second());
  expect(listenPort).toBe(51_820);
  expect(peers.get(key("ab"))).toEqual(decode(first()).peers.get(key("ab")) as never);
  expect([...peers.keys()]).toEqual([key("ab"), key("cd")]);
  expect(peers.get(key("cd"))).toMatchObject({ endpoint: null, lastHandshakeS: null });
  expect([...owners]).toEqual([
    [cidr("100.64.0.1/32"), key("ab")],
    [cidr("fd00::1/128"), key("ab")],
  ]);
});

test("the private key in the answer is wiped", () => {
  const payload = first();
  decode(payload);
  expect(payload.toHex()).not.toContain("5a5a");
});

test("a device without a key has none", () => {
  const bare = golden("00 01 0000", "0600 0600 0000 0000", "0800 0200 726e3000");
  expect(decode(bare)).toEqual({
    key: null,
    listenPort: 0,
    mark: 0,
    peers: new Map(),
    owners: new Map(),
  });
});
