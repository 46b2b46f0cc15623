/** bytes: each byte string has one text, and every other spelling of it is refused. */
import { describe, expect, test } from "bun:test";
import {
  concatBytes,
  decodeBase64,
  decodeBase64Url,
  decodeHex,
  decodeUtf8,
  encodeBase64,
  encodeBase64Url,
  encodeHex,
  encodeUtf8,
  equalBytes,
} from "../../src/base/bytes.ts";
import { forEachSeed } from "../support/prng.ts";

const codecs = [
  { name: "hex", encode: encodeHex, decode: decodeHex },
  { name: "base64", encode: encodeBase64, decode: decodeBase64 },
  { name: "base64url", encode: encodeBase64Url, decode: decodeBase64Url },
];

describe.each(codecs)("$name", ({ encode, decode }) => {
  test("what was encoded decodes to the same bytes", () => {
    forEachSeed(50, (prng) => {
      const bytes = prng.bytes(prng.integer(70));
      expect(decode(encode(bytes))).toEqual(bytes);
    });
  });

  test("a text that decodes is the text that its bytes encode to", () => {
    const letters = "AZaz09+/-_= \n.é".split("");
    forEachSeed(2_000, (prng) => {
      const text = Array.from({ length: prng.integer(9) }, () => prng.pick(letters)).join("");
      const bytes = decode(text);
      if (bytes !== null) expect(encode(bytes)).toBe(text);
    });
  });
});

// RFC 4648 section 10.
test.each([
  ["", ""],
  ["f", "Zg=="],
  ["fo", "Zm8="],
  ["foo", "Zm9v"],
  ["foobar", "Zm9vYmFy"],
])("RFC 4648: %p is %p", (text, base64) => {
  expect(encodeBase64(encodeUtf8(text))).toBe(base64);
  expect(decodeUtf8(decodeBase64(base64) ?? new Uint8Array([255]))).toBe(text);
});

test.each([
  ["upper case", decodeHex, "0A"],
  ["half a byte", decodeHex, "0"],
  ["a blank", decodeHex, "0 "],
  ["a newline after it", decodeHex, "00\n"],
  ["a prefix", decodeHex, "0x00"],
  ["no padding", decodeBase64, "Zg"],
  ["half the padding", decodeBase64, "Zg="],
  ["padding too much", decodeBase64, "Zm9v===="],
  ["padding alone", decodeBase64, "=="],
  ["stray bits in the last letter", decodeBase64, "Zh=="],
  ["stray bits before one padding", decodeBase64, "Zm9="],
  ["the alphabet of URLs", decodeBase64, "-_-_"],
  ["a newline inside", decodeBase64, "Zm9v\nYmFy"],
  ["a newline after it", decodeBase64, "Zm9v\n"],
  ["letters after the padding", decodeBase64, "Zg==Zg=="],
  ["padding", decodeBase64Url, "Zg=="],
  ["the alphabet of base64", decodeBase64Url, "+/+/"],
  ["stray bits in the last letter", decodeBase64Url, "Zh"],
  ["a single letter", decodeBase64Url, "Z"],
])("a text with %s is refused: %p, %p", (_what, decode, text) => {
  expect(decode(text)).toBeNull();
});

test.each([
  ["a byte that begins nothing", [0x80]],
  ["a cut character", [0xc3]],
  ["an overlong slash", [0xc0, 0xaf]],
  ["a surrogate", [0xed, 0xa0, 0x80]],
  ["more than Unicode has", [0xf4, 0x90, 0x80, 0x80]],
])("%s is not UTF-8", (_what, bytes) => {
  expect(decodeUtf8(Uint8Array.from(bytes))).toBeNull();
});

test("a byte order mark is kept: without it the text would be another", () => {
  const bytes = Uint8Array.of(0xef, 0xbb, 0xbf, 0x61);
  expect(encodeUtf8(decodeUtf8(bytes) ?? "")).toEqual(bytes);
});

test("parts are joined in their order", () => {
  const joined = concatBytes(Uint8Array.of(1, 2), new Uint8Array(), Uint8Array.of(3));
  expect(joined).toEqual(Uint8Array.of(1, 2, 3));
  expect(concatBytes()).toEqual(new Uint8Array());
});

test.each([
  [[], [], true],
  [[1, 2, 3], [1, 2, 3], true],
  [[1, 2, 3], [1, 2, 4], false],
  [[0, 2, 3], [1, 2, 3], false],
  [[1, 2], [1, 2, 0], false],
  [[255], [127], false],
])("%p and %p being equal is %p", (left, right, isEqual) => {
  expect(equalBytes(Uint8Array.from(left), Uint8Array.from(right))).toBe(isEqual);
});
