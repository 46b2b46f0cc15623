/** icmp-message: requests as the RFCs draw them, and no stranger's answer taken for ours. */
import { expect, test } from "bun:test";
import {
  type AddressSize,
  type Echo,
  encodeEchoRequest,
  internetChecksum,
  isEchoReply,
  type SocketKind,
} from "../../src/kernel/icmp-message.ts";

const echo: Echo = { identifier: 0x1234, sequence: 7, payload: Uint8Array.of(1, 2, 3, 4) };
const hex = (text: string) => Uint8Array.fromHex(text.replaceAll(" ", ""));
const header = "45000020 f42b4000 400148af 7f000001 7f000001 ".replaceAll(" ", "");

test("a request is a header with a checksum, and the payload", () => {
  expect(encodeEchoRequest(4, echo).toHex()).toBe("0800e1be1234000701020304");
  expect(encodeEchoRequest(16, echo).toHex()).toBe("800000001234000701020304");
});

test("a message with its checksum in it sums to zero", () => {
  expect(internetChecksum(encodeEchoRequest(4, echo))).toBe(0);
});

test("the checksum is that of the example in RFC 1071 section 3", () => {
  expect(internetChecksum(hex("0001 f203 f4f5 f6f7"))).toBe(~0xddf2 & 0xffff);
});

const replies: readonly (readonly [string, SocketKind, AddressSize, string, boolean])[] = [
  ["an answer on a ping socket", "datagram", 4, "0000 0000 9999 0007 01020304", true],
  ["an answer on a raw socket", "raw", 4, `${header} 0000 0000 1234 0007 01020304`, true],
  ["an ICMPv6 answer on a ping socket", "datagram", 16, "8100 0000 9999 0007 01020304", true],
  ["an ICMPv6 answer on a raw socket", "raw", 16, "8100 0000 1234 0007 01020304", true],
  ["our own request", "raw", 4, `${header} 0800 0000 1234 0007 01020304`, false],
  ["somebody else's identifier", "raw", 4, `${header} 0000 0000 1235 0007 01020304`, false],
  ["another sequence number", "datagram", 4, "0000 0000 9999 0008 01020304", false],
  ["another payload", "datagram", 4, "0000 0000 9999 0007 01020305", false],
  ["a shorter payload", "datagram", 4, "0000 0000 9999 0007 010203", false],
  ["another code", "datagram", 4, "0001 0000 9999 0007 01020304", false],
  ["an error message", "datagram", 4, "0301 0000 9999 0007 01020304", false],
  ["nothing", "raw", 4, "", false],
  ["a header that is cut off", "raw", 4, "4500 0020", false],
];

test.each(replies)("%s", (_, kind, size, bytes, expected) => {
  expect(isEchoReply(hex(bytes), kind, size, echo)).toBe(expected);
});
