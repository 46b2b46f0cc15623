/** kernel-answer decodes what the kernel says of its device (linux/wireguard.h). */
import * as v from "valibot";
import { assert } from "../../base/assert.ts";
import { encodeHex } from "../../base/bytes.ts";
import { genericHeaderSizeBytes } from "../../kernel/generic-netlink.ts";
import {
  attributeMap,
  decodeAttributes,
  type Message,
  readU16,
  readU32,
  viewOf,
} from "../../kernel/netlink-message.ts";
import { addressFamily } from "../../kernel/rtnetlink.ts";
import { type Cidr, cidrOf, decodeIp, type Endpoint, endpointOf } from "../../model/ip.ts";
import { TunnelKey } from "../../model/keys.ts";
import type { PeerState } from "../../model/tunnel.ts";
import type { DeviceState } from "./device.ts";
import {
  deviceAttribute as device,
  peerAttribute as peer,
  prefixAttribute as prefix,
} from "./kernel-attributes.ts";

/**
 * Reads the answers to one GET_DEVICE. A large device comes in several messages, and a peer with many
 * prefixes in several pieces, of which the later hold the key and more prefixes only. Wipes the
 * private key, which the kernel includes.
 */
export function decodeDevice(messages: readonly Pick<Message, "payload">[]): DeviceState {
  const peers = new Map<TunnelKey, PeerState>();
  const owners = new Map<Cidr, TunnelKey>();
  let state = { key: null as TunnelKey | null, listenPort: 0, mark: 0 };
  for (const { payload } of messages) {
    const attributes = attributeMap(payload.subarray(genericHeaderSizeBytes));
    attributes.get(device.secret)?.fill(0);
    state = { ...state, ...decodeSettings(attributes) };
    for (const { value } of decodeAttributes(attributes.get(device.peers) ?? nothing))
      decodePeer(attributeMap(value), peers, owners);
  }
  return { ...state, peers, owners };
}

const nothing = new Uint8Array(0);
type Attributes = ReadonlyMap<number, Uint8Array>;

function decodeSettings(attributes: Attributes) {
  const key = attributes.get(device.publicKey);
  const listenPort = attributes.get(device.listenPort);
  const mark = attributes.get(device.mark);
  return {
    ...(key === undefined ? {} : { key: decodeKey(key) }),
    ...(listenPort === undefined ? {} : { listenPort: readU16(listenPort) }),
    ...(mark === undefined ? {} : { mark: readU32(mark) }),
  };
}

function decodePeer(
  attributes: Attributes,
  peers: Map<TunnelKey, PeerState>,
  owners: Map<Cidr, TunnelKey>,
): void {
  const bytes = attributes.get(peer.publicKey);
  assert(bytes !== undefined, "the kernel names each peer by its key");
  const key = decodeKey(bytes);
  // A later piece of the same peer says nothing new but prefixes.
  if (!peers.has(key)) peers.set(key, decodePeerState(key, attributes));
  for (const { value } of decodeAttributes(attributes.get(peer.prefixes) ?? nothing)) {
    const cidr = decodePrefix(attributeMap(value));
    if (cidr !== null) owners.set(cidr, key);
  }
}

function decodePeerState(key: TunnelKey, attributes: Attributes): PeerState {
  const keepalive = attributes.get(peer.keepalive);
  const handshake = attributes.get(peer.lastHandshake);
  const lastHandshakeS = handshake === undefined ? 0 : readNumber64(handshake);
  return {
    key,
    endpoint: decodeEndpoint(attributes.get(peer.endpoint)),
    keepaliveS: keepalive === undefined ? 0 : readU16(keepalive),
    lastHandshakeS: lastHandshakeS === 0 ? null : lastHandshakeS,
    receivedBytes: readNumber64(attributes.get(peer.receivedBytes)),
    sentBytes: readNumber64(attributes.get(peer.sentBytes)),
  };
}

const decodeKey = (bytes: Uint8Array): TunnelKey => v.parse(TunnelKey, encodeHex(bytes));

function decodePrefix(attributes: Attributes): Cidr | null {
  const address = decodeIp(attributes.get(prefix.address) ?? nothing);
  const bits = attributes.get(prefix.bits)?.[0];
  return address === null || bits === undefined ? null : cidrOf(address, bits);
}

/** Null when the peer has no endpoint. The scope of a link-local address is not kept. */
function decodeEndpoint(bytes: Uint8Array | undefined): Endpoint | null {
  if (bytes === undefined || bytes.length < 16) return null;
  const isIpv4 = viewOf(bytes).getUint16(0, true) === addressFamily.ipv4;
  const address = decodeIp(isIpv4 ? bytes.subarray(4, 8) : bytes.subarray(8, 24));
  const port = viewOf(bytes).getUint16(2);
  return address === null || port === 0 ? null : endpointOf(address, port);
}

function readNumber64(bytes: Uint8Array | undefined): number {
  return bytes === undefined ? 0 : Number(viewOf(bytes).getBigUint64(0, true));
}
