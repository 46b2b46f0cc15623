/**
 * echo-peer stands at the far end of a link. `listen ADDRESS PORT` echoes what it gets over TCP;
 * `connect ADDRESS PORT FROM` sends each line of its input and prints what it gets; `flood ADDRESS
 * PORT FROM` sends datagrams. Each prints "ready" once it is, and ends with its input.
 */
import { connect } from "node:net";

const [mode, host = "", port = "", from = ""] = process.argv.slice(2);
const say = (line: string) => process.stdout.write(`${line}\n`);
let take = (_line: string): void => {};

if (mode === "listen") {
  Bun.listen({
    hostname: host,
    port: Number(port),
    socket: { data: (socket, bytes) => void socket.write(bytes), error() {} },
  });
} else if (mode === "connect") {
  const socket = connect({ host, port: Number(port), localAddress: from });
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  socket.on("data", (bytes) => say(bytes.toString()));
  take = (line) => void socket.write(line);
} else {
  const socket = await Bun.udpSocket({
    hostname: from,
    connect: { hostname: host, port: Number(port) },
    socket: { error() {} },
  });
  setInterval(() => socket.sendMany(Array.from({ length: 32 }, () => "x")), 1);
}

say("ready");
for await (const line of console) take(line);
process.exit(0);
