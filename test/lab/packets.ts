/** packets answers a test's questions about a capture. */
import type { Packet, Transport } from "./pcap.ts";

type Of<K extends Transport["kind"]> = Packet & {
  readonly transport: Extract<Transport, { kind: K }>;
};

export class Packets {
  readonly all: readonly Packet[];

  constructor(all: readonly Packet[]) {
    this.all = all;
  }

  /** Those that carry the kind, with the fields of that kind. */
  of<K extends Transport["kind"]>(kind: K): Of<K>[] {
    return this.all.filter((packet): packet is Of<K> => packet.transport?.kind === kind);
  }

  where(wanted: (packet: Packet) => boolean): Packets {
    return new Packets(this.all.filter(wanted));
  }

  /** The packets whose bytes, headers included, hold the byte string. */
  containing(needle: string | Uint8Array): Packet[] {
    const wanted = Buffer.from(needle);
    return this.all.filter(({ frame }) => Buffer.from(frame).includes(wanted));
  }

  /** The payloads of all datagrams sent to a port, in order. */
  udpPayloadsTo(port: number): Uint8Array[] {
    return this.of("udp")
      .filter(({ transport }) => transport.destinationPort === port)
      .map(({ transport }) => transport.payload);
  }

  /** How many there are of each kind; `no ip` for what is not IP. */
  countByProtocol(): Partial<Record<Transport["kind"] | "no ip", number>> {
    const counts: Partial<Record<Transport["kind"] | "no ip", number>> = {};
    for (const { transport } of this.all) {
      const kind = transport?.kind ?? "no ip";
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    return counts;
  }
}
