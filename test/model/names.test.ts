/** names, ids, keys and time: what their alphabets let in, and what they keep out. */
import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import * as ids from "../../src/model/ids.ts";
import { SigningKey, TlsPin, TunnelKey } from "../../src/model/keys.ts";
import { ApproverName, InterfaceName, NodeName, Owner, Tag } from "../../src/model/names.ts";
import { Counter, UnixS } from "../../src/model/time.ts";

const hostile: readonly (readonly [what: string, text: string])[] = [
  ["nothing", ""],
  ["a blank", "a b"],
  ["a quote", "a'b"],
  ["a double quote", 'a"b'],
  ["a newline inside", "a\nb"],
  ["a newline behind it", "ab\n"],
  ["a terminal's escape", "a\u001b[31m"],
  ["a zero", "a\u0000b"],
  ["a command", "$(id)"],
  ["a backtick", "a`id`"],
  ["a semicolon", "a;b"],
  ["a slash", "a/b"],
  ["a way up", "../a"],
  ["markup", "<b>a</b>"],
  ["a percent", "a%00b"],
  ["300 letters", "a".repeat(300)],
  ["a Cyrillic a", "\u0430b"],
  ["a letter of full width", "\uff41b"],
  ["a dotless i", "\u0131b"],
  ["a long s, whose capital is S", "\u017fb"],
  ["the Kelvin sign", "\u212ab"],
  ["a combining mark", "a\u0301"],
  ["a mark that turns the direction around", "a\u202eb"],
  ["a blank without width", "a\u200bb"],
  ["a dash in front", "-a"],
];

const schemas: readonly (readonly [name: string, schema: v.GenericSchema])[] = [
  ["a node's name", NodeName],
  ["a tag", Tag],
  ["an owner", Owner],
  ["an approver's name", ApproverName],
  ["an interface's name", InterfaceName],
];

describe.each(schemas)("%s", (_name, schema) => {
  test.each(hostile)("has no %s: %j", (_what, text) => {
    expect(v.is(schema, text)).toBe(false);
  });

  test.each([[null], [1], [{}], [["a"]], [undefined]])("is a text, not %p", (value) => {
    expect(v.is(schema, value)).toBe(false);
  });
});

describe.each(schemas.filter(([name]) => name !== "an interface's name"))("%s", (_, schema) => {
  test.each(["A", "Web", "wEb"])("is in lower case: not %p", (text) => {
    expect(v.is(schema, text)).toBe(false);
  });
});

test.each(["a", "web-1", "1-a", "a--b", "0xg", "a".repeat(63), "100a", "x0x1"])(
  "%p is a node's name",
  (text) => {
    expect(v.is(NodeName, text)).toBe(true);
  },
);

test.each([
  ["a dash behind it", "a-"],
  ["64 letters", "a".repeat(64)],
  ["a dot", "a.b"],
  ["an underscore", "a_b"],
  ["punycode", "xn--pypal-4ve"],
  ["punycode of nothing", "xn--a"],
  ["a decimal number, which resolvers read as an address", "10"],
  ["a long number", "2130706433"],
  ["a hexadecimal number", "0x7f000001"],
  ["the beginning of one", "0x"],
])("a node's name has no %s: %p", (_what, text) => {
  expect(v.is(NodeName, text)).toBe(false);
});

test.each(["a", "alice", "alice@example.com", "a.b+c_d-e@x", "a".repeat(128)])(
  "%p is an owner",
  (text) => {
    expect(v.is(Owner, text)).toBe(true);
  },
);

test.each(["a@", "@a", ".a", "a".repeat(129), "alice@example.com "])("%p is no owner", (text) => {
  expect(v.is(Owner, text)).toBe(false);
});

test.each(["rustynet0", "tun_0", "eth0.100", "A", "a".repeat(15)])("%p is an interface", (text) => {
  expect(v.is(InterfaceName, text)).toBe(true);
});

test.each(["a".repeat(16), ".", "..", "_a", "a:0"])("%p is no interface", (text) => {
  expect(v.is(InterfaceName, text)).toBe(false);
});

test.each([
  ["NetworkId", ids.NetworkId, 32],
  ["NodeId", ids.NodeId, 64],
  ["StateRoot", ids.StateRoot, 64],
  ["UpdateId", ids.UpdateId, 32],
  ["PolicyHash", ids.PolicyHash, 64],
  ["Nonce", ids.Nonce, 32],
  ["CredentialId", ids.CredentialId, 16],
  ["SigningKey", SigningKey, 64],
  ["TunnelKey", TunnelKey, 64],
  ["TlsPin", TlsPin, 64],
] as const)("%s is lower-case hex of its one length", (_name, schema, digits) => {
  expect(v.is(schema, "0a".repeat(digits / 2))).toBe(true);
  for (const text of [
    "0A".repeat(digits / 2),
    "0a".repeat(digits / 2 - 1),
    "0a".repeat(digits / 2 + 1),
    `${"0a".repeat(digits / 2)}\n`,
    `${"0a".repeat(digits / 2 - 1)}0g`,
    ` ${"0a".repeat(digits / 2)}`.slice(0, digits),
    "",
  ])
    expect(v.is(schema, text)).toBe(false);
});

test.each([
  [UnixS, 0, true],
  [UnixS, 253_402_300_799, true],
  [UnixS, 253_402_300_800, false],
  [UnixS, -1, false],
  [UnixS, 1.5, false],
  [UnixS, Number.NaN, false],
  [UnixS, "1", false],
  [Counter, 0, true],
  [Counter, 2 ** 48, true],
  [Counter, 2 ** 48 + 1, false],
  [Counter, -1, false],
  [Counter, 0.5, false],
  [Counter, Number.POSITIVE_INFINITY, false],
  [Counter, 2 ** 53, false],
] as const)("a number's bounds: %#", (schema, value, isIn) => {
  expect(v.is(schema, value)).toBe(isIn);
});
