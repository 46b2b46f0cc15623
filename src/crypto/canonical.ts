/**
 * canonical: the one spelling of a signed or hashed value. It is RFC 8785 (JSON Canonicalization
 * Scheme) over a subset without anything that two programs could read differently: objects, arrays,
 * well-formed strings and safe integers. No null, no booleans, no fractions, no -0.
 */
import { assert } from "../base/assert.ts";
import { decodeUtf8, encodeUtf8 } from "../base/bytes.ts";
import { err, ok, type Result } from "../base/result.ts";

export type CanonicalValue =
  string | number | readonly CanonicalValue[] | { readonly [key: string]: CanonicalValue };

export type CanonicalRejection =
  | { readonly code: "too_large"; readonly sizeMaxBytes: number }
  | { readonly code: "too_deep"; readonly depthMax: number }
  | { readonly code: "not_utf8" }
  | { readonly code: "not_json" }
  | { readonly code: "unsupported_value"; readonly found: string }
  | { readonly code: "not_canonical" };

/** Levels of arrays and objects. Our deepest document has six. */
export const depthMax = 32;
export const sizeMaxBytesDefault = 1_048_576;

/** For values that we made: one that has no canonical form is a bug. */
export function encodeCanonical(value: CanonicalValue): Uint8Array {
  const spelled = spell(value, 0);
  assert(typeof spelled === "string", `no canonical form: ${JSON.stringify(spelled)}`);
  return encodeUtf8(spelled);
}

/** For values that came from outside and may hold what has no canonical form. */
export function tryEncodeCanonical(value: unknown): Result<Uint8Array, CanonicalRejection> {
  const spelled = spell(value, 0);
  return typeof spelled === "string" ? ok(encodeUtf8(spelled)) : err(spelled);
}

/**
 * Returns the value of which these bytes are the one canonical spelling. Spelling the value again
 * and comparing refuses blanks, escapes, other orders, other numbers and repeated keys alike.
 */
export function decodeCanonical(
  bytes: Uint8Array,
  sizeMaxBytes: number = sizeMaxBytesDefault,
): Result<unknown, CanonicalRejection> {
  if (bytes.length > sizeMaxBytes) return err({ code: "too_large", sizeMaxBytes });
  const text = decodeUtf8(bytes);
  if (text === null) return err({ code: "not_utf8" });
  const parsed = parseJson(text);
  if (!parsed.ok) return parsed;
  const spelled = spell(parsed.value, 0);
  if (typeof spelled !== "string") return err(spelled);
  return spelled === text ? parsed : err({ code: "not_canonical" });
}

function parseJson(text: string): Result<unknown, CanonicalRejection> {
  try {
    return ok(JSON.parse(text));
  } catch {
    return err({ code: "not_json" });
  }
}

type Spelled = string | CanonicalRejection;

function spell(value: unknown, depth: number): Spelled {
  if (typeof value === "string") return spellString(value);
  if (typeof value === "number") return spellInteger(value);
  if (typeof value !== "object" || value === null) return unsupported(nameOf(value));
  if (depth === depthMax) return { code: "too_deep", depthMax };
  if (Array.isArray(value)) return spellArray(value, depth + 1);
  // A class instance has a meaning that its fields may not show: a Secret, a Map, a Date.
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return unsupported("class instance");
  return spellObject(value, depth + 1);
}

/** Printable ASCII without a quotation mark or a backslash: what JSON spells as it is. Nearly all text is. */
const plain = /^[ !#-[\]-~]*$/;

function spellString(text: string): Spelled {
  if (plain.test(text)) return `"${text}"`;
  return text.isWellFormed() ? JSON.stringify(text) : unsupported("lone surrogate");
}

function spellInteger(number: number): Spelled {
  if (!Number.isSafeInteger(number)) return unsupported("number that is no safe integer");
  return Object.is(number, -0) ? unsupported("-0") : `${number}`;
}

function spellArray(items: readonly unknown[], depth: number): Spelled {
  let text = "[";
  // By index, because a hole in a sparse array must not be skipped.
  for (let i = 0; i < items.length; i++) {
    const spelled = spell(items[i], depth);
    if (typeof spelled !== "string") return spelled;
    text += i === 0 ? spelled : `,${spelled}`;
  }
  return `${text}]`;
}

function spellObject(value: object, depth: number): Spelled {
  let text = "{";
  const fields = value as Readonly<Record<string, unknown>>;
  // The default order is by UTF-16 code units, which is RFC 8785 section 3.2.3.
  for (const key of Object.keys(value).sort()) {
    const name = spellString(key);
    if (typeof name !== "string") return name;
    const spelled = spell(fields[key], depth);
    if (typeof spelled !== "string") return spelled;
    text += text === "{" ? `${name}:${spelled}` : `,${name}:${spelled}`;
  }
  return `${text}}`;
}

const unsupported = (found: string): CanonicalRejection => ({ code: "unsupported_value", found });
const nameOf = (value: unknown): string => (value === null ? "null" : typeof value);
