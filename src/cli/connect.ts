/** connect: the commands that bring this host into its network and out of it again. */
import * as v from "valibot";
import { exitCode, Fault, type FaultCode, faultClass, isFaultCode } from "../base/fault.ts";
import { NodeName } from "../model/names.ts";
import { parseJoinToken } from "../wire/join-token.ts";
import { parseVoucherToken } from "../wire/voucher-token.ts";
import type { Finding, Status } from "../wire/local-api.ts";
import { type DaemonClient, daemonOption, openDaemonClient } from "./client.ts";
import { type Context, defineCommand, type Report } from "./command.ts";
import { parseDurationS } from "./quantity.ts";
import { renderSelf, renderStatus } from "./status-text.ts";
import { quoted } from "./text.ts";

const pollMs = 200;
const approvalPollMs = 1_000;
/** An apply that fails is tried again; after this long it is worth telling. */
const restrictedPatienceMs = 5_000;

export const up = defineCommand({
  summary: "Join a network, or come back up",
  details: [
    "Without a token it comes back up in the network that it belongs to. Waits until the host is in",
    "the network, or says why it is not. Doing it twice does no harm.",
    "Where approvers decide who joins, it waits for them, as long as it takes unless --timeout says",
    "otherwise. The daemon goes on waiting when this command has ended; up goes on with it.",
    "A token on the command line is seen in the list of processes while the command runs: give it",
    "as - and type or pipe it in, or name a file, and it is not.",
  ],
  args: {
    token: {
      type: "positional",
      required: false,
      description: "Join token or voucher; - reads it from standard input",
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
      description: "How long to wait: 60s, or until approvers have decided; 0 does not wait",
    },
    "no-wait": {
      type: "boolean",
      description: "Do not wait: exits with 75 when the host is not up yet, and says why",
    },
    ...daemonOption,
  },
  run: async (given, context) => {
    const name = given.name === undefined ? undefined : parseNodeName(given.name);
    const patience = readPatience(given.timeout, given["no-wait"]);
    const token = await readToken(given.token, given["token-file"], context);
    const input = {
      ...(token === undefined ? {} : { token }),
      ...(name === undefined ? {} : { name }),
    };
    const call = openDaemonClient(given.socket);
    const startMs = context.clock.monotonicMs();
    context.progress(token === undefined ? "coming up" : "joining");
    try {
      const first = await call("up", input, Math.max(patience.connectMs, answerMinMs));
      const status = await untilUp(call, first, context, patience, startMs);
      return status.state === "running" ? reportUp(status) : reportWaiting(status);
    } finally {
      context.progress("");
    }
  },
});

/** How long to wait for machines, and how long for people. */
type Patience = { readonly connectMs: number; readonly approvalMs: number };

/** The daemon's own answer takes at most what it grants the control server. */
const answerMinMs = 20_000;
const connectMs = 60_000;

function readPatience(timeout: string | undefined, isHasty: boolean): Patience {
  if (isHasty || /^0+s?$/.test(timeout ?? "")) return { connectMs: 0, approvalMs: 0 };
  if (timeout === undefined) return { connectMs, approvalMs: Number.POSITIVE_INFINITY };
  const timeoutMs = parseDurationS("--timeout", timeout) * 1_000;
  return { connectMs: timeoutMs, approvalMs: timeoutMs };
}

const reportUp = (status: Status): Report => ({
  document: status,
  lines: [{ tone: "good", text: renderSelf(status) }],
  notes: status.findings.map(({ message }) => `# ${message}`),
});

/** An answer and no error: the host's place in the queue is kept. */
const reportWaiting = (status: Status): Report => ({
  document: status,
  lines: [wordWaiting(status)],
  notes: [
    "# whoever approves has to see the same fingerprint of this host",
    "# the daemon goes on asking; to wait for it here: rustynet up",
  ],
  exit: exitCode.temporary,
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
  if (parseJoinToken(text) !== null || parseVoucherToken(text) !== null) return text.trim();
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

/** Until it is up, or there is no time left and people have not decided yet. */
async function untilUp(
  call: DaemonClient,
  first: Status,
  context: Context,
  patience: Patience,
  startMs: number,
): Promise<Status> {
  let status = first;
  let restrictedSinceMs: number | null = null;
  let endMs = startMs + patience.connectMs;
  for (;;) {
    if (status.state === "running") return status;
    const nowMs = context.clock.monotonicMs();
    if (status.state !== "restricted") restrictedSinceMs = null;
    else restrictedSinceMs ??= nowMs;
    const isStuck = restrictedSinceMs !== null && nowMs - restrictedSinceMs > restrictedPatienceMs;
    refuseHopeless(status, isStuck);
    const isWaiting = status.state === "waiting";
    if (isWaiting && nowMs >= startMs + patience.approvalMs) return status;
    // From the moment that people have decided, it is up to machines.
    if (isWaiting) endMs = nowMs + Math.max(patience.connectMs, pollMs);
    else if (nowMs >= endMs) throw timeoutFault(status);
    context.progress(wordWaiting(status));
    await context.sleep(isWaiting ? approvalPollMs : pollMs);
    status = await call("status", {});
  }
}

function refuseHopeless({ state, reason, control }: Status, isStuck: boolean): void {
  // Turned down: nobody logged out.
  if (state === "logged_out" && reason !== null && isFaultCode(reason.code)) throw faultOf(reason);
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

function wordWaiting({ state, reason, control, request }: Status): string {
  if (request !== null) return `${reason?.message ?? state} (fingerprint ${request.fingerprint})`;
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
