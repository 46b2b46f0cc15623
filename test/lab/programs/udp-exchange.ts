/**
 * udp-exchange sends its standard input as one datagram to each destination, from one socket, and
 * reports the answers. Usage: udp-exchange SOURCE_PORT TIMEOUT_MS (ADDRESS PORT)...
 */

const [sourcePort = "0", timeoutMs = "1000", ...rest] = process.argv.slice(2);
const payload = await Bun.stdin.bytes();
const destinations = Array.from({ length: rest.length / 2 }, (_, i) => ({
  address: rest[2 * i] ?? "",
  port: Number(rest[2 * i + 1]),
}));
const answers: { from: string; port: number; text: string }[] = [];

function end(): never {
  console.log(JSON.stringify({ sourcePort: socket.port, answers }));
  process.exit(0);
}

setTimeout(end, Number(timeoutMs));
const socket = await Bun.udpSocket({
  hostname: destinations[0]?.address.includes(":") ? "::" : "0.0.0.0",
  port: Number(sourcePort),
  socket: {
    data(_socket, bytes, port, from) {
      answers.push({ from, port, text: bytes.toString() });
      if (answers.length === destinations.length) end();
    },
    // An ICMP refusal is no answer: the others may still come.
    error: () => {},
  },
});
for (const { address, port } of destinations) socket.send(payload, port, address);
