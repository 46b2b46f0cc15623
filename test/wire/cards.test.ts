/** cards: network and approver in one spelling each, and nothing but a whole card is taken. */
import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { encodeBase64Url, encodeUtf8 } from "../../src/base/bytes.ts";
import { encodeCanonical } from "../../src/crypto/canonical.ts";
import { keygen } from "../../src/crypto/ed25519.ts";
import {
  ApproverCard,
  encodeApproverCard,
  parseApproverCard,
} from "../../src/wire/approver-card.ts";
import { encodeJoinToken, JoinToken } from "../../src/wire/join-token.ts";
import { encodeNetworkCard, NetworkCard, parseNetworkCard } from "../../src/wire/network-card.ts";
import { forEachSeed } from "../support/prng.ts";

const network = v.parse(NetworkCard, {
  url: "https://control.example:8443",
  pin: "ab".repeat(32),
  network: "cd".repeat(16),
  genesis: "ef".repeat(32),
});
// RFC 8032 section 7.1, test 1.
const key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const approver = v.parse(ApproverCard, { key, name: "anna" });

/** A card that must not change is written out: others have to read it after us. */
const kinds = [
  {
    kind: "network",
    prefix: "rnnet1.",
    record: network as Record<string, string>,
    text:
      "rnnet1.eyJnZW5lc2lzIjoiZWZlZmVmZWZlZmVmZWZlZmVmZWZlZmVmZWZlZmVmZWZlZmVmZWZlZmVmZWZlZmVmZWZ" +
      "lZmVmZWZlZmVmZWZlZiIsIm5ldHdvcmsiOiJjZGNkY2RjZGNkY2RjZGNkY2RjZGNkY2RjZGNkY2RjZCIsInBpbiI6I" +
      "mFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWIiLCJ" +
      "1cmwiOiJodHRwczovL2NvbnRyb2wuZXhhbXBsZTo4NDQzIn0",
    encode: () => encodeNetworkCard(network),
    parse: (text: string): unknown => parseNetworkCard(text),
  },
  {
    kind: "approver",
    prefix: "rnapprover1.",
    record: approver as Record<string, string>,
    text:
      "rnapprover1.eyJrZXkiOiJkNzVhOTgwMTgyYjEwYWI3ZDU0YmZlZDNjOTY0MDczYTBlZTE3MmYzZGFhNjIzMjVhZj" +
      "AyMWE2OGY3MDc1MTFhIiwibmFtZSI6ImFubmEifQ",
    encode: () => encodeApproverCard(approver),
    parse: (text: string): unknown => parseApproverCard(text),
  },
];

describe.each(kinds)("a card of one $kind", ({ prefix, record, text, encode, parse }) => {
  const worded = (changes: Record<string, string | number>): string =>
    prefix + encodeBase64Url(encodeCanonical({ ...record, ...changes }));
  const wrapped = (payload: string): string => prefix + encodeBase64Url(encodeUtf8(payload));

  test("has this one spelling, and says what was put into it", () => {
    expect(encode()).toBe(text);
    expect(parse(text)).toEqual(record);
  });

  test("may have blanks around it, as people copy them along", () => {
    for (const around of [" ", "\n", "\r\n", "\t"])
      expect(parse(around + text + around)).toEqual(record);
  });

  test("is none when it is cut off anywhere", () => {
    for (let end = 0; end < text.length; end++) expect(parse(text.slice(0, end))).toBeNull();
    for (let from = 1; from < text.length; from++) expect(parse(text.slice(from))).toBeNull();
  });

  test("never reads as itself with one letter changed", () => {
    for (let at = 0; at < text.length; at++)
      for (const letter of ["A", "b", "9", "_", "-", ".", " ", "é"])
        if (text[at] !== letter)
          expect(parse(text.slice(0, at) + letter + text.slice(at + 1))).not.toEqual(record);
  });

  test.each([
    ["nothing", ""],
    ["the prefix alone", prefix],
    ["another version", text.replace("1.", "2.")],
    ["capitals", text.toUpperCase()],
    ["no prefix", text.slice(prefix.length)],
    ["a newline inside", `${text.slice(0, 40)}\n${text.slice(40)}`],
    ["padding", `${text}=`],
    ["something behind it", `${text}A`],
    ["itself again", text + text],
    ["2 MB", prefix + "A".repeat(2_000_000)],
    ["JSON that is not canonical", wrapped(JSON.stringify(record, null, 1))],
    ["no object", wrapped("[]")],
    ["no JSON", wrapped("card")],
    ["a field too many", worded({ role: "owner" })],
    ["a secret", worded({ secret: encodeBase64Url(new Uint8Array(32)) })],
  ])("is not %s", (_what, hostile) => {
    expect(parse(hostile)).toBeNull();
  });

  test.each(Object.keys(record))("is none without its %s", (field) => {
    const { [field]: _, ...rest } = record;
    expect(parse(prefix + encodeBase64Url(encodeCanonical(rest)))).toBeNull();
  });

  test.each(Object.keys(record))("is none with a number as its %s", (field) => {
    expect(parse(worded({ [field]: 1 }))).toBeNull();
  });
});

test("any cards come back as they went", () => {
  forEachSeed(50, (prng) => {
    const hex = (bytes: number) => prng.bytes(bytes).toHex();
    const card = v.parse(NetworkCard, {
      url: `https://h${prng.integer(99)}.example:${1_024 + prng.integer(60_000)}`,
      pin: hex(32),
      network: hex(16),
      genesis: hex(32),
    });
    expect(parseNetworkCard(encodeNetworkCard(card))).toEqual(card);
    const { publicKey } = keygen((sizeBytes) => prng.bytes(sizeBytes));
    const other = v.parse(ApproverCard, { key: publicKey, name: `a${prng.integer(99)}` });
    expect(parseApproverCard(encodeApproverCard(other))).toEqual(other);
  });
});

test("a join token is no network card, and a card is no other card", () => {
  const secret = encodeBase64Url(new Uint8Array(32).fill(9));
  const token = encodeJoinToken(v.parse(JoinToken, { ...network, secret }));
  expect(parseNetworkCard(token)).toBeNull();
  // Nobody makes one public by renaming it, either.
  expect(parseNetworkCard(token.replace("rnjoin1.", "rnnet1."))).toBeNull();
  expect(parseNetworkCard(encodeApproverCard(approver))).toBeNull();
  expect(parseApproverCard(encodeNetworkCard(network))).toBeNull();
});

test.each([
  ["the neutral point", `01${"00".repeat(31)}`],
  ["a point of order 8", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"],
  ["no point", `02${"00".repeat(31)}`],
  ["capitals", key.toUpperCase()],
])("an approver's key is not %s", (_what, hostile) => {
  const text = `rnapprover1.${encodeBase64Url(encodeCanonical({ key: hostile, name: "anna" }))}`;
  expect(parseApproverCard(text)).toBeNull();
});
