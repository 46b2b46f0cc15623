/** userspace-socket carries one request and its answer over the Unix socket of a userspace device. */
import { connect } from "node:net";
import { concatBytes } from "../../base/bytes.ts";
import { Fault } from "../../base/fault.ts";
import { gone } from "./faults.ts";

const deadlineMs = 10_000;
const lineFeed = 0x0a;
/** What a socket says of a program that is not there, or just ending. */
const absent: ReadonlySet<string> = new Set(["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE"]);

/**
 * Returns the answer, which may hold the private key: wipe it after use. Throws Fault:
 * `backend_not_running` when nobody listens there, `backend_internal` for the rest.
 */
export function askSocket(path: string, request: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    const socket = connect(path);
    socket.setTimeout(deadlineMs, () => {
      reject(new Fault("backend_internal", `${path} did not answer within ${deadlineMs} ms`));
      socket.destroy();
    });
    socket.on("connect", () => socket.write(request));
    socket.on("error", (error) => reject(faultOf(path, error)));
    socket.on("data", (chunk) => {
      if (typeof chunk !== "string") chunks.push(chunk);
      if (endsWithEmptyLine(chunks)) socket.destroy();
    });
    socket.on("close", () => {
      const answer = concatBytes(...chunks);
      for (const chunk of chunks) chunk.fill(0);
      if (answer.length > 0) resolve(answer);
      else reject(gone(`the program at ${path} ended without an answer`));
    });
  });
}

/** An answer ends with an empty line, which may arrive in two pieces. */
function endsWithEmptyLine(chunks: readonly Uint8Array[]): boolean {
  const last = chunks.at(-1);
  const previous = last?.at(-2) ?? chunks.at(-2)?.at(-1);
  return last?.at(-1) === lineFeed && previous === lineFeed;
}

function faultOf(path: string, cause: Error): Fault {
  const code = "code" in cause ? cause.code : undefined;
  if (typeof code === "string" && absent.has(code))
    return gone(`no tunnel program listens at ${path}`, cause);
  return new Fault("backend_internal", `${path}: ${cause.message}`, {
    cause,
    remedy: "run the daemon as the user that started the tunnel program",
  });
}
