/** Changes to nf_tables, byte for byte (linux/netfilter/nf_tables.h), and back into their words. */
import { describe, expect, test } from "bun:test";
import type { MessageWriter } from "../../src/kernel/netlink-message.ts";
import type { Chain, Element, HashSet, Rule, Statement, Table } from "../../src/kernel/nftables.ts";
import {
  decodeChain,
  decodeElement,
  decodeRule,
  decodeSet,
} from "../../src/kernel/nftables-dump.ts";
import { encodeTransaction } from "../../src/kernel/nftables-encode.ts";
import { decodeExpression, type Expression } from "../../src/kernel/nftables-expression.ts";
import { fieldsOf, list } from "../../src/kernel/nftables-fields.ts";
import { golden } from "../support/golden.ts";

const table: Table = { family: "inet", name: "t" };
const sent = (message: MessageWriter | undefined) => message?.finish(1).toHex();
const expected = (...lines: string[]) => golden(...lines).toHex();

/** The messages between those that open and close the batch. */
const changes = (statement: Statement): readonly MessageWriter[] =>
  encodeTransaction(table, [statement], null).slice(1, -1);

/** What follows the netlink header and `struct nfgenmsg`. */
const fieldsIn = (message: MessageWriter) => fieldsOf(message.finish(1).subarray(20));

describe("a transaction", () => {
  test("is framed, and asks for an answer to its last change alone", () => {
    const [begin, first, last, end] = encodeTransaction(
      table,
      [{ kind: "add_table" }, { kind: "delete_table" }],
      null,
    );
    expect(sent(begin)).toBe(
      expected(
        "14000000 1000 0100 01000000 00000000  # NFNL_MSG_BATCH_BEGIN: REQUEST",
        "00 00 000a                            # family, version, res_id 10: nftables, big-endian",
      ),
    );
    expect(sent(first)).toBe(
      expected(
        "1c000000 000a 0104 01000000 00000000  # NFT_MSG_NEWTABLE: REQUEST CREATE",
        "01 00 0000                            # NFPROTO_INET",
        "0600 0100 7400 0000                   # NFTA_TABLE_NAME t",
      ),
    );
    expect(sent(last)).toBe(
      expected(
        "1c000000 020a 0500 01000000 00000000  # NFT_MSG_DELTABLE: REQUEST ACK",
        "01 00 0000",
        "0600 0100 7400 0000",
      ),
    );
    expect(sent(end)).toBe(
      expected("14000000 1100 0100 01000000 00000000 00 00 000a # NFNL_MSG_BATCH_END: REQUEST"),
    );
  });

  test("can name the generation that it was made for", () => {
    const [begin] = encodeTransaction(table, [{ kind: "add_table" }], 0x0102_0304);
    expect(sent(begin)).toEndWith(
      expected("0800 0100 01020304            # NFNL_BATCH_GENID, big-endian"),
    );
  });

  test("that changes nothing is a bug", () => {
    expect(() => encodeTransaction(table, [], null)).toThrow("changes something");
  });
});

describe("bytes of a change", () => {
  test("a base chain names its hook, priority, policy and type", () => {
    const chain: Chain = {
      name: "c",
      base: { type: "filter", hook: "forward", priority: -5, policy: "drop" },
    };
    expect(sent(changes({ kind: "add_chain", chain })[0])).toBe(
      expected(
        "4c000000 030a 0504 01000000 00000000  # NFT_MSG_NEWCHAIN: REQUEST ACK CREATE",
        "01 00 0000",
        "0600 0100 7400 0000                   # NFTA_CHAIN_TABLE t",
        "0600 0300 6300 0000                   # NFTA_CHAIN_NAME c",
        "1400 0480                             # NFTA_CHAIN_HOOK, nested",
        "0800 0100 00000002                    # NFTA_HOOK_HOOKNUM NF_INET_FORWARD",
        "0800 0200 fffffffb                    # NFTA_HOOK_PRIORITY -5",
        "0800 0500 00000000                    # NFTA_CHAIN_POLICY NF_DROP",
        "0b00 0700 66696c74657200 00           # NFTA_CHAIN_TYPE filter",
      ),
    );
  });

  test("a set names its flags, key and how nft is to print it", () => {
    const set: HashSet = { name: "s", key: "ifname", hasTimeouts: true };
    expect(sent(changes({ kind: "add_set", set })[0])).toBe(
      expected(
        "50000000 090a 0504 01000000 00000000  # NFT_MSG_NEWSET: REQUEST ACK CREATE",
        "01 00 0000",
        "0600 0100 7400 0000                   # NFTA_SET_TABLE t",
        "0600 0200 7300 0000                   # NFTA_SET_NAME s",
        "0800 0300 00000010                    # NFTA_SET_FLAGS NFT_SET_TIMEOUT",
        "0800 0400 00000029                    # NFTA_SET_KEY_TYPE 41: ifname",
        "0800 0500 00000010                    # NFTA_SET_KEY_LEN 16",
        "0800 0a00 00000001                    # NFTA_SET_ID",
        "0a00 0d00 00 04 01000000 0000         # NFTA_SET_USERDATA: key byte order, 4 bytes, host's",
      ),
    );
  });

  test("an element is a nested key, with a timeout if it has one", () => {
    const elements: Element[] = [
      { key: Uint8Array.of(192, 0, 2, 1), timeoutMs: 1_000 },
      { key: Uint8Array.of(192, 0, 2, 2), timeoutMs: null },
    ];
    expect(sent(changes({ kind: "add_elements", set: "s", elements })[0])).toBe(
      expected(
        "54000000 0c0a 0504 01000000 00000000  # NFT_MSG_NEWSETELEM: REQUEST ACK CREATE",
        "01 00 0000",
        "0600 0100 7400 0000                   # NFTA_SET_ELEM_LIST_TABLE t",
        "0600 0200 7300 0000                   # NFTA_SET_ELEM_LIST_SET s",
        "3000 0380                             # NFTA_SET_ELEM_LIST_ELEMENTS, nested",
        "1c00 0180                             # NFTA_LIST_ELEM, nested",
        "0c00 0180 0800 0100 c0000201          # NFTA_SET_ELEM_KEY: NFTA_DATA_VALUE 192.0.2.1",
        "0c00 0400 00000000000003e8            # NFTA_SET_ELEM_TIMEOUT 1000 ms",
        "1000 0180 0c00 0180 0800 0100 c0000202 # the second: a key alone",
      ),
    );
  });

  test("a rule is a list of named expressions, appended", () => {
    const rule: Rule = [
      { kind: "meta", key: "iifname", to: 1 },
      { kind: "immediate", verdict: { kind: "jump", chain: "d" } },
    ];
    expect(sent(changes({ kind: "add_rule", chain: "c", rule })[0])).toBe(
      expected(
        "84000000 060a 050c 01000000 00000000  # NFT_MSG_NEWRULE: REQUEST ACK CREATE APPEND",
        "01 00 0000",
        "0600 0100 7400 0000                   # NFTA_RULE_TABLE t",
        "0600 0200 6300 0000                   # NFTA_RULE_CHAIN c",
        "6000 0480                             # NFTA_RULE_EXPRESSIONS, nested",
        "2400 0180                             # NFTA_LIST_ELEM, nested",
        "0900 0100 6d65746100 000000           # NFTA_EXPR_NAME meta",
        "1400 0280                             # NFTA_EXPR_DATA, nested",
        "0800 0200 00000006                    # NFTA_META_KEY NFT_META_IIFNAME",
        "0800 0100 00000001                    # NFTA_META_DREG NFT_REG_1",
        "3800 0180                             # NFTA_LIST_ELEM, nested",
        "0e00 0100 696d6d65646961746500 0000   # NFTA_EXPR_NAME immediate",
        "2400 0280                             # NFTA_EXPR_DATA, nested",
        "0800 0100 00000000                    # NFTA_IMMEDIATE_DREG NFT_REG_VERDICT",
        "1800 0280                             # NFTA_IMMEDIATE_DATA, nested",
        "1400 0280                             # NFTA_DATA_VERDICT, nested",
        "0800 0100 fffffffd                    # NFTA_VERDICT_CODE NFT_JUMP",
        "0600 0200 6400 0000                   # NFTA_VERDICT_CHAIN d",
      ),
    );
  });

  test("to flush is to delete without saying which", () => {
    expect(sent(changes({ kind: "flush_chain", chain: "c" })[0])).toBe(
      expected(
        "24000000 080a 0500 01000000 00000000  # NFT_MSG_DELRULE: REQUEST ACK",
        "01 00 0000 0600 0100 7400 0000 0600 0200 6300 0000",
      ),
    );
    expect(sent(changes({ kind: "flush_set", set: "s" })[0])).toBe(
      expected(
        "24000000 0e0a 0500 01000000 00000000  # NFT_MSG_DELSETELEM: REQUEST ACK",
        "01 00 0000 0600 0100 7400 0000 0600 0200 7300 0000",
      ),
    );
  });

  test("to delete no element is a bug, since it would mean every one", () => {
    expect(() => changes({ kind: "delete_elements", set: "s", elements: [] })).toThrow("all of");
  });
});

describe("bytes of an expression", () => {
  const vectors: readonly (readonly [what: string, expression: Expression, ...data: string[]])[] = [
    [
      "cmp",
      { kind: "cmp", from: 2, is: "neq", value: Uint8Array.of(10) },
      "0800 0100 00000002                  # NFTA_CMP_SREG NFT_REG_2",
      "0800 0200 00000001                  # NFTA_CMP_OP NFT_CMP_NEQ",
      "0c00 0380 0500 0100 0a 000000       # NFTA_CMP_DATA: NFTA_DATA_VALUE",
    ],
    [
      "payload",
      { kind: "payload", base: "network", offsetBytes: 12, sizeBytes: 4, to: 1 },
      "0800 0100 00000001                  # NFTA_PAYLOAD_DREG NFT_REG_1",
      "0800 0200 00000001                  # NFTA_PAYLOAD_BASE NFT_PAYLOAD_NETWORK_HEADER",
      "0800 0300 0000000c                  # NFTA_PAYLOAD_OFFSET",
      "0800 0400 00000004                  # NFTA_PAYLOAD_LEN",
    ],
    [
      "bitwise",
      {
        kind: "bitwise",
        from: 1,
        to: 2,
        mask: Uint8Array.of(6, 0, 0, 0),
        xor: Uint8Array.of(0, 0, 0, 1),
      },
      "0800 0100 00000001                  # NFTA_BITWISE_SREG",
      "0800 0200 00000002                  # NFTA_BITWISE_DREG",
      "0800 0300 00000004                  # NFTA_BITWISE_LEN",
      "0c00 0480 0800 0100 06000000        # NFTA_BITWISE_MASK",
      "0c00 0580 0800 0100 00000001        # NFTA_BITWISE_XOR",
    ],
    [
      "ct",
      { kind: "ct", key: "direction", to: 1 },
      "0800 0200 00000001                  # NFTA_CT_KEY NFT_CT_DIRECTION",
      "0800 0100 00000001                  # NFTA_CT_DREG",
    ],
    [
      "lookup",
      { kind: "lookup", from: 1, set: "s", isInverted: true },
      "0600 0100 7300 0000                 # NFTA_LOOKUP_SET s",
      "0800 0200 00000001                  # NFTA_LOOKUP_SREG",
      "0800 0500 00000001                  # NFTA_LOOKUP_FLAGS NFT_LOOKUP_F_INV",
    ],
    [
      "counter",
      { kind: "counter", packets: 1n, bytes: 2n },
      "0c00 0100 0000000000000002          # NFTA_COUNTER_BYTES",
      "0c00 0200 0000000000000001          # NFTA_COUNTER_PACKETS",
    ],
    [
      "immediate",
      { kind: "immediate", verdict: { kind: "accept" } },
      "0800 0100 00000000                  # NFTA_IMMEDIATE_DREG NFT_REG_VERDICT",
      "1000 0280 0c00 0280                 # NFTA_IMMEDIATE_DATA, NFTA_DATA_VERDICT",
      "0800 0100 00000001                  # NFTA_VERDICT_CODE NF_ACCEPT",
    ],
    [
      "reject",
      { kind: "reject", answer: "admin_prohibited" },
      "0800 0100 00000002                  # NFTA_REJECT_TYPE NFT_REJECT_ICMPX_UNREACH",
      "0500 0200 03 000000                 # NFTA_REJECT_ICMP_CODE NFT_REJECT_ICMPX_ADMIN_PROHIBITED",
    ],
    [
      "reject",
      { kind: "reject", answer: "tcp_reset" },
      "0800 0100 00000001                  # NFTA_REJECT_TYPE NFT_REJECT_TCP_RST",
    ],
  ];
  test.each(vectors)("%s %#", (_what, expression, ...data) => {
    const [message] = changes({ kind: "add_rule", chain: "c", rule: [expression] });
    expect(sent(message)).toEndWith(expected(...data));
  });
});

const value = Uint8Array.of(1, 2, 3, 4);
const everyExpression: readonly Expression[] = [
  ...(["mark", "iifname", "oifname", "skuid", "nfproto", "l4proto"] as const).map(
    (key): Expression => ({ kind: "meta", key, to: 2 }),
  ),
  ...(["link", "network", "transport"] as const).map((base): Expression => ({
    kind: "payload",
    base,
    offsetBytes: 24,
    sizeBytes: 16,
    to: 3,
  })),
  ...(["state", "direction", "status", "mark"] as const).map((key): Expression => ({
    kind: "ct",
    key,
    to: 4,
  })),
  { kind: "bitwise", from: 1, to: 2, mask: value, xor: Uint8Array.of(0, 0, 0, 0) },
  ...(["eq", "neq", "lt", "lte", "gt", "gte"] as const).map((is): Expression => ({
    kind: "cmp",
    from: 1,
    is,
    value,
  })),
  ...[true, false].map((isInverted): Expression => ({
    kind: "lookup",
    from: 1,
    set: "somebody",
    isInverted,
  })),
  { kind: "counter", packets: 2n ** 63n, bytes: 0n },
  { kind: "immediate", verdict: { kind: "accept" } },
  { kind: "immediate", verdict: { kind: "drop" } },
  { kind: "immediate", verdict: { kind: "jump", chain: "elsewhere" } },
  ...(
    ["tcp_reset", "no_route", "port_unreachable", "host_unreachable", "admin_prohibited"] as const
  ).map((answer): Expression => ({ kind: "reject", answer })),
];

describe("what was written reads back the same", () => {
  test.each(everyExpression.map((expression) => [expression.kind, expression] as const))(
    "%s %#",
    (_kind, expression) => {
      const rule: Rule = [expression, { kind: "meta", key: "mark", to: 1 }];
      const [message] = changes({ kind: "add_rule", chain: "c", rule });
      expect(message && decodeRule(fieldsIn(message))).toEqual(rule);
    },
  );

  test.each([
    { name: "regular", base: null },
    { name: "b", base: { type: "filter", hook: "input", priority: 0, policy: "accept" } },
    { name: "b", base: { type: "nat", hook: "postrouting", priority: 100, policy: "accept" } },
    { name: "b", base: { type: "route", hook: "output", priority: -150, policy: "drop" } },
    { name: "b", base: { type: "filter", hook: "prerouting", priority: -300, policy: "drop" } },
  ] as const satisfies readonly Chain[])("chain %j", (chain) => {
    const [message] = changes({ kind: "add_chain", chain });
    expect<unknown>(message && decodeChain(fieldsIn(message))).toEqual(chain);
  });

  test.each([
    { name: "a", key: "ipv4_addr", hasTimeouts: false },
    { name: "b", key: "ipv6_addr", hasTimeouts: true },
    { name: "c", key: "ifname", hasTimeouts: true },
  ] as const satisfies readonly HashSet[])("set %j", (set) => {
    const [message] = changes({ kind: "add_set", set });
    expect<unknown>(message && decodeSet(fieldsIn(message))).toEqual(set);
  });

  test("100 000 elements, in messages whose lists fit into 16 bits of length", () => {
    const elements = Array.from({ length: 100_000 }, (_, index): Element => {
      const key = new Uint8Array(16);
      new DataView(key.buffer).setUint32(12, index);
      return { key, timeoutMs: index % 2 === 0 ? null : index };
    });
    const messages = changes({ kind: "add_elements", set: "s", elements });
    const read = messages.flatMap((message) => list(fieldsIn(message), 3).map(decodeElement));
    expect(read).toEqual(
      elements.map((element) => ({ ...element, remainingMs: element.timeoutMs })),
    );
    // An attribute that was too long would have been refused by its writer.
    expect(messages.length).toBeLessThan(100);
  });
});

describe("what the vocabulary cannot say is not read as something else", () => {
  const foreign: readonly (readonly [what: string, ...entry: string[]])[] = [
    [
      "an unknown expression",
      "0800 0100 66696200                  # NFTA_EXPR_NAME fib",
      "0c00 0280 0800 0100 00000001",
    ],
    [
      "a look-up in a map",
      "0b00 0100 6c6f6f6b757000 00         # lookup",
      "2400 0280 0600 0100 7300 0000 0800 0200 00000001",
      "0800 0300 00000000                  # NFTA_LOOKUP_DREG: a verdict map",
      "0800 0500 00000000",
    ],
    [
      "a meta that sets",
      "0900 0100 6d65746100 000000         # meta",
      "1400 0280 0800 0200 00000003 0800 0300 00000001 # NFTA_META_SREG",
    ],
    [
      "a meta of an unknown key",
      "0900 0100 6d65746100 000000         # meta",
      "1400 0280 0800 0200 00000018 0800 0100 00000001 # NFT_META_PRANDOM",
    ],
    [
      "a payload that writes",
      "0c00 0100 7061796c6f616400          # payload",
      "2400 0280 0800 0500 00000001        # NFTA_PAYLOAD_SREG",
      "0800 0200 00000001 0800 0300 0000000c 0800 0400 00000004",
    ],
    [
      "a shift",
      "0c00 0100 6269747769736500          # bitwise",
      "2c00 0280 0800 0100 00000001 0800 0200 00000001 0800 0300 00000004",
      "0800 0600 00000001                  # NFTA_BITWISE_OP NFT_BITWISE_LSHIFT",
      "0800 0700 00000001",
    ],
    [
      "a goto",
      "0e00 0100 696d6d65646961746500 0000 # immediate",
      "2800 0280 0800 0100 00000000 1c00 0280 1800 0280",
      "0800 0100 fffffffc 0600 0200 6400 0000 # NFT_GOTO d",
    ],
    [
      "a register that is not one of the four",
      "0900 0100 6d65746100 000000         # meta",
      "1400 0280 0800 0200 00000006 0800 0100 00000009 # NFT_REG32_01",
    ],
    ["an expression without data", "0900 0100 6d65746100 000000"],
    ["nothing"],
  ];
  test.each(foreign)("%s", (_what, ...entry) => {
    expect(decodeExpression(golden(...entry))).toBeNull();
  });

  test.each([
    ["an interval set", "0800 0300 00000004"],
    ["a map", "0800 0300 00000008"],
    ["a set whose elements expire unless they say otherwise", "0c00 0b00 00000000000003e8"],
    ["a set of limited size", "0c00 0980 0800 0100 00000002"],
    ["a set with a quota for each element", "0800 1180 0400 0100"],
    ["a set of another key", "0800 0400 0000000c"],
    ["a set of another key size", "0800 0500 00000008"],
  ])("%s", (_what, attribute) => {
    const set = "0600 0200 7300 0000 0800 0400 00000007 0800 0500 00000004";
    expect<unknown>(decodeSet(fieldsOf(golden(set)))).toEqual({
      name: "s",
      key: "ipv4_addr",
      hasTimeouts: false,
    });
    expect(decodeSet(fieldsOf(golden(set, attribute)))).toStartWith("set s");
  });

  test.each([
    ["the end of an interval", "0800 0300 00000001"],
    ["a value", "0c00 0280 0800 0100 00000001"],
    ["an object", "0600 0900 7100 0000"],
    ["an expression", "0800 0780 0400 0100"],
    ["expressions", "0800 0b80 0400 0100"],
    ["the end of a range", "0c00 0a80 0800 0100 00000001"],
  ])("an element with %s", (_what, attribute) => {
    const key = "0c00 0180 0800 0100 c0000201";
    expect(decodeElement(golden(key))).toEqual({
      key: Uint8Array.of(192, 0, 2, 1),
      timeoutMs: null,
      remainingMs: null,
    });
    expect(decodeElement(golden(key, attribute))).toBeNull();
  });

  test("a chain that hangs on a device's ingress, or is offloaded", () => {
    const hook = "1400 0480 0800 0100 00000005 0800 0200 00000000";
    const rest = "0800 0500 00000001 0b00 0700 66696c74657200 00";
    expect(decodeChain(fieldsOf(golden("0600 0300 6300 0000", hook, rest)))).toBeString();
    expect(decodeChain(fieldsOf(golden("0600 0300 6300 0000 0800 0a00 00000002")))).toBeString();
  });
});
