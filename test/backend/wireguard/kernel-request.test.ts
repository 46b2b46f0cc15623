/** What is sent to the kernel's device is, byte for byte, what linux/wireguard.h describes. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { encodeHex } from "../../../src/base/bytes.ts";
import { Secret } from "../../../src/base/secret.ts";
import { type DeviceChange, nobody } from "../../../src/backend/wireguard/device.ts";
import { encodeGetDevice, encodeSetDevice } from "../../../src/backend/wireguard/kernel-request.ts";
import { decodeAttributes } from "../../../src/kernel/netlink-message.ts";
import { Cidr, Endpoint } from "../../../src/model/ip.ts";
import { TunnelKey } from "../../../src/model/keys.ts";
import { golden } from "../../support/golden.ts";

const family = 0x1f;
const key = v.parse(TunnelKey, "ab".repeat(32));
const cidr = (text: string) => v.parse(Cidr, text);
const endpoint = (text: string) => v.parse(Endpoint, text);

function sent(change: Partial<DeviceChange>): string {
  const messages = encodeSetDevice(family, "rn0", { settings: {}, peers: [], ...change });
  expect(messages.length).toBe(1);
  return encodeHex(messages[0]?.finish(7) ?? new Uint8Array(0));
}

const head = (size: string, flags: string, command: string) =>
  golden(
    `${size}       # nlmsg_len`,
    "1f00           # nlmsg_type: the family",
    `${flags}       # nlmsg_flags`,
    "07000000       # nlmsg_seq",
    "00000000       # nlmsg_pid",
    `${command}     # cmd`,
    "01             # version",
    "0000           # reserved",
    "0800 0200      # WGDEVICE_A_IFNAME, 8 bytes",
    "726e3000       # rn0, closed by zero",
  );

const joined = (...parts: Uint8Array[]) => parts.map(encodeHex).join("");

test("a get is a dump by name", () => {
  const message = encodeGetDevice(family, "rn0").finish(7);
  // NLM_F_REQUEST | NLM_F_DUMP; WG_CMD_GET_DEVICE.
  expect(encodeHex(message)).toBe(joined(head("1c000000", "0103", "00")));
});

test("settings: the key, the port and the mark", () => {
  const secret = new Secret(new Uint8Array(32).fill(0x5a));
  expect(sent({ settings: { secret, listenPort: 51_820, mark: 0xca6c } })).toBe(
    joined(
      // NLM_F_REQUEST | NLM_F_ACK; WG_CMD_SET_DEVICE.
      head("50000000", "0500", "01"),
      golden(
        `2400 0300  ${"5a".repeat(32)}   # WGDEVICE_A_PRIVATE_KEY, 36 bytes`,
        "0600 0600  6cca 0000            # WGDEVICE_A_LISTEN_PORT, u16, padded",
        "0800 0700  6cca0000             # WGDEVICE_A_FWMARK, u32",
      ),
    ),
  );
});

test("a peer with an IPv4 endpoint and a keep-alive", () => {
  const to = endpoint("192.0.2.1:51820");
  expect(sent({ peers: [{ kind: "set", key, endpoint: to, keepaliveS: 25 }] })).toBe(
    joined(
      head("64000000", "0500", "01"),
      golden(
        "4800 0880                       # WGDEVICE_A_PEERS, nested, 72 bytes",
        "4400 0080                       # a peer, nested, 68 bytes",
        `2400 0100  ${key}               # WGPEER_A_PUBLIC_KEY`,
        "1400 0400                       # WGPEER_A_ENDPOINT, struct sockaddr_in",
        "0200 ca6c c0000201              # AF_INET, port and address in network order",
        "00000000 00000000               # sin_zero",
        "0600 0500  1900 0000            # WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, u16, padded",
      ),
    ),
  );
});

test("an IPv6 endpoint is a struct sockaddr_in6", () => {
  const to = endpoint("[2001:db8::1]:51820");
  const message = sent({ peers: [{ kind: "set", key, endpoint: to, keepaliveS: 0 }] });
  expect(message).toEndWith(
    joined(
      golden(
        "2000 0400                                   # WGPEER_A_ENDPOINT, 32 bytes",
        "0a00 ca6c 00000000                          # AF_INET6, port, flow information",
        "20010db8 00000000 00000000 00000001         # the address",
        "00000000                                    # scope",
        "0600 0500  0000 0000                        # no keep-alive",
      ),
    ),
  );
});

test("no endpoint leaves the present one: there is no such attribute", () => {
  const message = sent({ peers: [{ kind: "set", key, endpoint: null, keepaliveS: 0 }] });
  expect(message).toEndWith(joined(golden(`2400 0100 ${key}`, "0600 0500 0000 0000")));
});

test("a removal is a key with WGPEER_F_REMOVE_ME", () => {
  expect(sent({ peers: [{ kind: "remove", key }] })).toBe(
    joined(
      head("50000000", "0500", "01"),
      golden(
        "3400 0880                       # WGDEVICE_A_PEERS",
        "3000 0080                       # a peer",
        `2400 0100  ${key}               # WGPEER_A_PUBLIC_KEY`,
        "0800 0300  01000000             # WGPEER_A_FLAGS: REMOVE_ME",
      ),
    ),
  );
});

test("prefixes go to a peer that must be there, of both families", () => {
  const cidrs = [cidr("100.64.0.0/10"), cidr("fd00::1/128")];
  expect(sent({ peers: [{ kind: "give", key, cidrs }] })).toBe(
    joined(
      head("98000000", "0500", "01"),
      golden(
        "7c00 0880                       # WGDEVICE_A_PEERS",
        "7800 0080                       # a peer",
        `2400 0100  ${key}               # WGPEER_A_PUBLIC_KEY`,
        "0800 0300  04000000             # WGPEER_A_FLAGS: UPDATE_ONLY",
        "4800 0980                       # WGPEER_A_ALLOWEDIPS",
        "1c00 0080                       # a prefix",
        "0600 0100  0200 0000            # WGALLOWEDIP_A_FAMILY: AF_INET",
        "0800 0200  64400000             # WGALLOWEDIP_A_IPADDR",
        "0500 0300  0a 000000            # WGALLOWEDIP_A_CIDR_MASK",
        "2800 0080                       # a prefix",
        "0600 0100  0a00 0000            # AF_INET6",
        "1400 0200  fd000000 00000000 00000000 00000001",
        "0500 0300  80 000000            # 128 bits",
      ),
    ),
  );
});

test("prefixes of nobody go to a key that is removed in the same request", () => {
  expect(sent({ peers: [{ kind: "drop", cidrs: [cidr("10.0.0.0/8")] }] })).toBe(
    joined(
      head("98000000", "0500", "01"),
      golden(
        "7c00 0880                       # WGDEVICE_A_PEERS",
        "4800 0080                       # a peer",
        `2400 0100  ${nobody}            # WGPEER_A_PUBLIC_KEY`,
        "2000 0980                       # WGPEER_A_ALLOWEDIPS",
        "1c00 0080                       # a prefix",
        "0600 0100  0200 0000",
        "0800 0200  0a000000",
        "0500 0300  08 000000",
        "3000 0080                       # the same peer",
        `2400 0100  ${nobody}            # WGPEER_A_PUBLIC_KEY`,
        "0800 0300  01000000             # WGPEER_A_FLAGS: REMOVE_ME",
      ),
    ),
  );
});

test("a long change is split into messages that the kernel takes, and loses nothing", () => {
  const cidrs = Array.from({ length: 5000 }, (_, i) =>
    cidr(`fd00:1:1:${(i + 1).toString(16)}::/64`),
  );
  const settings = { listenPort: 1 };
  const change: DeviceChange = {
    settings,
    peers: [
      { kind: "give", key, cidrs },
      { kind: "remove", key },
    ],
  };
  const messages = encodeSetDevice(family, "rn0", change).map((message) => message.finish(0));
  expect(messages.length).toBeGreaterThan(3);
  const attributes = messages.map((message) => [...decodeAttributes(message.subarray(20))]);
  const types = attributes.map((one) => one.map(({ type }) => type));
  expect(types[0]).toEqual([2, 6, 8]);
  for (const rest of types.slice(1)) expect(rest).toEqual([2, 8]);
  for (const message of messages) expect(message.length).toBeLessThan(0xffff);
  const peers = attributes.flatMap((one) => [...decodeAttributes(one.at(-1)?.value ?? golden())]);
  const prefixes = peers.flatMap(({ value }) =>
    [...decodeAttributes(value)]
      .filter(({ type }) => type === 9)
      .flatMap((list) => [...decodeAttributes(list.value)]),
  );
  expect(prefixes.length).toBe(5000);
});
