/**
 * tcp-exchange sends its standard input over one connection and reports what came back, which it
 * takes to be as long as what it sent. Usage: tcp-exchange ADDRESS PORT TIMEOUT_MS
 */

const [hostname = "", port = "0", timeoutMs = "1000"] = process.argv.slice(2);
const payload = await Bun.stdin.bytes();
let received = "";
let isConnected = false;

function end(error: string | null): never {
  console.log(JSON.stringify({ isConnected, received, error }));
  process.exit(0);
}

setTimeout(() => end("timeout"), Number(timeoutMs));
Bun.connect({
  hostname,
  port: Number(port),
  socket: {
    open(socket) {
      isConnected = true;
      socket.write(payload);
      if (payload.length === 0) end(null);
    },
    data(_socket, bytes) {
      received += bytes.toString();
      if (Buffer.byteLength(received) >= payload.length) end(null);
    },
    close: () => end("closed"),
    error: (_socket, error) => end(error.message),
    connectError: (_socket, error) => end(error.message),
  },
}).catch((error: unknown) => end(String(error)));
