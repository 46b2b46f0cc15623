/** membership: the commands with which people decide together who belongs, and see what was decided. */
import { resolve } from "node:path";
import { encodeUtf8 } from "../base/bytes.ts";
import { exitCode, Fault } from "../base/fault.ts";
import { nodeIdOf } from "../membership/membership.ts";
import type { OpenedDossier } from "../wire/dossier.ts";
import { controlSocketDefault } from "../wire/local-api.ts";
import { encodeNetworkCard } from "../wire/network-card.ts";
import { openOperatorClient } from "./client.ts";
import { defineCommand, type Group } from "./command.ts";
import { type Desk, deskOptions, hostPlace, openDesk } from "./desk.ts";
import { logCommand, showCommand, verifyLog } from "./membership-log.ts";
import { reject, reportOutcomes, sign } from "./membership-sign.ts";
import {
  openOnes,
  renderMembership,
  renderPending,
  renderWords,
  wordsToSign,
  unproposed,
} from "./membership-text.ts";
import { propose } from "./propose.ts";
import { lifetimeOption, parseLifetimeS } from "./proposing.ts";
import { protect } from "./protect.ts";
import { resolveConflict } from "./resolve.ts";
import { plural } from "./text.ts";

const status = defineCommand({
  summary: "Show who decides, how far the log is, and what waits",
  args: deskOptions,
  run: async (given, context) => {
    const desk = await openDesk(given, context, false);
    const { opened } = await desk.read();
    const lines = renderMembership(opened, desk, context.clock.nowS());
    return { document: describe(opened, desk), lines, notes: await wordCard(desk, given.socket) };
  },
});

/** On the control server's host: what an approver's machine has to be told once. */
async function wordCard(desk: Desk, socket: string | undefined): Promise<readonly string[]> {
  if (desk.place !== hostPlace) return [];
  const call = openOperatorClient(socket ?? controlSocketDefault);
  const { url, pin, network, genesis } = await call("networkShow", {});
  return [
    "# on an approver's machine, once:",
    `# rustynet approver network ${encodeNetworkCard({ url, pin, network, genesis })}`,
  ];
}

/** Everything for programs: the same facts, and the whole of each id. */
function describe(opened: OpenedDossier, { place, signer }: Desk) {
  const { state, root, checkpoint } = opened.membership;
  const { network, epoch, threshold, approvers, control, relays, policy } = state;
  return {
    ...{ place, signer, network, epoch, root, threshold, approvers, control, relays, policy },
    nodes: [...state.nodes.values()],
    vouchers: [...state.vouchers.values()],
    checkpoint: checkpoint === null ? null : checkpoint.state.epoch,
    ...describePending(opened),
  };
}

function describePending(opened: OpenedDossier) {
  return {
    proposals: openOnes(opened).map(({ update, words, tally }) => ({
      ...{ id: update.id, epoch: update.epoch, operation: update.operation, words },
      need: tally.need,
      signed: tally.signed.map(({ name }) => name),
      missing: tally.missing.map(({ name }) => name),
      expiresAt: update.expiresAt,
      verdict: tally.verdict,
    })),
    objections: opened.objections,
    requests: unproposed(opened).map((each) => ({ ...each, node: nodeIdOf(each.request.key) })),
  };
}

const pending = defineCommand({
  summary: "Show what waits for signatures, and who asks to join",
  args: deskOptions,
  run: async (given, context) => {
    const desk = await openDesk(given, context, false);
    const { opened } = await desk.read();
    const lines = renderPending(opened, desk, context.clock.nowS()).slice(1);
    return { document: describePending(opened), lines };
  },
});

const exportCommand = defineCommand({
  summary: "Write log, proposals and requests into a file that goes from hand to hand",
  details: [
    "For approvers whose machine does not reach the control server. Each signs in it",
    "(rustynet membership sign --file FILE), and rustynet membership apply FILE brings it back.",
  ],
  args: { path: { type: "positional", description: "Where to write it" }, ...deskOptions },
  run: async (given, context) => {
    const desk = await openDesk(given, context, false);
    const { dossier, opened } = await desk.read();
    const path = resolve(given.path);
    context.host.write(path, encodeUtf8(`${JSON.stringify(dossier)}\n`), 0o600);
    const { epoch } = opened.membership.state;
    return { document: { path, epoch }, lines: [`${path}: the log up to epoch ${epoch}`] };
  },
});

const verify = defineCommand({
  summary: "Verify a dossier and show what it proposes; nothing is signed or sent",
  args: { path: { type: "positional", description: "The file" }, ...deskOptions },
  run: async (given, context) => {
    const desk = await openDesk({ ...given, file: given.path }, context, false);
    const { opened } = await desk.read();
    const bad = opened.proposals.filter(({ kind }) => kind === "void").length;
    const lines = [
      ...openOnes(opened).flatMap(({ words, update }) =>
        renderWords(wordsToSign(words, update.operation)),
      ),
      ...renderPending(opened, desk, context.clock.nowS()),
    ];
    const verdict = bad === 0 ? [] : [`# ${bad} proposals in it do not hold any more`];
    return {
      document: { ...describe(opened, desk), void: bad },
      lines: [...lines, ...verdict],
      exit: bad === 0 ? 0 : exitCode.refused,
    };
  },
});

const apply = defineCommand({
  summary: "Bring a dossier's signatures to the control server; what is decided takes effect",
  args: {
    path: { type: "positional", description: "The file" },
    "dry-run": { type: "boolean", description: "Verify and print, and send nothing" },
    ...deskOptions,
  },
  run: async (given, context) => {
    const desk = await openDesk({ ...given, file: undefined }, context);
    const offline = await openDesk({ ...given, file: given.path }, context, false);
    const { dossier, opened } = await offline.read();
    const open = openOnes(opened);
    for (const { words, update } of open)
      for (const line of renderWords(wordsToSign(words, update.operation))) context.say(line);
    const stale = dossier.proposals.length - open.length;
    if (stale > 0) context.say(`# and ${plural(stale, "proposal")} that by this file do not hold`);
    if (given["dry-run"])
      return { document: describePending(opened), lines: ["# --dry-run: nothing was sent"] };
    if (dossier.proposals.length === 0)
      return { document: { outcomes: [] }, lines: ["the file proposes nothing"] };
    // What does not hold is sent too, for the server to refuse: it may be evidence of a conflict.
    const outcomes = await desk.submit(dossier.proposals);
    return reportOutcomes(outcomes, context, desk);
  },
});

const checkpoint = defineCommand({
  summary: "Propose to vouch for the whole state, so that joining nodes need no history",
  details: ["It changes nothing else. It can only follow what is decided, so nothing may wait."],
  args: { ...lifetimeOption, ...deskOptions },
  run: async (given, context) => {
    const desk = await openDesk(given, context);
    const { opened } = await desk.read();
    const open = openOnes(opened).length;
    if (open > 0)
      throw new Fault(
        "usage",
        `a checkpoint vouches for what is decided, and this is not: ${plural(open, "proposal")}`,
        {
          remedy: "decide them first: rustynet membership pending",
        },
      );
    const operations = [{ kind: "checkpoint" }] as const;
    const lifetimeS = parseLifetimeS(given.lifetime);
    const outcomes = await desk.propose(operations, opened.membership, lifetimeS);
    return reportOutcomes(outcomes, context, desk);
  },
});

export const membership: Group = {
  kind: "group",
  summary: "Decide together who belongs: propose, sign, and see what waits",
  entries: {
    status,
    pending,
    log: logCommand,
    show: showCommand,
    propose,
    sign,
    reject,
    resolve: resolveConflict,
    checkpoint,
    protect,
    "verify-log": verifyLog,
    verify,
    apply,
    export: exportCommand,
  },
};
