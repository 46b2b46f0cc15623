/**
 * uapi-request encodes what is asked of a userspace device on its socket
 * (https://www.wireguard.com/xplatform/): lines of `key=value`, then an empty one.
 */
import { unreachable } from "../../base/assert.ts";
import { concatBytes, encodeUtf8 } from "../../base/bytes.ts";
import type { Secret } from "../../base/secret.ts";
import type { Cidr } from "../../model/ip.ts";
import { type DeviceChange, nobody, type PeerChange } from "./device.ts";
import { keySizeBytes } from "./tunnel-key.ts";

export const getRequest: Uint8Array = encodeUtf8("get=1\n\n");

/** The request that makes the change. It may hold the private key: wipe it after use. */
export function encodeSetRequest(change: DeviceChange): Uint8Array {
  const { secret, listenPort, mark } = change.settings;
  const port = listenPort === undefined ? "" : `listen_port=${listenPort}\n`;
  const head = `set=1\n${port}${mark === undefined ? "" : `fwmark=${mark}\n`}`;
  const tail = `${change.peers.map(peerLines).join("")}\n`;
  if (secret === undefined) return encodeUtf8(head + tail);
  const secretLine = encodeSecretLine(secret);
  const request = concatBytes(encodeUtf8(head), secretLine, encodeUtf8(tail));
  secretLine.fill(0);
  return request;
}

function peerLines(change: PeerChange): string {
  switch (change.kind) {
    case "set": {
      const endpoint = change.endpoint === null ? "" : `endpoint=${change.endpoint}\n`;
      const keepalive = `persistent_keepalive_interval=${change.keepaliveS}\n`;
      return `public_key=${change.key}\n${endpoint}${keepalive}`;
    }
    case "remove":
      return `public_key=${change.key}\nremove=true\n`;
    case "give":
      return `public_key=${change.key}\nupdate_only=true\n${prefixLines(change.cidrs)}`;
    case "drop":
      return `public_key=${nobody}\n${prefixLines(change.cidrs)}public_key=${nobody}\nremove=true\n`;
    default:
      return unreachable(change);
  }
}

const prefixLines = (cidrs: readonly Cidr[]): string =>
  cidrs.map((cidr) => `allowed_ip=${cidr}\n`).join("");

export const secretName = "private_key=";

/** Written byte by byte: a string with the key in it could never be wiped. */
function encodeSecretLine(secret: Secret): Uint8Array {
  const line = encodeUtf8(`${secretName}${"0".repeat(2 * keySizeBytes)}\n`);
  secret.expose((bytes) => {
    bytes.forEach((byte, i) => {
      line[secretName.length + 2 * i] = hexDigit(byte >> 4);
      line[secretName.length + 2 * i + 1] = hexDigit(byte & 15);
    });
  });
  return line;
}

const hexDigit = (nibble: number): number => (nibble < 10 ? 0x30 : 0x57) + nibble;
