/**
 * uapi-answer decodes what a userspace device answers on its socket
 * (https://www.wireguard.com/xplatform/). Keys that it does not know are passed over.
 */
import * as v from "valibot";
import { decodeUtf8, encodeUtf8 } from "../../base/bytes.ts";
import { err, ok, type Result } from "../../base/result.ts";
import { Cidr, Endpoint } from "../../model/ip.ts";
import { TunnelKey } from "../../model/keys.ts";
import type { PeerState } from "../../model/tunnel.ts";
import type { DeviceState } from "./device.ts";
import { keySizeBytes, publicKeyOf } from "./tunnel-key.ts";
import { secretName } from "./uapi-request.ts";

export type UapiRejection =
  | { readonly code: "malformed"; readonly line: string }
  /** The device refused, with a negative error number. */
  | { readonly code: "refused"; readonly errno: number };

/** Returns null for "done" to a set request. */
export function decodeSetAnswer(answer: Uint8Array): UapiRejection | null {
  const read = readLines(answer);
  return read.ok ? null : read.error;
}

/** Reads the answer to a get request. Wipes the private key in it, of which the public one is kept. */
export function decodeGetAnswer(answer: Uint8Array): Result<DeviceState, UapiRejection> {
  const key = takeKey(answer);
  const lines = readLines(answer);
  if (!lines.ok) return lines;
  const [device, ...peerParts] = splitByPeer(lines.value);
  const peers = new Map<TunnelKey, PeerState>();
  const owners = new Map<Cidr, TunnelKey>();
  for (const part of peerParts) {
    const malformed = readPeer(part, peers, owners);
    if (malformed !== null) return err(malformed);
  }
  const settings = new Map(device);
  const listenPort = readNumber(settings, "listen_port");
  const mark = readNumber(settings, "fwmark");
  return ok({ key, listenPort, mark, peers, owners });
}

type Line = readonly [name: string, value: string];

/** The lines but the last, which says whether the request was carried out. */
function readLines(answer: Uint8Array): Result<readonly Line[], UapiRejection> {
  const text = decodeUtf8(answer);
  if (text === null) return err({ code: "malformed", line: "not UTF-8" });
  const lines: Line[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const equals = line.indexOf("=");
    if (equals < 1) return err(malformedLine(line));
    lines.push([line.slice(0, equals), line.slice(equals + 1)]);
  }
  const [name = "", value = ""] = lines.pop() ?? [];
  if (name !== "errno" || !/^-?\d+$/.test(value)) return err(malformedLine(`${name}=${value}`));
  return value === "0" ? ok(lines) : err({ code: "refused", errno: Number(value) });
}

const malformedLine = (line: string) => ({ code: "malformed", line: line.slice(0, 80) }) as const;

/** The device's own lines, then each peer's, which begin with its key. */
function splitByPeer(lines: readonly Line[]): readonly Line[][] {
  const parts: Line[][] = [[]];
  for (const line of lines) {
    if (line[0] === "public_key") parts.push([]);
    parts.at(-1)?.push(line);
  }
  return parts;
}

function readPeer(
  lines: readonly Line[],
  peers: Map<TunnelKey, PeerState>,
  owners: Map<Cidr, TunnelKey>,
): UapiRejection | null {
  const values = new Map(lines);
  const key = v.safeParse(TunnelKey, values.get("public_key"));
  if (!key.success) return malformedLine(`public_key=${values.get("public_key")}`);
  // A link-local endpoint comes with a scope, for which we have no word: then none is known.
  const endpoint = v.safeParse(Endpoint, values.get("endpoint"));
  const lastHandshakeS = readNumber(values, "last_handshake_time_sec");
  peers.set(key.output, {
    key: key.output,
    endpoint: endpoint.success ? endpoint.output : null,
    keepaliveS: readNumber(values, "persistent_keepalive_interval"),
    lastHandshakeS: lastHandshakeS === 0 ? null : lastHandshakeS,
    receivedBytes: readNumber(values, "rx_bytes"),
    sentBytes: readNumber(values, "tx_bytes"),
  });
  for (const [name, value] of lines) {
    if (name !== "allowed_ip") continue;
    const cidr = v.safeParse(Cidr, value);
    if (!cidr.success) return malformedLine(`${name}=${value}`);
    owners.set(cidr.output, key.output);
  }
  return null;
}

/** Zero for a number that is not there: the device leaves some out until they are set. */
function readNumber(values: ReadonlyMap<string, string>, name: string): number {
  const value = values.get(name) ?? "";
  return /^\d{1,15}$/.test(value) ? Number(value) : 0;
}

/** Derives the public key from the answer's private one, and overwrites that with zeros. */
function takeKey(answer: Uint8Array): TunnelKey | null {
  const name = encodeUtf8(secretName);
  const at = Buffer.from(answer.buffer, answer.byteOffset, answer.length).indexOf(name);
  if (at < 0) return null;
  const digits = answer.subarray(at + name.length, at + name.length + 2 * keySizeBytes);
  const bytes = Uint8Array.from({ length: keySizeBytes }, (_, i) => readHexByte(digits, 2 * i));
  digits.fill(0x30);
  const key = bytes.some((byte) => byte !== 0) ? publicKeyOf(bytes) : null;
  bytes.fill(0);
  return key;
}

function readHexByte(digits: Uint8Array, at: number): number {
  const nibble = (digit: number) => (digit < 0x3a ? digit - 0x30 : digit - 0x57);
  return (nibble(digits[at] ?? 0x30) << 4) | nibble(digits[at + 1] ?? 0x30);
}
