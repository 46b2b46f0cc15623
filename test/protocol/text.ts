/**
 * text: sections 1 and 2 of docs/protocol.md, written from the document alone. Nothing here or in the
 * files beside it comes from src/: what they accept is what the document says.
 */
import { createHash } from "node:crypto";
import { Point } from "@noble/ed25519";

/** What a verifier throws: in words, since the document promises no codes for these. */
export class Refused extends Error {}

export function demand(holds: boolean, why: string): asserts holds {
  if (!holds) throw new Refused(why);
}

/** Turns what came from outside into what it is said to be, or refuses it. */
export type Read<T> = (value: unknown) => T;
export type As<R> = R extends Read<infer T> ? T : never;

/** Section 1.2: these fields, all of them, and no other. */
export function fields<const R extends Record<string, Read<unknown>>>(readers: R) {
  return (value: unknown): { readonly [K in keyof R]: As<R[K]> } => {
    demand(typeof value === "object" && value !== null && !Array.isArray(value), "not an object");
    const given = new Map<string, unknown>(Object.entries(value));
    demand(
      given.size === Object.keys(readers).length,
      `other fields: ${[...given.keys()].join(" ")}`,
    );
    const read = Object.entries(readers).map(([name, reader]) => {
      demand(given.has(name), `${name} is missing`);
      return [name, reader(given.get(name))] as const;
    });
    return Object.fromEntries(read) as { readonly [K in keyof R]: As<R[K]> };
  };
}

export const list =
  <T>(reader: Read<T>, most: number): Read<readonly T[]> =>
  (value) => {
    demand(Array.isArray(value) && value.length <= most, `not a list of at most ${most}`);
    return value.map(reader);
  };

export const text =
  (pattern: RegExp): Read<string> =>
  (value) => {
    demand(
      typeof value === "string" && pattern.test(value),
      `${JSON.stringify(value)}: ${pattern}`,
    );
    return value;
  };

export const oneOf = <const T extends string>(...words: readonly T[]): Read<T> => {
  return (value) => {
    const found = words.find((word) => word === value);
    demand(found !== undefined, `${JSON.stringify(value)} is none of ${words.join(" ")}`);
    return found;
  };
};

export const integer =
  (least: number, most: number): Read<number> =>
  (value) => {
    const fits = typeof value === "number" && Number.isSafeInteger(value);
    demand(fits && value >= least && value <= most, `not in ${least}..${most}`);
    return value;
  };

const depthMost = 32;

/** Section 1.1. */
export function spell(value: unknown, depth = 0): string {
  demand(depth <= depthMost, "nested too deeply");
  if (typeof value === "string") {
    demand(value.isWellFormed(), "a lone surrogate");
    return JSON.stringify(value);
  }
  if (typeof value === "number") {
    demand(Number.isSafeInteger(value) && !Object.is(value, -0), `${value} is no integer`);
    return String(value);
  }
  demand(typeof value === "object" && value !== null, "neither text, integer, list nor object");
  if (Array.isArray(value)) return `[${value.map((item) => spell(item, depth + 1)).join(",")}]`;
  const names = Object.keys(value).sort((left, right) => (left < right ? -1 : 1));
  const given = new Map<string, unknown>(Object.entries(value));
  return `{${names.map((name) => `${spell(name)}:${spell(given.get(name), depth + 1)}`).join(",")}}`;
}

export function parseStatement(bytes: Uint8Array): unknown {
  const source = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  const value: unknown = JSON.parse(source);
  demand(spell(value) === source, "not the one spelling");
  return value;
}

/** Section 1.4. Parts that are written in hex enter as the bytes they stand for. */
export function hash(domain: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const sum = createHash("sha256").update(`${domain}\0`);
  for (const part of parts) sum.update(part);
  return new Uint8Array(sum.digest());
}

export const bytesOf = (words: string): Uint8Array => new TextEncoder().encode(words);
export const fromHex = (digits: string): Uint8Array => Uint8Array.fromHex(digits);

export function fromBase64(words: string, sort: "base64" | "base64url" = "base64"): Uint8Array {
  const bytes = Buffer.from(words, sort);
  demand(bytes.toString(sort) === words, "not the one spelling in base64");
  return new Uint8Array(bytes);
}

const order = Point.CURVE().n;
const little = (bytes: Uint8Array): bigint => BigInt(`0x${bytes.toReversed().toHex()}`);

/** Section 2.1, as an equation: R = S B - k A, with R compared as bytes. */
export function isSignature(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const [r, s] = [signature.subarray(0, 32), little(signature.subarray(32))];
  if (signature.length !== 64 || s >= order) return false;
  const point = Point.fromBytes(key);
  if (point.isSmallOrder() || !point.isTorsionFree()) return false;
  const digest = createHash("sha512").update(r).update(key).update(message).digest();
  const k = little(digest) % order;
  const expected = Point.BASE.multiply(s, false).add(point.multiply(k, false).negate());
  return Buffer.from(expected.toBytes()).equals(r);
}

export const hex64 = text(/^[0-9a-f]{64}$/);

export const Envelope = fields({
  payloadType: text(/^[!-~]{1,128}$/),
  payload: text(/^[A-Za-z0-9+/=]*$/),
  signatures: list(fields({ keyid: hex64, sig: text(/^[A-Za-z0-9+/]{86}==$/) }), 65),
});
export type Envelope = As<typeof Envelope>;

/** Section 2.2: who signed what. `kind` is as in section 2.3. */
export function openEnvelope(given: unknown, kind: string) {
  const { payload, payloadType, signatures } = Envelope(given);
  demand(payloadType === `application/vnd.rustynet.${kind}+json`, `is ${payloadType}`);
  const bytes = fromBase64(payload);
  demand(bytes.length <= 1 << 20, "a payload above 1 MiB");
  const head = `DSSEv1 ${payloadType.length} ${payloadType} ${bytes.length} `;
  const message = Buffer.concat([bytesOf(head), bytes]);
  const signers = new Set(signatures.map(({ keyid }) => keyid));
  demand(signers.size === signatures.length && signers.size > 0, "a key twice, or none");
  for (const { keyid, sig } of signatures)
    demand(isSignature(fromHex(keyid), message, fromBase64(sig)), `not signed by ${keyid}`);
  return { signers, value: parseStatement(bytes) };
}
