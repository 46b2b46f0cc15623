/**
 * tls-ear completes TLS handshakes and reports every byte that it is sent afterwards.
 * Usage: tls-ear PORT CERTIFICATE_FILE KEY_FILE VERSION
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:tls";

const [port = "8443", certificate = "", key = "", version = "TLSv1.3"] = process.argv.slice(2);
if (version !== "TLSv1.2" && version !== "TLSv1.3") throw new Error("a version of TLS");
const report = (event: object): void => console.log(JSON.stringify(event));

const server = createServer(
  {
    cert: readFileSync(certificate),
    key: readFileSync(key),
    minVersion: version,
    maxVersion: version,
  },
  (socket) => {
    report({ event: "handshake", version: socket.getProtocol() });
    socket.on("data", (bytes) => report({ event: "heard", text: String(bytes) }));
    socket.on("error", (error) => report({ event: "error", message: error.message }));
  },
);
server.on("tlsClientError", (error) => report({ event: "refused", message: error.message }));
server.on("connection", () => report({ event: "connection" }));
server.listen(Number(port), "::", () => report({ event: "listening" }));
