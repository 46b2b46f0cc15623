/** Captures are read from bytes written by hand: every link type, header and cut that a test may meet. */
import { expect, test } from "bun:test";
import { concatBytes } from "../../src/base/bytes.ts";
import { parsePcap } from "./pcap.ts";

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text.replaceAll(/\s/g, ""));

// Version 2.4, zone 0, accuracy 0, at most 262,144 bytes a packet; the link type follows.
const little = { magic: "d4c3b2a1", rest: "0200 0400 00000000 00000000 00000400" };
const big = { magic: "a1b2c3d4", rest: "0002 0004 00000000 00000000 00040000" };

function file(linkType: number, ...frames: readonly Uint8Array[]): Uint8Array {
  const records = frames.map((frame) => {
    const header = new DataView(new ArrayBuffer(16));
    header.setUint32(0, 1_700_000_000, true);
    header.setUint32(4, 250_000, true);
    header.setUint32(8, frame.length, true);
    header.setUint32(12, frame.length + 4, true);
    return concatBytes(new Uint8Array(header.buffer), frame);
  });
  const link = new Uint8Array(new Uint32Array([linkType]).buffer);
  return concatBytes(hex(little.magic + little.rest), link, ...records);
}

const ethernet = (type: string): Uint8Array => hex(`020000000002 020000000001 ${type}`);
// Protocol 17, 192.0.2.1 to 192.0.2.2, 33 bytes in all.
const ipv4Udp = hex("45000021 00004000 40110000 c0000201 c0000202");
// Port 1000 to 51820, 13 bytes with the header, and its payload.
const udpHello = hex("03e8 ca6c 000d 0000 68656c6c6f");
const ipv6 = (next: string, sizeBytes: string): Uint8Array =>
  hex(
    `60000000 ${sizeBytes} ${next} 40 20010db8000000000000000000000001 20010db8000000000000000000000002`,
  );

const [raw, ether, cooked, cooked2] = [101, 1, 113, 276];

const datagrams: { name: string; linkType: number; frame: Uint8Array; source: string }[] = [
  {
    name: "IPv4 over Ethernet",
    linkType: ether,
    frame: concatBytes(ethernet("0800"), ipv4Udp, udpHello),
    source: "192.0.2.1",
  },
  {
    name: "a short frame with padding at its end",
    linkType: ether,
    frame: concatBytes(ethernet("0800"), ipv4Udp, udpHello, hex("0000000000")),
    source: "192.0.2.1",
  },
  {
    name: "a VLAN tag",
    linkType: ether,
    frame: concatBytes(ethernet("8100 0005 0800"), ipv4Udp, udpHello),
    source: "192.0.2.1",
  },
  {
    name: "IPv4 options",
    linkType: raw,
    frame: concatBytes(hex("46000025 00004000 40110000 c0000201 c0000202 01010100"), udpHello),
    source: "192.0.2.1",
  },
  {
    name: "a tunnel's interface, without a link layer",
    linkType: raw,
    frame: concatBytes(ipv6("11", "000d"), udpHello),
    source: "2001:db8::1",
  },
  {
    name: "IPv6 with hop-by-hop and destination options",
    linkType: raw,
    frame: concatBytes(ipv6("00", "001d"), hex("3c00 010400000000 1100 010400000000"), udpHello),
    source: "2001:db8::1",
  },
  {
    name: "the first of two IPv6 fragments",
    linkType: raw,
    frame: concatBytes(ipv6("2c", "0015"), hex("1100 0001 00000007"), udpHello),
    source: "2001:db8::1",
  },
  {
    name: "a capture on all interfaces",
    linkType: cooked,
    frame: concatBytes(hex("0000 0001 0006 0200000000010000 0800"), ipv4Udp, udpHello),
    source: "192.0.2.1",
  },
  {
    name: "a capture on all interfaces, version 2",
    linkType: cooked2,
    frame: concatBytes(
      hex("86dd 0000 00000002 0001 00 06 0200000000010000"),
      ipv6("11", "000d"),
      udpHello,
    ),
    source: "2001:db8::1",
  },
];

test.each(datagrams)("reads a datagram from $name", ({ linkType, frame, source }) => {
  const parsed = parsePcap(file(linkType, frame));
  expect(parsed.linkType).toBe(linkType);
  const [packet] = parsed.packets;
  expect(packet?.ip?.source).toBe(source);
  expect(packet?.ip?.protocol).toBe(17);
  expect(packet?.transport).toEqual({
    kind: "udp",
    sourcePort: 1_000,
    destinationPort: 51_820,
    payload: Buffer.from("hello"),
  });
});

test("reads time, and the size on the wire where less was captured", () => {
  const [packet] = parsePcap(file(raw, concatBytes(ipv4Udp, udpHello))).packets;
  expect(packet?.timestampMs).toBe(1_700_000_000_250);
  expect(packet?.wireBytes).toBe(37);
});

test("reads a TCP segment behind its options", () => {
  const tcp = hex("01bb c000 00000001 00000002 8018 ffff 0000 0000 0101080a0000000100000002");
  const ip = hex("45000037 00004000 40060000 c0000201 c0000202");
  const [packet] = parsePcap(file(raw, concatBytes(ip, tcp, hex("616263")))).packets;
  expect(packet?.transport).toEqual({
    kind: "tcp",
    sourcePort: 443,
    destinationPort: 49_152,
    flags: 0x18,
    payload: Buffer.from("abc"),
  });
});

const portless: { name: string; frame: Uint8Array; kind: string | undefined }[] = [
  {
    name: "a later IPv4 fragment",
    frame: concatBytes(hex("45000021 000000b9 40110000 c0000201 c0000202"), udpHello),
    kind: "other",
  },
  {
    name: "a later IPv6 fragment",
    frame: concatBytes(ipv6("2c", "0015"), hex("1100 0010 00000007"), udpHello),
    kind: "other",
  },
  { name: "a UDP header cut short", frame: concatBytes(ipv4Udp, hex("03e8")), kind: "other" },
  { name: "an unknown protocol", frame: concatBytes(ipv6("fd", "0001"), hex("00")), kind: "other" },
  { name: "an IP header cut short", frame: hex("45000021"), kind: undefined },
  { name: "an empty frame", frame: hex(""), kind: undefined },
];

test.each(portless)("finds no ports in $name", ({ frame, kind }) => {
  const [packet] = parsePcap(file(raw, frame)).packets;
  expect(packet?.transport?.kind).toBe(kind as never);
});

test("a frame that is not IP has its bytes and nothing more", () => {
  const [packet] = parsePcap(file(ether, concatBytes(ethernet("0806"), hex("0001")))).packets;
  expect(packet?.ip).toBeNull();
  expect(packet?.frame.length).toBe(16);
});

test("reads the other byte order, and nanoseconds", () => {
  const record = "00000001 00000002 00000001 00000001 45";
  const bytes = hex(`${big.magic} ${big.rest} 00000065 ${record}`);
  expect(parsePcap(bytes).packets[0]?.timestampMs).toBe(1_000.002);
  expect(parsePcap(concatBytes(hex("a1b23c4d"), bytes.subarray(4))).packets[0]?.timestampMs).toBe(
    1_000.000_002,
  );
});

test("a last packet that was cut off is left out", () => {
  const whole = file(raw, concatBytes(ipv4Udp, udpHello), concatBytes(ipv4Udp, udpHello));
  expect(parsePcap(whole).packets.length).toBe(2);
  for (let lost = 1; lost < 49; lost++) {
    expect(parsePcap(whole.subarray(0, -lost)).packets.length).toBe(1);
  }
});

test.each(["", "d4c3b2", "0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff"])(
  "refuses %p, which is no libpcap file",
  (text) => {
    expect(() => parsePcap(hex(text))).toThrow("not a libpcap file");
  },
);
