/**
 * client asks the daemon or the control server of this host over its Unix socket. It knows the call
 * tables, and can say in words why nobody answers.
 */
import * as v from "valibot";
import { Fault, type FaultCode } from "../base/fault.ts";
import { decodeJson, faultOfRefusal, queryOf, readText } from "../client/http-answer.ts";
import { type CallName, calls, type Input, type Output } from "../wire/control-api.ts";
import {
  controlSocketDefault,
  type LocalCallName,
  type LocalInput,
  type LocalOutput,
  localCalls,
  localSocketDefault,
} from "../wire/local-api.ts";
import type { Arguments } from "./command.ts";

const answerMaxMs = 10_000;
/** The audit of a large network is the largest answer: some 200 letters for each record. */
const answerMaxLength = 128 << 20;

export type DaemonClient = <N extends LocalCallName>(
  name: N,
  input: LocalInput<N>,
  timeoutMs?: number,
) => Promise<LocalOutput<N>>;

export type OperatorClient = <N extends CallName>(name: N, input: Input<N>) => Promise<Output<N>>;

export const daemonOption = {
  socket: {
    type: "string",
    valueHint: "PATH",
    description: "Where the daemon listens",
    default: localSocketDefault,
    completes: "file",
  },
} as const satisfies Arguments;

export const operatorOption = {
  socket: {
    type: "string",
    valueHint: "PATH",
    description: "Where the control server listens",
    default: controlSocketDefault,
    completes: "file",
  },
} as const satisfies Arguments;

/** Throws what the daemon refused with, and Fault when it cannot be reached or understood. */
export function openDaemonClient(socket: string): DaemonClient {
  return async (name, input, timeoutMs = answerMaxMs) => {
    const answer = await ask(daemon, socket, localCalls[name], input, timeoutMs);
    // The table ties the output to its name; TypeScript cannot follow it through the lookup.
    return answer as LocalOutput<typeof name>;
  };
}

/** Throws what the control server refused with, and Fault when it cannot be reached or understood. */
export function openOperatorClient(socket: string): OperatorClient {
  return async (name, input) => {
    const answer = await ask(control, socket, calls[name], input, answerMaxMs);
    return answer as Output<typeof name>;
  };
}

type Call = {
  readonly method: "get" | "post";
  readonly path: string;
  readonly output: v.GenericSchema;
};

/** A server as its absence is explained. */
type Server = {
  readonly name: string;
  readonly unit: string;
  readonly absent: string;
  readonly start: string;
  readonly who: string;
};

const daemon: Server = {
  name: "the daemon",
  unit: "rustynet",
  absent: "no daemon is running on this host",
  start:
    "start it: systemctl start rustynet (or by hand: rustynet daemon); " +
    "not installed yet: rustynet service install",
  who:
    "run it as root; to only look, be in the group rustynet: " +
    "usermod -aG rustynet LOGIN, and log in again",
};

const control: Server = {
  name: "the control server",
  unit: "rustynet-control",
  absent: "no control server is running on this host",
  start:
    "go to the control server's host, or start it here: systemctl start rustynet-control " +
    "(or by hand: rustynet control)",
  who: "run it as root on the control server's host",
};

async function ask(
  server: Server,
  socket: string,
  call: Call,
  input: unknown,
  timeoutMs: number,
): Promise<unknown> {
  const response = await reach(server, socket, call, input, timeoutMs);
  const { body, status } = response;
  if (status >= 400) throw refusalOf(server, status, body);
  const parsed = v.safeParse(call.output, body);
  if (parsed.success) return parsed.output;
  throw new Fault("version_unknown", `${server.name} answers in a form unknown to this program`, {
    remedy: `let both be of one version: systemctl restart ${server.unit}`,
  });
}

async function reach(
  server: Server,
  socket: string,
  { method, path }: Call,
  input: unknown,
  timeoutMs: number,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const query = method === "get" ? queryOf(input) : "";
  try {
    const response = await fetch(`http://local${path}${query}`, {
      unix: socket,
      method: method.toUpperCase(),
      signal: AbortSignal.timeout(timeoutMs),
      // A redirection would carry the token from this socket to wherever it says.
      redirect: "error",
      ...(method === "get"
        ? {}
        : { body: JSON.stringify(input), headers: { "content-type": "application/json" } }),
    });
    const text = await readText(response, answerMaxLength);
    if (text === null) throw endless(server);
    return { status: response.status, body: decodeJson(text) };
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw unreachableFault(server, socket, timeoutMs, cause);
  }
}

const endless = (server: Server): Fault =>
  new Fault("unavailable", `${server.name} gives an answer without an end`, {
    remedy: `systemctl restart ${server.unit}; journalctl -u ${server.unit} says what it did`,
  });

function unreachableFault(
  server: Server,
  socket: string,
  timeoutMs: number,
  cause: unknown,
): Fault {
  const code = errorCodeOf(cause);
  const restart = `systemctl restart ${server.unit}; journalctl -u ${server.unit} says what it did`;
  switch (code) {
    case "ENOENT":
      return new Fault("unavailable", `${server.absent}: there is no ${socket}`, {
        cause,
        remedy: server.start,
      });
    case "EACCES":
    case "EPERM":
      return new Fault("permission_denied", `this user may not talk to ${server.name}`, {
        cause,
        remedy: server.who,
      });
    case "ECONNREFUSED":
      return new Fault("unavailable", `${server.name} has ended: nobody listens at ${socket}`, {
        cause,
        remedy: restart,
      });
    case "TimeoutError":
      return new Fault("timeout", `${server.name} did not answer within ${timeoutMs / 1_000} s`, {
        cause,
        remedy: restart,
      });
    default:
      return new Fault("unavailable", `${server.name} cannot be reached: ${code}`, {
        cause,
        remedy: restart,
      });
  }
}

/** The errno as a word; for the other errors their name. */
function errorCodeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}

/** A code that only a newer server knows still has the class that its HTTP status tells. */
function refusalOf(server: Server, status: number, body: unknown): Fault {
  return (
    faultOfRefusal(body, codeOfStatus(status)) ??
    new Fault("unavailable", `${server.name} failed with HTTP status ${status}`, {
      remedy: `journalctl -u ${server.unit} says why`,
    })
  );
}

function codeOfStatus(status: number): FaultCode {
  if (status === 401 || status === 403) return "permission_denied";
  return status >= 500 ? "unavailable" : "request_malformed";
}
