/** sd-notify tells systemd that a service is ready (sd_notify(3)): one datagram to its socket. */
import { addressOf, libc, pinned, pinnedFrom } from "./libc.ts";

const unixFamily = 1;
const datagramCloseOnExec = 2 | 0o2000000;
/** sockaddr_un (unix(7)): a family of two bytes and at most 108 of path. */
const familySizeBytes = 2;
const pathMaxBytes = 107;

/** Quiet without a socket, which means that nobody asked; and when nobody listens there any more. */
export function notifyReady(socketPath: string | undefined): void {
  if (socketPath === undefined || socketPath === "") return;
  const path = new TextEncoder().encode(socketPath);
  if (path.length > pathMaxBytes) return;
  // An abstract name is written with an @ and begins with a zero byte.
  if (path[0] === 0x40) path[0] = 0;
  const isAbstract = path[0] === 0;
  const address = pinned(familySizeBytes + path.length + (isAbstract ? 0 : 1));
  new DataView(address.buffer).setUint16(0, unixFamily, true);
  address.set(path, familySizeBytes);
  const message = pinnedFrom(new TextEncoder().encode("READY=1"));
  const fd = libc.socket(unixFamily, datagramCloseOnExec, 0);
  if (fd < 0) return;
  libc.sendto(fd, addressOf(message), message.length, 0, addressOf(address), address.length);
  libc.close(fd);
}
