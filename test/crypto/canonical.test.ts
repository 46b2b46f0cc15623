import { expect, test } from "bun:test";
import canonicalize from "canonicalize";
import { decodeUtf8, encodeUtf8 } from "../../src/base/bytes.ts";
import { Secret } from "../../src/base/secret.ts";
import {
  type CanonicalValue,
  decodeCanonical,
  depthMax,
  encodeCanonical,
  tryEncodeCanonical,
} from "../../src/crypto/canonical.ts";
import { forEachSeed, type Prng } from "../support/prng.ts";

const spell = (value: CanonicalValue): string => decodeUtf8(encodeCanonical(value)) ?? "";

/** The value as JSON, or the code of the refusal. */
function outcome(bytes: Uint8Array | string, sizeMaxBytes?: number): string {
  const given = typeof bytes === "string" ? encodeUtf8(bytes) : bytes;
  const decoded = decodeCanonical(given, sizeMaxBytes);
  return decoded.ok ? JSON.stringify(decoded.value) : decoded.error.code;
}

test("names are in the order of their UTF-16 code units, as in RFC 8785 section 3.2.3", () => {
  const value = { "€": 1, "\r": 2, "\ufb33": 3, "1": 4, "😀": 5, "\u0080": 6, ö: 7 };
  expect(spell(value)).toBe('{"\\r":2,"1":4,"\u0080":6,"ö":7,"€":1,"😀":5,"\ufb33":3}');
});

test("strings are escaped as in RFC 8785 section 3.2.2.2, and no further", () => {
  expect(spell('€$\u000f\nA\'B"\\\\"/\u007f\u2028')).toBe(
    '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/\u007f\u2028"',
  );
});

test("numbers that look like names sort as text", () => {
  expect(spell({ "10": 1, "9": 2, "1": 3 })).toBe('{"1":3,"10":1,"9":2}');
});

const accepted = [
  "{}",
  "[]",
  '""',
  "0",
  "-1",
  "9007199254740991",
  "-9007199254740991",
  '{"a":[],"b":{"c":"d"}}',
  '{"":""}',
  '{"__proto__":{"a":1},"constructor":2}',
];
test.each(accepted)("takes %s", (text) => {
  expect(outcome(text)).toBe(text);
});

const refused: [string, string, string][] = [
  ["null", "null", "unsupported_value"],
  ["a boolean", '{"a":true}', "unsupported_value"],
  ["a fraction", "1.5", "unsupported_value"],
  ["a number above the safe integers", "9007199254740992", "unsupported_value"],
  ["a number beyond all bounds", "1e999", "unsupported_value"],
  ["minus zero", "-0", "unsupported_value"],
  ["an exponent", "1e3", "not_canonical"],
  ["a needless fraction", "1.0", "not_canonical"],
  ["a leading blank", " 1", "not_canonical"],
  ["a trailing newline", "1\n", "not_canonical"],
  ["a blank after a comma", "[1, 2]", "not_canonical"],
  ["names out of order", '{"b":1,"a":2}', "not_canonical"],
  ["a repeated name", '{"a":1,"a":1}', "not_canonical"],
  ["a repeated name, spelled with an escape", '{"a":1,"\\u0061":1}', "not_canonical"],
  ["a needless escape", '"\\u0061"', "not_canonical"],
  ["an escaped slash", '"\\/"', "not_canonical"],
  ["an escape in upper case", '"\\u000F"', "not_canonical"],
  ["an escaped lone surrogate", '"\\ud800"', "unsupported_value"],
  ["an escaped lone surrogate in a name", '{"\\udc00":1}', "unsupported_value"],
  ["a surrogate pair as escapes", '"\\ud83d\\ude00"', "not_canonical"],
  ["a byte order mark", "\ufeff{}", "not_json"],
  ["two values", "{}{}", "not_json"],
  ["nothing", "", "not_json"],
  ["a cut object", '{"a":', "not_json"],
  ["a comment", "{}//", "not_json"],
  ["a bare control character", '"\u0001"', "not_json"],
];
test.each(refused)("refuses %s", (_name, text, code) => {
  expect(outcome(text)).toBe(code);
});

const notUtf8 = ["22ff22", "22c0af22", "22eda08022", "22f490808022", "22e282", "22c3"];
test.each(notUtf8)("refuses the bytes %s, which are no UTF-8", (hex) => {
  expect(outcome(Uint8Array.fromHex(hex))).toBe("not_utf8");
});

test("the limits on size and depth are exact", () => {
  expect(outcome('"12345678"', 10)).toBe('"12345678"');
  expect(outcome('"123456789"', 10)).toBe("too_large");
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  expect(outcome(nested(depthMax))).toBe(nested(depthMax));
  expect(outcome(nested(depthMax + 1))).toBe("too_deep");
  expect(outcome('{"a":'.repeat(depthMax + 1) + "1" + "}".repeat(depthMax + 1))).toBe("too_deep");
});

test("a megabyte of open brackets is refused and breaks nothing", () => {
  expect(outcome("[".repeat(1_048_576))).toBe("not_json");
  expect(outcome("[".repeat(500_000) + "]".repeat(500_000))).toBeOneOf(["too_deep", "not_json"]);
});

const hole: unknown[] = [1];
hole[2] = 3;
const cycle: Record<string, unknown> = {};
cycle["self"] = cycle;
const unspellable: [string, unknown][] = [
  ["undefined in an object", { a: undefined }],
  ["a hole in an array", hole],
  ["a function", { a: () => 1 }],
  ["a symbol", Symbol("a")],
  ["a bigint", 1n],
  ["NaN", Number.NaN],
  ["a Date", new Date(0)],
  ["a Map", new Map([["a", 1]])],
  ["bytes", new Uint8Array(2)],
  ["a Secret", { key: new Secret(new Uint8Array(2)) }],
  ["an object that spells itself", { toJSON: () => "a" }],
  ["a cycle", cycle],
  ["a lone surrogate", "\ud800"],
];
test.each(unspellable)("has no spelling for %s", (_name, value) => {
  expect(tryEncodeCanonical(value).ok).toBe(false);
  expect(() => encodeCanonical(value as CanonicalValue)).toThrow("no canonical form");
});

function anyText(prng: Prng): string {
  const points = [
    0x61, 0x62, 0x22, 0x5c, 0x0a, 0x7f, 0x80, 0xe9, 0x2028, 0xd7ff, 0xe000, 0xffff, 0x1f600,
  ];
  const length = prng.integer(5);
  return String.fromCodePoint(...Array.from({ length }, () => prng.pick(points)));
}

function anyValue(prng: Prng, depth = 0): CanonicalValue {
  const kind = prng.integer(depth > 3 ? 2 : 4);
  if (kind === 0) return anyText(prng);
  if (kind === 1) return Math.round((prng.next() - 0.5) * 2 ** prng.integer(53)) + 0;
  const length = prng.integer(5);
  if (kind === 2) return Array.from({ length }, () => anyValue(prng, depth + 1));
  const members = Array.from({ length }, () => [anyText(prng), anyValue(prng, depth + 1)] as const);
  return Object.fromEntries(members);
}

test("a second implementation of RFC 8785 spells every value the same", () => {
  forEachSeed(500, (prng) => {
    const value = anyValue(prng);
    const text = spell(value);
    expect(text).toBe(canonicalize(value) ?? "");
    expect(outcome(text)).toBe(JSON.stringify(JSON.parse(text)));
  });
});

test("whatever bytes are taken are the bytes that their value spells", () => {
  let taken = 0;
  forEachSeed(2_000, (prng) => {
    const bytes = encodeCanonical(anyValue(prng));
    const at = prng.integer(bytes.length);
    bytes[at] = prng.chance(0.5) ? prng.integer(256) : 0x20 + prng.integer(0x5f);
    const decoded = decodeCanonical(bytes);
    if (!decoded.ok) return;
    taken++;
    expect(encodeCanonical(decoded.value as CanonicalValue)).toEqual(bytes);
  });
  expect(taken).toBeGreaterThan(100);
});
