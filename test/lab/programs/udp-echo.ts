/** udp-echo sends each datagram back and reports where it came from. Usage: udp-echo ADDRESS PORT */

const [hostname = "::", port = "0"] = process.argv.slice(2);
const report = (event: object): void => console.log(JSON.stringify(event));

const socket = await Bun.udpSocket({
  hostname,
  port: Number(port),
  socket: {
    data(own, bytes, fromPort, from) {
      report({ event: "peer", from, port: fromPort });
      own.send(bytes, fromPort, from);
    },
    error: (_own, error) => report({ event: "error", message: error.message }),
  },
});
report({ event: "listening", port: socket.port });
