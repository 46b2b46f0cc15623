/**
 * libc is the only module that calls C. It owns the symbols, errno, and memory that the kernel may
 * write to; what the calls mean is its callers' business.
 */
import { dlopen, FFIType as T, type Pointer, ptr, read } from "bun:ffi";
import { Fault } from "../base/fault.ts";

const int = T.i32;
const library = dlopen("libc.so.6", {
  socket: { args: [int, int, int], returns: int },
  bind: { args: [int, T.ptr, T.u32], returns: int },
  connect: { args: [int, T.ptr, T.u32], returns: int },
  send: { args: [int, T.ptr, T.u64, int], returns: T.i64_fast },
  sendto: { args: [int, T.ptr, T.u64, int, T.ptr, T.u32], returns: T.i64_fast },
  recv: { args: [int, T.ptr, T.u64, int], returns: T.i64_fast },
  setsockopt: { args: [int, int, int, T.ptr, T.u32], returns: int },
  getsockopt: { args: [int, int, int, T.ptr, T.ptr], returns: int },
  getsockname: { args: [int, T.ptr, T.ptr], returns: int },
  close: { args: [int], returns: int },
  open: { args: [T.ptr, int, int], returns: int },
  flock: { args: [int, int], returns: int },
  prctl: { args: [int, T.u64, T.u64, T.u64, T.u64], returns: int },
  setrlimit: { args: [int, T.ptr], returns: int },
  tcgetattr: { args: [int, T.ptr], returns: int },
  tcsetattr: { args: [int, int, T.ptr], returns: int },
  clock_gettime: { args: [int, T.ptr], returns: int },
  __errno_location: { args: [], returns: T.ptr },
});

export const libc = library.symbols;

/** The error number of the last failed call on this thread. */
export function errno(): number {
  const location = libc.__errno_location();
  return location === null ? 0 : read.i32(location);
}

/**
 * Memory whose address stays put. A small typed array may move once anything touches its
 * `.buffer`; one made over an ArrayBuffer of its own does not.
 */
export function pinned(sizeBytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(sizeBytes));
}

export function pinnedFrom(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = pinned(Math.max(bytes.length, 1));
  copy.set(bytes);
  return copy;
}

export function addressOf(memory: Uint8Array<ArrayBuffer>): Pointer {
  return ptr(memory);
}

/** A zero-terminated copy, for calls that take a C string. Refuses a text that holds a zero. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new Fault("request_malformed", "a C string cannot hold NUL");
  return pinnedFrom(new TextEncoder().encode(`${text}\0`));
}

/** Names of the errors that this product meets, for messages; the number otherwise. */
export function errorName(error: number): string {
  return errorNames[error] ?? `errno ${error}`;
}

const errorNames: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  3: "ESRCH",
  4: "EINTR",
  6: "ENXIO",
  11: "EAGAIN",
  12: "ENOMEM",
  13: "EACCES",
  16: "EBUSY",
  17: "EEXIST",
  19: "ENODEV",
  22: "EINVAL",
  34: "ERANGE",
  85: "ERESTART",
  90: "EMSGSIZE",
  93: "EPROTONOSUPPORT",
  95: "EOPNOTSUPP",
  97: "EAFNOSUPPORT",
  98: "EADDRINUSE",
  99: "EADDRNOTAVAIL",
  101: "ENETUNREACH",
  105: "ENOBUFS",
  110: "ETIMEDOUT",
  111: "ECONNREFUSED",
  113: "EHOSTUNREACH",
};
