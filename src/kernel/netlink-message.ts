/** netlink-message encodes and decodes netlink messages and their attributes (linux/netlink.h). */
import { assert } from "../base/assert.ts";

export const messageFlag = {
  request: 0x1,
  multi: 0x2,
  acknowledge: 0x4,
  dump: 0x300,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
} as const;

const nested = 0x8000;
const typeMask = 0x3fff;
export const headerSizeBytes = 16;

/** Writes one message: header, fixed part, attributes. Sizes are filled in by `finish`. */
export class MessageWriter {
  #bytes = new Uint8Array(new ArrayBuffer(512));
  #view = new DataView(this.#bytes.buffer);
  #size = headerSizeBytes;

  /** Whether the kernel will answer this message even when it has nothing but "done" to say. */
  readonly acknowledged: boolean;

  constructor(type: number, flags: number) {
    this.#view.setUint16(4, type, true);
    this.#view.setUint16(6, flags, true);
    this.acknowledged = (flags & (messageFlag.acknowledge | messageFlag.dump)) !== 0;
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#view.setUint8(this.#size++, value);
    return this;
  }

  /** Host byte order, which is little-endian on every platform we build for. */
  u16(value: number): this {
    this.#reserve(2);
    this.#view.setUint16(this.#size, value, true);
    this.#size += 2;
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.#view.setUint32(this.#size, value >>> 0, true);
    this.#size += 4;
    return this;
  }

  attribute(type: number, value: Uint8Array): this {
    this.u16(4 + value.length).u16(type);
    this.#reserve(value.length + 3);
    this.#bytes.set(value, this.#size);
    this.#size = align(this.#size + value.length);
    return this;
  }

  attributeU8(type: number, value: number): this {
    return this.attribute(type, Uint8Array.of(value));
  }

  attributeU16(type: number, value: number): this {
    return this.attribute(type, Uint8Array.of(value & 0xff, value >> 8));
  }

  attributeU32(type: number, value: number): this {
    return this.u16(8).u16(type).u32(value);
  }

  /** Network byte order, as nf_tables wants its numbers. */
  attributeU32Be(type: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value >>> 0);
    return this.attribute(type, bytes);
  }

  attributeU64Be(type: number, value: bigint): this {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value);
    return this.attribute(type, bytes);
  }

  /** A zero-terminated string. */
  attributeText(type: number, text: string): this {
    return this.attribute(type, new TextEncoder().encode(`${text}\0`));
  }

  nest(type: number, write: (inner: this) => void): this {
    const start = this.#size;
    this.u16(0).u16(type | nested);
    write(this);
    const size = this.#size - start;
    // The length of an attribute is 16 bits wide: a longer nest would be cut off silently.
    assert(size <= 0xffff, "a netlink attribute is at most 65535 bytes long");
    this.#view.setUint16(start, size, true);
    return this;
  }

  get sizeBytes(): number {
    return this.#size;
  }

  finish(sequence: number): Uint8Array<ArrayBuffer> {
    this.#view.setUint32(0, this.#size, true);
    this.#view.setUint32(8, sequence, true);
    return this.#bytes.slice(0, this.#size);
  }

  #reserve(sizeBytes: number): void {
    if (this.#size + sizeBytes <= this.#bytes.length) return;
    const larger = new Uint8Array(new ArrayBuffer((this.#bytes.length + sizeBytes) * 2));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

export type Message = {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Of a notification: the socket that asked for what it tells of; 0 when nobody did. */
  readonly port: number;
  readonly payload: Uint8Array;
};

/** The messages of one datagram, in order. Stops at the first that does not fit. */
export function* decodeMessages(datagram: Uint8Array): Generator<Message> {
  const view = viewOf(datagram);
  let offset = 0;
  while (offset + headerSizeBytes <= datagram.length) {
    const size = view.getUint32(offset, true);
    if (size < headerSizeBytes || offset + size > datagram.length) return;
    yield {
      type: view.getUint16(offset + 4, true),
      flags: view.getUint16(offset + 6, true),
      sequence: view.getUint32(offset + 8, true),
      port: view.getUint32(offset + 12, true),
      payload: datagram.subarray(offset + headerSizeBytes, offset + size),
    };
    offset += align(size);
  }
}

export type Attribute = { readonly type: number; readonly value: Uint8Array };

export function* decodeAttributes(bytes: Uint8Array): Generator<Attribute> {
  const view = viewOf(bytes);
  let offset = 0;
  while (offset + 4 <= bytes.length) {
    const size = view.getUint16(offset, true);
    if (size < 4 || offset + size > bytes.length) return;
    const type = view.getUint16(offset + 2, true) & typeMask;
    yield { type, value: bytes.subarray(offset + 4, offset + size) };
    offset += align(size);
  }
}

/** The attributes by type; of a repeated type the last. */
export function attributeMap(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const map = new Map<number, Uint8Array>();
  for (const { type, value } of decodeAttributes(bytes)) map.set(type, value);
  return map;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

export function readText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

export const readU32 = (bytes: Uint8Array): number => viewOf(bytes).getUint32(0, true);
export const readU32Be = (bytes: Uint8Array): number => viewOf(bytes).getUint32(0);
export const readU16 = (bytes: Uint8Array): number => viewOf(bytes).getUint16(0, true);

const align = (size: number): number => (size + 3) & ~3;
