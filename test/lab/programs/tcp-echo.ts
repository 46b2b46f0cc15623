/** tcp-echo sends back what it is sent, and reports who connected. Usage: tcp-echo ADDRESS PORT */

const [hostname = "::", port = "0"] = process.argv.slice(2);
const report = (event: object): void => console.log(JSON.stringify(event));

const listener = Bun.listen({
  hostname,
  port: Number(port),
  socket: {
    open: (socket) =>
      report({ event: "peer", from: socket.remoteAddress, port: socket.remotePort }),
    data: (socket, bytes) => void socket.write(bytes),
    error: (_socket, error) => report({ event: "error", message: error.message }),
  },
});
report({ event: "listening", port: listener.port });
