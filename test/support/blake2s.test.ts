/** blake2s holds against RFC 7693, and against another implementation's answers with a key. */
import { expect, test } from "bun:test";
import { blake2s } from "./blake2s.ts";

const rising = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i & 255);

test("appendix B: the hash of abc", () => {
  expect(blake2s(new TextEncoder().encode("abc")).toHex()).toBe(
    "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
  );
});

test.each([0, 1, 63, 64, 65, 128, 1_000])(
  "without a key, %d bytes hash as Bun hashes them",
  (length) => {
    const twin = new Bun.CryptoHasher("blake2s256").update(rising(length)).digest("hex");
    expect(blake2s(rising(length)).toHex()).toBe(twin);
  },
);

// Of the reference implementation, with the key 00 01 .. 1f.
test.each([
  [0, 32, "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49"],
  [1, 32, "40d15fee7c328830166ac3f918650f807e7e01e177258cdc0a39b11f598066f1"],
  [63, 32, "c65382513f07460da39833cb666c5ed82e61b9e998f4b0c4287cee56c3cc9bcd"],
  [64, 32, "8975b0577fd35566d750b362b0897a26c399136df07bababbde6203ff2954ed4"],
  [65, 32, "21fe0ceb0052be7fb0f004187cacd7de67fa6eb0938d927677f2398c132317a8"],
  [255, 32, "3fb735061abc519dfe979e54c1ee5bfad0a9d858b3315bad34bde999efd724dd"],
  [116, 16, "072e94ffbfc684bd8ab2a1b9dade2fd5"],
])("%d bytes with a key hash to %d bytes", (length, outputBytes, hex) => {
  expect(blake2s(rising(length), { key: rising(32), outputBytes }).toHex()).toBe(hex);
});
