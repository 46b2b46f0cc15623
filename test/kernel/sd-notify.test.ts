/** sd-notify: one datagram, in the words that systemd expects, and silence when nobody asked. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { addressOf, libc, pinned } from "../../src/kernel/libc.ts";
import { notifyReady } from "../../src/kernel/sd-notify.ts";

/** Binds a datagram socket at a path, as systemd does, and reads what has arrived. */
function receiverAt(path: string) {
  const address = pinned(2 + path.length + 1);
  new DataView(address.buffer).setUint16(0, 1, true);
  address.set(new TextEncoder().encode(path.replace(/^@/, "\0")), 2);
  const length = path.startsWith("@") ? 2 + path.length : address.length;
  const fd = libc.socket(1, 2 | 0o4000, 0);
  expect(libc.bind(fd, addressOf(address), length)).toBe(0);
  return {
    read: () => {
      const buffer = pinned(256);
      const sizeBytes = Number(libc.recv(fd, addressOf(buffer), 256, 0));
      return sizeBytes < 0 ? null : new TextDecoder().decode(buffer.subarray(0, sizeBytes));
    },
    close: () => libc.close(fd),
  };
}

test.each(["a path", "an abstract name"])("readiness arrives at %s", (kind) => {
  const directory = mkdtempSync(join(tmpdir(), "rustynet-notify-"));
  const path = kind === "a path" ? join(directory, "notify") : `@rustynet-test-${process.pid}`;
  const receiver = receiverAt(path);
  notifyReady(path);
  expect(receiver.read()).toBe("READY=1");
  expect(receiver.read()).toBe(null);
  receiver.close();
  rmSync(directory, { recursive: true });
});

test("without a socket, with one that is gone, and with a path too long, nothing happens", () => {
  notifyReady(undefined);
  notifyReady("");
  notifyReady("/nonexistent/notify");
  notifyReady(`/${"x".repeat(200)}`);
});
