/** events is the guest's line to the outside: one JSON text a line, through a port of the machine. */
import { openSync, writeSync } from "node:fs";
import type { GuestEvent } from "../plan.ts";

/** Returns what says an event, and has been heard when it returns. */
export function openEvents(): (event: GuestEvent) => void {
  const port = openSync("/dev/virtio-ports/events", "w");
  return (event) => {
    const bytes = Buffer.from(`${JSON.stringify(event)}\n`);
    for (let at = 0; at < bytes.length;) at += writeSync(port, bytes, at);
  };
}
