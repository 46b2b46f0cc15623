/**
 * ping asks a node for an echo through the tunnel, and says on which path it came. It goes on until
 * the path is direct, so that its end proves something.
 */
import { exitCode, Fault } from "../base/fault.ts";
import { encodeIp, type IpAddress } from "../model/ip.ts";
import type { EchoOutcome } from "../kernel/icmp-echo.ts";
import { daemonOption, type DaemonClient, openDaemonClient } from "./client.ts";
import { type Context, defineCommand, type Report } from "./command.ts";
import { peerNamed, type Referenced } from "./node-reference.ts";
import { faultOf } from "./connect.ts";
import { families, notRunning } from "./observe.ts";
import { parseCount, parseDurationS } from "./quantity.ts";
import { wordPath } from "./status-text.ts";
import { type Line, plural, renderRoundTrip } from "./text.ts";

const triesMax = 10;
const intervalMs = 1_000;

type Pong = {
  readonly sequence: number;
  readonly outcome: EchoOutcome;
  /** `host` for this host itself. */
  readonly reach: string;
  readonly path: string;
};

export const ping = defineCommand({
  summary: "See whether a node answers, and on which path",
  details: [
    `Stops at the first answer on a direct path, or after ${triesMax} tries. With -c it sends as many`,
    "as told, and any answer will do.",
  ],
  args: {
    node: { type: "positional", description: "Name, address or id", completes: "node" },
    count: { type: "string", alias: "c", valueHint: "N", description: "Send exactly N" },
    timeout: {
      type: "string",
      valueHint: "TIME",
      description: "How long to wait for each answer",
      default: "5s",
    },
    ...families,
    ...daemonOption,
  },
  run: async (given, context) => {
    if (given.ipv4 && given.ipv6) throw new Fault("usage", "choose one of -4 and -6");
    const count = given.count === undefined ? null : parseCount("-c", given.count, 1, 100_000);
    const timeoutMs = parseDurationS("--timeout", given.timeout) * 1_000;
    const call = openDaemonClient(given.socket);
    const status = await call("status", {});
    if (status.state !== "running") throw faultOf(status.reason ?? notRunning(status));
    const target = peerNamed(status, given.node);
    refuseHopeless(target);
    const { member } = target;
    const isIpv6 = given.ipv6 || (given.node === member.ipv6 && !given.ipv4);
    const address = isIpv6 ? member.ipv6 : member.ipv4;
    const pongs = await exchange({ call, context, target, address, timeoutMs }, count);
    return conclude(target, address, pongs, count !== null);
  },
});

function refuseHopeless({ member, peer }: Referenced): void {
  if (peer?.reach === "denied")
    throw new Fault("permission_denied", `policy keeps this host and ${member.name} apart`, {
      remedy: "nodes reach each other when they have the same owner: rustynet peers",
    });
}

type Exchange = {
  readonly call: DaemonClient;
  readonly context: Context;
  readonly target: Referenced;
  readonly address: IpAddress;
  readonly timeoutMs: number;
};

async function exchange(parts: Exchange, count: number | null): Promise<readonly Pong[]> {
  const { context, target, address, timeoutMs } = parts;
  const identifier = Math.floor(Math.random() * 0x1_0000);
  const pongs: Pong[] = [];
  for (let sequence = 1; sequence <= (count ?? triesMax); sequence++) {
    const startMs = context.clock.monotonicMs();
    const request = { address: encodeIp(address), identifier, sequence, timeoutMs };
    const outcome = await context.sendEcho(request);
    const pong = { sequence, outcome, ...(await pathOf(parts)) };
    pongs.push(pong);
    context.say(renderPong(target.member.name, address, pong));
    if (count === null && isProof(pong)) break;
    const restMs = intervalMs - (context.clock.monotonicMs() - startMs);
    if (sequence < (count ?? triesMax)) await context.sleep(Math.max(0, restMs));
  }
  return pongs;
}

/** The path as it is after the answer, which is what the next packet takes. */
async function pathOf({ call, context, target }: Exchange): Promise<Pick<Pong, "reach" | "path">> {
  if (target.peer === null) return { reach: "host", path: "this host itself" };
  const { peers } = await call("status", {});
  const peer = peers.find(({ node }) => node === target.member.node) ?? target.peer;
  return { reach: peer.reach, path: wordPath(peer, context.clock.nowS()) };
}

const isProof = ({ outcome, reach }: Pong): boolean =>
  outcome.kind === "answered" && (reach === "direct" || reach === "host");

function renderPong(name: string, address: IpAddress, { sequence, outcome, path }: Pong): Line {
  const from = `${name} (${address})`;
  switch (outcome.kind) {
    case "answered":
      return `answer ${sequence} from ${from} in ${renderRoundTrip(outcome.roundTripUs)}, ${path}`;
    case "timeout":
      return { tone: "warning", text: `no answer ${sequence} from ${from}, ${path}` };
    case "unreachable":
      return { tone: "bad", text: `no answer ${sequence} from ${from}: ${outcome.why}` };
  }
}

function conclude(
  { member, peer }: Referenced,
  address: IpAddress,
  pongs: readonly Pong[],
  anyWillDo: boolean,
): Report {
  const answers = pongs.filter(({ outcome }) => outcome.kind === "answered");
  const last = pongs.at(-1);
  const isProven = last !== undefined && isProof(last);
  const document = {
    node: member.node,
    name: member.name,
    address,
    sent: pongs.length,
    answered: answers.length,
    isDirect: isProven,
    answers: pongs.map(({ sequence, outcome, reach }) => ({ sequence, reach, ...outcome })),
  };
  if (isProven || (anyWillDo && answers.length > 0)) return { document };
  const sent = plural(pongs.length, "request");
  const note: Line =
    answers.length > 0
      ? { tone: "warning", text: `${member.name} answers, but not on a direct path` }
      : { tone: "bad", text: `rustynet: ${member.name} answered none of ${sent}` };
  const offline = peer?.presence === "offline";
  const advice = offline
    ? "  it is offline: see that it is switched on, and its daemon running"
    : "  rustynet status shows the path, here and there";
  return { document, notes: [note, advice], exit: exitCode.temporary };
}
