/**
 * icmp-echo sends one echo request and waits for its answer. It uses the kernel's ping sockets
 * (net/ipv4/ping.c) where the user may open them, and raw sockets otherwise.
 */
import { Fault } from "../base/fault.ts";
import {
  type AddressSize,
  type Echo,
  encodeEchoRequest,
  isEchoReply,
  type SocketKind,
} from "./icmp-message.ts";
import { addressOf, errno, errorName, libc, pinned, pinnedFrom } from "./libc.ts";

export type EchoRequest = {
  /** 4 or 16 bytes in network order. */
  readonly address: Uint8Array;
  /** 16 bits. A ping socket has the kernel's choice instead. */
  readonly identifier: number;
  /** 16 bits. */
  readonly sequence: number;
  readonly timeoutMs: number;
};

export type EchoOutcome =
  | { readonly kind: "answered"; readonly roundTripUs: number }
  | { readonly kind: "timeout" }
  /** This host or a router on the way said that it goes nowhere; `why` words what was said. */
  | { readonly kind: "unreachable"; readonly why: string };

export type EchoSender = (request: EchoRequest) => Promise<EchoOutcome>;

const addressFamily = { 4: 2, 16: 10 } as const;
const protocol = { 4: 1, 16: 58 } as const;
const socketType = { datagram: 2, raw: 3 } as const;
const closeOnExec = 0o2000000;
const nonBlocking = 0o4000;
const payloadSizeBytes = 16;

/** Throws Fault `permission_denied` when this user may open neither kind of socket. */
export const sendEcho: EchoSender = async (request) => {
  const size = request.address.length === 4 ? 4 : 16;
  const { fd, kind } = openSocket(size);
  hearErrors(fd, size);
  const to = socketAddress(size, request.address);
  if (libc.connect(fd, addressOf(to), to.length) !== 0) {
    const outcome = unreachable(errno());
    libc.close(fd);
    return outcome;
  }
  // Random, so that a late answer to an earlier request of the same number is not taken for ours.
  const payload = crypto.getRandomValues(new Uint8Array(payloadSizeBytes));
  return exchange(fd, kind, size, { ...request, payload }, request.timeoutMs);
};

function openSocket(size: AddressSize): { readonly fd: number; readonly kind: SocketKind } {
  for (const kind of ["datagram", "raw"] as const) {
    const type = socketType[kind] | closeOnExec | nonBlocking;
    const fd = libc.socket(addressFamily[size], type, protocol[size]);
    if (fd >= 0) return { fd, kind };
    const name = errorName(errno());
    if (name !== "EACCES" && name !== "EPERM")
      throw new Fault("host_failed", `cannot open an ICMP socket: ${name}`, {
        remedy: "see that the kernel has this version of IP switched on",
      });
  }
  throw new Fault("permission_denied", "this user may not send ICMP echo requests", {
    remedy: 'run it as root, or let every user: sysctl net.ipv4.ping_group_range="0 2147483647"',
  });
}

/** IP_RECVERR, IPV6_RECVERR: also what routers say in passing ends the wait (ip(7)). */
const receiveErrors = { 4: [0, 11], 16: [41, 25] } as const;

function hearErrors(fd: number, size: AddressSize): void {
  const on = pinnedFrom(Uint8Array.of(1, 0, 0, 0));
  const [level, name] = receiveErrors[size];
  // Without it the answer to a lost request is a timeout, which is true as well.
  libc.setsockopt(fd, level, name, addressOf(on), on.length);
}

/** struct sockaddr_in or sockaddr_in6 with port, flow and scope zero. */
function socketAddress(size: AddressSize, address: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = pinned(size === 4 ? 16 : 28);
  bytes[0] = addressFamily[size];
  bytes.set(address, size === 4 ? 4 : 8);
  return bytes;
}

/** Takes the descriptor over and closes it. */
async function exchange(
  fd: number,
  kind: SocketKind,
  size: AddressSize,
  echo: Echo,
  timeoutMs: number,
): Promise<EchoOutcome> {
  const { promise, resolve } = Promise.withResolvers<EchoOutcome>();
  let sentMs = 0;
  const inbox = await readDatagrams(fd, {
    datagram(bytes) {
      const heardMs = performance.now();
      if (isEchoReply(bytes, kind, size, echo))
        resolve({ kind: "answered", roundTripUs: Math.round((heardMs - sentMs) * 1_000) });
    },
    failed: (error) => resolve(unreachable(error)),
  });
  const timer = setTimeout(() => resolve({ kind: "timeout" }), timeoutMs);
  const message = pinnedFrom(encodeEchoRequest(size, echo));
  sentMs = performance.now();
  if (libc.send(fd, addressOf(message), message.length, 0) < 0) resolve(unreachable(errno()));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    inbox.close();
  }
}

type Inbox = {
  readonly datagram: (bytes: Uint8Array) => void;
  /** With the error number that the kernel had for the socket. */
  readonly failed: (error: number) => void;
};

async function readDatagrams(fd: number, on: Inbox): Promise<{ readonly close: () => void }> {
  const socket = await Bun.connect({
    // Bun takes an open descriptor here, though its types do not say so.
    ...({ fd } as unknown as { unix: string }),
    socket: {
      data: (_socket, bytes) => on.datagram(bytes),
      error() {},
      close: (_socket, error) => on.failed(errorNumber(error)),
    },
  });
  return { close: () => void socket.end() };
}

function errorNumber(error: unknown): number {
  const number = error instanceof Error && "errno" in error ? error.errno : 0;
  return typeof number === "number" ? Math.abs(number) : 0;
}

/** The tunnel's own words come first: its interface refuses what it has no peer or endpoint for. */
const words: Readonly<Record<number, string>> = {
  1: "the packet filter of this host drops it",
  89: "the tunnel does not know where to reach this peer",
  101: "there is no route to the address",
  113: "a router says that the host cannot be reached",
  126: "the tunnel has no peer with this address",
};

const unreachable = (error: number): EchoOutcome => ({
  kind: "unreachable",
  why: words[error] ?? errorName(error),
});
