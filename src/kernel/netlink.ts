/**
 * netlink is a socket to the kernel: requests with their answers, batches, and notifications.
 * Requests block for the microseconds that the kernel takes; notifications come through epoll.
 */
import { Fault } from "../base/fault.ts";
import { addressOf, errno, errorName, libc, pinned, pinnedFrom } from "./libc.ts";
import {
  attributeMap,
  decodeMessages,
  headerSizeBytes,
  type Message,
  type MessageWriter,
  readText,
  viewOf,
} from "./netlink-message.ts";

export const protocol = { route: 0, netfilter: 12, generic: 16 } as const;
export type NetlinkProtocol = (typeof protocol)[keyof typeof protocol];

const af = 16;
const sockRaw = 3;
const closeOnExec = 0o2000000;
const nonBlocking = 0o4000;
const solNetlink = 270;
const option = { capAck: 10, extAck: 11, strictDump: 12 } as const;
const type = { error: 2, done: 3 } as const;
const flag = { dumpInterrupted: 0x10, capped: 0x100, extAck: 0x200 } as const;
const extAckMessage = 1;
const eintr = 4;
const solSocket = 1;
const receiveBufferForce = 33;
const sendBufferForce = 32;

/** The kernel's "no": the error number, what was asked, and the kernel's own words if it gave any. */
export class NetlinkError extends Error {
  override readonly name = "NetlinkError";
  readonly errno: number;
  /** The sequence number of the message that failed, to tell which one of a batch it was. */
  readonly sequence: number;

  constructor(error: number, what: string, words: string, sequence = 0) {
    super(`${what}: ${errorName(error)}${words === "" ? "" : ` (${words})`}`);
    this.errno = error;
    this.sequence = sequence;
  }
}

/** Error numbers that callers tell apart (asm-generic/errno.h). */
export const errorNumber = {
  notPermitted: 1,
  noEntry: 2,
  noProcess: 3,
  interrupted: 4,
  accessDenied: 13,
  busy: 16,
  exists: 17,
  noDevice: 19,
  notSupported: 95,
  addressNotAvailable: 99,
} as const;

/** True for the kernel's "no" of that name. */
export function isNetlinkError(error: unknown, name: keyof typeof errorNumber): boolean {
  return error instanceof NetlinkError && error.errno === errorNumber[name];
}

export class Netlink {
  readonly fd: number;
  /** What the kernel calls this socket, and nobody else while it is open. */
  readonly port: number;
  #sequence = 1;
  readonly #inbox = pinned(256 * 1024);

  constructor(kind: NetlinkProtocol, options: { groups?: number; notifications?: boolean } = {}) {
    const mode = sockRaw | closeOnExec | (options.notifications === true ? nonBlocking : 0);
    this.fd = libc.socket(af, mode, kind);
    if (this.fd < 0) throw new NetlinkError(errno(), "open a netlink socket", "");
    for (const name of [option.capAck, option.extAck, option.strictDump])
      setInteger(this.fd, solNetlink, name, 1);
    // Without CAP_NET_ADMIN the sizes stay as they are, which only costs a resync under load.
    setInteger(this.fd, solSocket, receiveBufferForce, 4 << 20);
    setInteger(this.fd, solSocket, sendBufferForce, 4 << 20);
    this.port = this.#bind(options.groups ?? 0);
  }

  /** Sends one request and returns every answer to it. Throws NetlinkError. */
  request(what: string, message: MessageWriter): readonly Message[] {
    const sequence = this.#next();
    this.#send(what, message.finish(sequence));
    const answers: Message[] = [];
    let wasInterrupted = false;
    for (;;) {
      for (const answer of decodeMessages(this.#receive(what))) {
        if (answer.sequence !== sequence) continue;
        if (answer.type === type.error || answer.type === type.done) {
          failOn(answer, what);
          // Told only here, where the kernel is done: it refuses a second dump during the first.
          if (wasInterrupted || (answer.flags & flag.dumpInterrupted) !== 0)
            throw new NetlinkError(eintr, what, "the table changed while it was read");
          return answers;
        }
        wasInterrupted ||= (answer.flags & flag.dumpInterrupted) !== 0;
        answers.push({ ...answer, payload: answer.payload.slice() });
        if ((answer.flags & 2) === 0 && !message.acknowledged) return answers;
      }
    }
  }

  /**
   * Sends several messages as one datagram, which nf_tables treats as one transaction, and waits
   * for the answer to each that asked for one. Throws the first NetlinkError.
   */
  batch(what: string, messages: readonly MessageWriter[]): void {
    const awaited = new Set<number>();
    const parts = messages.map((message) => {
      const sequence = this.#next();
      if (message.acknowledged) awaited.add(sequence);
      return message.finish(sequence);
    });
    this.#send(what, Buffer.concat(parts));
    let first: NetlinkError | null = null;
    while (awaited.size > 0) {
      for (const answer of decodeMessages(this.#receive(what))) {
        if (answer.type !== type.error) continue;
        awaited.delete(answer.sequence);
        first ??= errorOf(answer, what);
        // A transaction that failed as a whole answers its first message alone.
        if (first !== null && awaited.size > 0 && this.#isDrained()) awaited.clear();
      }
    }
    if (first !== null) throw first;
  }

  close(): void {
    libc.close(this.fd);
  }

  #next(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }

  /** Returns the port that the kernel chose. */
  #bind(groups: number): number {
    const address = pinned(12);
    viewOf(address).setUint16(0, af, true);
    viewOf(address).setUint32(8, groups, true);
    const size = pinned(4);
    viewOf(size).setUint32(0, address.length, true);
    const isBound =
      libc.bind(this.fd, addressOf(address), 12) === 0 &&
      libc.getsockname(this.fd, addressOf(address), addressOf(size)) === 0;
    if (isBound) return viewOf(address).getUint32(4, true);
    const error = errno();
    this.close();
    throw new NetlinkError(error, "bind a netlink socket", "");
  }

  #send(what: string, bytes: Uint8Array): void {
    const outbox = pinnedFrom(bytes);
    if (Number(libc.send(this.fd, addressOf(outbox), BigInt(bytes.length), 0)) < 0)
      throw new NetlinkError(errno(), what, "send");
  }

  #receive(what: string): Uint8Array {
    for (;;) {
      const size = Number(
        libc.recv(this.fd, addressOf(this.#inbox), BigInt(this.#inbox.length), 0),
      );
      if (size >= 0) return this.#inbox.subarray(0, size);
      const error = errno();
      if (error !== eintr) throw new NetlinkError(error, what, "receive");
    }
  }

  #isDrained(): boolean {
    const peekWithoutWaiting = 0x2 | 0x40;
    return Number(libc.recv(this.fd, addressOf(pinned(1)), 1n, peekWithoutWaiting)) < 0;
  }
}

/** Notifications of the given groups, until closed. `onLost` means: something was missed, look anew. */
export async function openNotifications(
  kind: NetlinkProtocol,
  groups: number,
  on: { readonly message: (message: Message) => void; readonly lost: () => void },
): Promise<{ readonly close: () => void }> {
  const netlink = new Netlink(kind, { groups, notifications: true });
  let isClosed = false;
  const socket = await Bun.connect({
    // Bun takes an open descriptor here, though its types do not say so.
    ...({ fd: netlink.fd } as unknown as { unix: string }),
    socket: {
      data(_socket, datagram) {
        for (const message of decodeMessages(datagram)) on.message(message);
      },
      error() {},
      // ENOBUFS, the kernel's queue overflowed: Bun closes the socket.
      close() {
        if (!isClosed) on.lost();
      },
    },
  });
  return {
    close() {
      isClosed = true;
      socket.end();
    },
  };
}

function setInteger(fd: number, level: number, name: number, value: number): boolean {
  const memory = pinned(4);
  viewOf(memory).setInt32(0, value, true);
  return libc.setsockopt(fd, level, name, addressOf(memory), 4) === 0;
}

function failOn(answer: Message, what: string): void {
  const error = errorOf(answer, what);
  if (error !== null) throw error;
}

function errorOf(answer: Message, what: string): NetlinkError | null {
  if (answer.payload.length < 4) throw new Fault("host_failed", `${what}: a short netlink answer`);
  const error = -viewOf(answer.payload).getInt32(0, true);
  if (error === 0) return null;
  return new NetlinkError(error, what, kernelWords(answer), answer.sequence);
}

function kernelWords(answer: Message): string {
  if ((answer.flags & flag.extAck) === 0 || answer.type !== type.error) return "";
  const echoed = 4 + headerSizeBytes;
  const words = attributeMap(answer.payload.subarray(echoed)).get(extAckMessage);
  return words === undefined ? "" : readText(words);
}
