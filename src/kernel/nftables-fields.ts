/**
 * nftables-fields reads the attributes of nf_tables messages, whose numbers are big-endian, and
 * finds the words for its numbers. What is missing, short or unknown reads as undefined.
 */
import { attributeMap, decodeAttributes, readText, viewOf } from "./netlink-message.ts";

export type Fields = ReadonlyMap<number, Uint8Array>;

export const fieldsOf = (bytes: Uint8Array): Fields => attributeMap(bytes);

export function u8(fields: Fields, type: number): number | undefined {
  const value = fields.get(type);
  return value?.length === 1 ? value[0] : undefined;
}

export function u32(fields: Fields, type: number): number | undefined {
  const value = fields.get(type);
  return value?.length === 4 ? viewOf(value).getUint32(0) : undefined;
}

export function u64(fields: Fields, type: number): bigint | undefined {
  const value = fields.get(type);
  return value?.length === 8 ? viewOf(value).getBigUint64(0) : undefined;
}

export function text(fields: Fields, type: number): string | undefined {
  const value = fields.get(type);
  return value === undefined ? undefined : readText(value);
}

/** The attributes inside an attribute. */
export function nested(fields: Fields, type: number): Fields | undefined {
  const value = fields.get(type);
  return value === undefined ? undefined : fieldsOf(value);
}

/** The entries of a list attribute: all of them, since they share one type. */
export function list(fields: Fields, type: number): readonly Uint8Array[] {
  const value = fields.get(type);
  return value === undefined ? [] : Array.from(decodeAttributes(value), (entry) => entry.value);
}

/** The word that stands for the number in a table of words. */
export function wordOf<W extends string>(
  words: Readonly<Record<W, number>>,
  number: number | undefined,
): W | undefined {
  for (const word in words) if (words[word] === number) return word;
  return undefined;
}
