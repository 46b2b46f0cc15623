/**
 * chatter holds one TCP connection to an echo server and sends a number every 20 ms. It reports each
 * one that came back, and how the connection ended. Usage: chatter ADDRESS PORT
 */

const [hostname = "", port = "0"] = process.argv.slice(2);
const report = (event: object): void => console.log(JSON.stringify(event));

let next = 0;
await Bun.connect({
  hostname,
  port: Number(port),
  socket: {
    open(socket) {
      report({ event: "open" });
      setInterval(() => socket.write(`${next++}\n`), 20);
    },
    data: (_socket, bytes) => report({ event: "echo", atMs: Date.now(), bytes: bytes.length }),
    close: () => {
      report({ event: "closed" });
      process.exit(0);
    },
    error: (_socket, error) => report({ event: "error", message: error.message }),
  },
});
