/**
 * send floods one UDP port with initiations until it is told to end, and then says how many it sent.
 * Usage: send ADDRESS PORT RECEIVER_KEY good|bad PER_SECOND
 */
import { assert } from "../../../src/base/assert.ts";
import { makeInitiation } from "./initiation.ts";

const tickMs = 20;
/** No receiver remembers what it refused, so that a few are as good as many. */
const distinct = 64;

const [address = "", port = "", receiverKey = "", mac1 = "", perSecond = ""] =
  process.argv.slice(2);
assert(mac1 === "good" || mac1 === "bad", `${mac1} is good or bad`);
const messages = Array.from({ length: distinct }, () =>
  makeInitiation(new Uint8Array(Buffer.from(receiverKey, "base64")), mac1),
);
const socket = await Bun.udpSocket({ connect: { hostname: address, port: Number(port) } });
const startedMs = performance.now();
let sent = 0;

/** Sends what is due by now; a machine that is late catches up in one burst of at most a second's worth. */
function send(): void {
  const due = Math.floor(((performance.now() - startedMs) / 1_000) * Number(perSecond)) - sent;
  const batch = Array.from(
    { length: Math.min(due, Number(perSecond)) },
    (_, i) => messages[(sent + i) % distinct],
  );
  sent += socket.sendMany(batch.filter((one) => one !== undefined));
}

const ticking = setInterval(send, tickMs);
process.once("SIGTERM", () => {
  clearInterval(ticking);
  console.log(JSON.stringify({ sent }));
  socket.close();
});
send();
console.log("flooding");
