/** join-token: one spelling for each, and nothing but a whole one is taken. */
import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { encodeBase64Url, encodeUtf8 } from "../../src/base/bytes.ts";
import { encodeCanonical } from "../../src/crypto/canonical.ts";
import {
  ControlUrl,
  EnrollmentSecret,
  encodeJoinToken,
  JoinToken,
  parseJoinToken,
} from "../../src/wire/join-token.ts";
import { forEachSeed } from "../support/prng.ts";

const token = v.parse(JoinToken, {
  url: "https://control.example:8443",
  pin: "ab".repeat(32),
  network: "cd".repeat(16),
  genesis: "ef".repeat(32),
  secret: encodeBase64Url(new Uint8Array(32).fill(9)),
});
const text = encodeJoinToken(token);
const prefix = "rnjoin1.";
const wrapped = (payload: string): string => prefix + encodeBase64Url(encodeUtf8(payload));
const worded = (changes: Record<string, string | number>): string =>
  prefix + encodeBase64Url(encodeCanonical({ ...token, ...changes }));

test("a token says what was put into it", () => {
  expect(text.startsWith(prefix)).toBe(true);
  expect(text).toMatch(/^[A-Za-z0-9._-]+$/);
  expect(parseJoinToken(text)).toEqual(token);
});

test("any token comes back as it went", () => {
  forEachSeed(100, (prng) => {
    const hex = (bytes: number) => prng.bytes(bytes).toHex();
    const some = v.parse(JoinToken, {
      url: `https://h${prng.integer(99)}.example:${1_024 + prng.integer(60_000)}`,
      pin: hex(32),
      network: hex(16),
      genesis: hex(32),
      secret: encodeBase64Url(prng.bytes(32)),
    });
    expect(parseJoinToken(encodeJoinToken(some))).toEqual(some);
  });
});

test("blanks around it are forgiven, as people copy them along", () => {
  for (const around of [" ", "\n", "\r\n", "\t", "  \n "])
    expect(parseJoinToken(around + text + around)).toEqual(token);
});

test("cut off anywhere, it is none", () => {
  for (let end = 0; end < text.length; end++) expect(parseJoinToken(text.slice(0, end))).toBeNull();
  for (let from = 1; from < text.length; from++)
    expect(parseJoinToken(text.slice(from))).toBeNull();
});

test("one letter changed, it is none or it says something else", () => {
  for (let at = 0; at < text.length; at++)
    for (const letter of ["A", "b", "9", "_", "-", ".", " ", "é"]) {
      if (text[at] === letter) continue;
      const parsed = parseJoinToken(text.slice(0, at) + letter + text.slice(at + 1));
      expect(parsed).not.toEqual(token);
      if (parsed !== null) expect(v.is(JoinToken, parsed)).toBe(true);
    }
});

test.each([
  ["nothing", ""],
  ["the prefix alone", prefix],
  ["another version", text.replace("rnjoin1", "rnjoin2")],
  ["capitals", text.toUpperCase()],
  ["no prefix", text.slice(prefix.length)],
  ["a blank inside", `${text.slice(0, 40)} ${text.slice(40)}`],
  ["a newline inside", `${text.slice(0, 40)}\n${text.slice(40)}`],
  ["padding", `${text}=`],
  ["something behind it", `${text}A`],
  ["itself again", text + text],
  ["quotes around it", `"${text}"`],
  ["2 MB", prefix + "A".repeat(2_000_000)],
  ["JSON that is not canonical", wrapped(JSON.stringify(token, null, 1))],
  ["another order of fields", wrapped(JSON.stringify(token))],
  ["no object", wrapped("[]")],
  ["no JSON", wrapped("rnjoin1")],
  ["a field too many", worded({ insecure: 1 })],
  ["a pin in capitals", worded({ pin: "AB".repeat(32) })],
  ["a pin too short", worded({ pin: "ab".repeat(31) })],
  ["a secret too short", worded({ secret: "A".repeat(42) })],
  ["a secret in another spelling", worded({ secret: `${"A".repeat(42)}B` })],
  ["a network that is none", worded({ network: "" })],
  ["plain HTTP", worded({ url: "http://control.example:8443" })],
  ["a file", worded({ url: "file:///etc/passwd" })],
  ["a path", worded({ url: "https://control.example:8443/v1" })],
])("what is refused: %s", (_what, hostile) => {
  expect(parseJoinToken(hostile)).toBeNull();
});

test.each(Object.keys(token))("without its %s it is none", (field) => {
  const { [field as keyof JoinToken]: _, ...rest } = token;
  expect(parseJoinToken(prefix + encodeBase64Url(encodeCanonical(rest)))).toBeNull();
});

describe("the address of a control server", () => {
  test.each([
    "https://control.example",
    "https://control.example:8443",
    "https://192.0.2.1:8443",
    "https://[2001:db8::1]:8443",
    "https://localhost:1",
  ])("may be %s", (url) => {
    expect(v.is(ControlUrl, url)).toBe(true);
  });

  test.each([
    ["HTTP", "http://control.example"],
    ["another scheme", "wss://control.example"],
    ["no scheme", "control.example:8443"],
    ["a slash", "https://control.example/"],
    ["a path", "https://control.example/v1"],
    ["a question", "https://control.example?a"],
    ["a fragment", "https://control.example#a"],
    ["a user", "https://me@control.example"],
    ["a user and a password", "https://me:pw@control.example"],
    ["an empty user", "https://@control.example"],
    ["a host behind a user that looks like one", "https://control.example@evil.example"],
    ["the default port said again", "https://control.example:443"],
    ["a port too large", "https://control.example:65536"],
    ["port with a zero in front", "https://control.example:08443"],
    ["capitals", "https://Control.example"],
    ["another spelling of an address", "https://0x7f.1:8443"],
    ["another spelling of an IPv6 address", "https://[2001:DB8::1]:8443"],
    ["a backslash", "https://control.example\\@evil.example"],
    ["a blank", "https://control .example"],
    ["a newline behind it", "https://control.example\n"],
    ["a tab inside", "https://control\t.example"],
    ["letters that are none of ours", "https://cоntrol.example"],
    ["nothing", ""],
    ["no host", "https://"],
    ["a host of 300 letters", `https://${"a".repeat(300)}`],
  ])("has not %s: %j", (_what, url) => {
    expect(v.is(ControlUrl, url)).toBe(false);
  });
});

test("a secret is 32 bytes in their one spelling", () => {
  forEachSeed(100, (prng) => {
    const secret = encodeBase64Url(prng.bytes(32));
    expect(v.is(EnrollmentSecret, secret)).toBe(true);
    for (const other of [secret.slice(1), `${secret}A`, `${secret}=`, secret.replace(/.$/, "B")])
      expect(v.is(EnrollmentSecret, other)).toBe(false);
  });
});
