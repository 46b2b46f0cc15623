/** connect: the commands that bring this host into its network and out of it again. */
import * as v from "valibot";
import { exitCode, Fault, type FaultCode, faultClass, isFaultCode } from "../base/fault.ts";
import { NodeName } from "../model/names.ts";
import { parseJoinToken } from "../wire/join-token.ts";
import type { Finding, Status } from "../wire/local-api.ts";
import { type DaemonClient, daemonOption, openDaemonClient } from "./client.ts";
import { type Context, defineCommand } from "./command.ts";
import { parseDurationS } from "./quantity.ts";
import { renderSelf, renderStatus } from "./status-text.ts";
import { quoted } from "./text.ts";

const pollMs = 200;
/** An apply that fails is tried again; after this long it is worth telling. */
const restrictedPatienceMs = 5_000;

export const up = defineCommand({
  summary: "Join a network, or come back up",
  details: [
    "Without a token it comes back up in the network that it belongs to. Waits until the host is in",
    "the network, or says why it is not. Doing it twice does no harm.",
    "A token on the command line is seen in the list of processes while the command runs: give it",
    "as - and type or pipe it in, or name a file, and it is not.",
  ],
  args: {
    token: {
      type: "positional",
      required: false,
      description: "Join token; - reads it from standard input",
    },
    "token-file": {
      type: "string",
      valueHint: "FILE",
      description: "Read the token from a file; - is standard input",
      completes: "file",
    },
    name: {
      type: "string",
      valueHint: "NAME",
      description: "What to be called; the host's own name otherwise",
    },
    timeout: {
      type: "string",
      valueHint: "TIME",
      description: "How long to wait",
      default: "60s",
    },
    ...daemonOption,
  },
  run: async (given, context) => {
    const name = given.name === undefined ? undefined : parseNodeName(given.name);
    const timeoutMs = parseDurationS("--timeout", given.timeout) * 1_000;
    const token = await readToken(given.token, given["token-file"], context);
    const input = {
      ...(token === undefined ? {} : { token }),
      ...(name === undefined ? {} : { name }),
    };
    const call = openDaemonClient(given.socket);
    const endMs = context.clock.monotonicMs() + timeoutMs;
    context.progress(token === undefined ? "coming up" : "joining");
    try {
      const first = await call("up", input, timeoutMs);
      const status = await untilRunning(call, first, context, endMs);
      return {
        document: status,
        lines: [{ tone: "good", text: renderSelf(status) }],
        notes: status.findings.map(({ message }) => `# ${message}`),
      };
    } finally {
      context.progress("");
    }
  },
});

export function parseNodeName(text: string): NodeName {
  const parsed = v.safeParse(NodeName, text);
  if (parsed.success) return parsed.output;
  throw new Fault("name_invalid", `${quoted(text)} cannot be a node's name`, {
    remedy: "use up to 63 of a-z, 0-9 and -, with a letter or digit at both ends",
  });
}

/** The token is told to nobody: neither it nor a part of it is in what this throws. */
async function readToken(
  word: string | undefined,
  file: string | undefined,
  context: Context,
): Promise<string | undefined> {
  if (word !== undefined && file !== undefined)
    throw new Fault("usage", "TOKEN and --token-file exclude each other");
  const source = file ?? (word === "-" ? "-" : undefined);
  if (source === undefined && word === undefined) return undefined;
  const text = source === undefined ? (word ?? "") : await readSource(source, context);
  if (parseJoinToken(text) !== null) return text.trim();
  throw new Fault("credential_invalid", "this is not a join token, or not the whole of one", {
    remedy:
      "copy it again, or make a new one on the control server's host: rustynet credential create",
  });
}

async function readSource(source: string, context: Context): Promise<string> {
  if (source === "-") return context.readStdin();
  try {
    return await context.readTextFile(source);
  } catch (cause) {
    throw new Fault("not_found", `the token file ${quoted(source)} cannot be read`, {
      cause,
      remedy: "name a file that this user may read, or - for standard input",
    });
  }
}

async function untilRunning(
  call: DaemonClient,
  first: Status,
  context: Context,
  endMs: number,
): Promise<Status> {
  let status = first;
  let restrictedSinceMs: number | null = null;
  for (;;) {
    if (status.state === "running") return status;
    const nowMs = context.clock.monotonicMs();
    if (status.state !== "restricted") restrictedSinceMs = null;
    else restrictedSinceMs ??= nowMs;
    const isStuck = restrictedSinceMs !== null && nowMs - restrictedSinceMs > restrictedPatienceMs;
    refuseHopeless(status, isStuck);
    if (nowMs >= endMs) throw timeoutFault(status);
    context.progress(wordWaiting(status));
    await context.sleep(pollMs);
    status = await call("status", {});
  }
}

function refuseHopeless({ state, reason, control }: Status, isStuck: boolean): void {
  if (state === "logged_out" || state === "stopped")
    throw new Fault("unavailable", "somebody told the daemon to be down meanwhile", {
      remedy: "rustynet status says how it stands",
    });
  const why = reason ?? control?.reason ?? null;
  if (why !== null && (isStuck || !isWorthWaiting(why.code))) throw faultOf(why);
}

/** What failed for the moment may pass. A verdict does not. */
const isWorthWaiting = (code: string): boolean =>
  !isFaultCode(code) || faultClass[code] === "temporary";

/** What the daemon found, as this command's own failure. */
export function faultOf({ code, message, remedy }: Finding): Fault {
  const known: FaultCode = isFaultCode(code) ? code : "unavailable";
  return new Fault(known, message, remedy === undefined ? {} : { remedy });
}

function timeoutFault(status: Status): Fault {
  return new Fault("timeout", `not up yet: ${wordWaiting(status)}`, {
    remedy: "the daemon goes on trying: rustynet status",
  });
}

function wordWaiting({ state, reason, control }: Status): string {
  if (reason !== null) return reason.message;
  if (control !== null && control.state === "connecting") return `connecting to ${control.url}`;
  return state === "joining" ? "waiting for the first map" : state;
}

export const down = defineCommand({
  summary: "Leave the network alone until the next up",
  details: ["The host stays a member, and keeps its name, keys and addresses."],
  args: daemonOption,
  run: async ({ socket }, context) => {
    const status = await openDaemonClient(socket)("down", {});
    const isDown = status.state === "stopped" || status.state === "logged_out";
    if (isDown) return { document: status, lines: ["down; rustynet up brings it back"] };
    return {
      document: status,
      lines: renderStatus(status, context.clock.nowS()),
      exit: exitOf(status.reason),
    };
  },
});

export const logout = defineCommand({
  summary: "Leave the network for good",
  details: [
    "The node is revoked, so that nobody can be it any more, and this host forgets its keys.",
    "With --local only this host forgets: the others keep the node until somebody revokes it.",
  ],
  args: {
    local: { type: "boolean", description: "Do not tell the control server" },
    ...daemonOption,
  },
  run: async ({ local, socket }) => {
    const status = await openDaemonClient(socket)("logout", {
      scope: local ? "local" : "everywhere",
    });
    const revoke =
      "the others still know it: rustynet node revoke NODE, on the control server's host";
    return {
      document: status,
      lines: ["this host belongs to no network any more"],
      notes: local ? [revoke] : [],
    };
  },
});

/** The exit code for a host that is not running: that of the reason's class, where it has one. */
export function exitOf(reason: Finding | null): number {
  return reason !== null && isFaultCode(reason.code)
    ? exitCode[faultClass[reason.code]]
    : exitCode.temporary;
}
