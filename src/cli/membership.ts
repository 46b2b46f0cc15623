/** membership: the commands with which people decide together who belongs, and see what was decided. */
import { resolve } from "node:path";
import * as v from "valibot";
import { encodeUtf8 } from "../base/bytes.ts";
import { exitCode, Fault } from "../base/fault.ts";
import { fingerprintOf } from "../crypto/fingerprint.ts";
import { nodeIdOf } from "../membership/membership.ts";
import type { Proposal } from "../membership/proposal.ts";
import { type NodeId, UpdateId } from "../model/ids.ts";
import { Reason } from "../wire/control-api.ts";
import type { OpenedDossier, OpenedRequest } from "../wire/dossier.ts";
import { controlSocketDefault } from "../wire/local-api.ts";
import { encodeNetworkCard } from "../wire/network-card.ts";
import { admitAll } from "./admission.ts";
import { openOperatorClient } from "./client.ts";
import { type Context, defineCommand, type Group, type Report } from "./command.ts";
import { type Desk, deskOptions, hostPlace, openDesk, parseDossier } from "./desk.ts";
import { logCommand, showCommand, verifyLog } from "./membership-log.ts";
import {
  idDigits,
  openOnes,
  renderMembership,
  renderOutcomes,
  renderPending,
  renderWords,
  unproposed,
} from "./membership-text.ts";
import { propose } from "./propose.ts";
import { lifetimeOption, parseLifetimeS, tipOf } from "./proposing.ts";
import { protect } from "./protect.ts";
import { resolveConflict } from "./resolve.ts";
import { quoted } from "./text.ts";

const status = defineCommand({
  summary: "Show who decides, how far the log is, and what waits",
  args: deskOptions,
  run: async (given, context) => {
    const desk = await openDesk(given, context, false);
    const { opened } = await desk.read();
    const lines = renderMembership(opened, desk.signer, context.clock.nowS());
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
    requests: unproposed(opened).map((each) => ({ ...each, node: nodeIdOf(each.request.key) })),
  };
}

const pending = defineCommand({
  summary: "Show what waits for signatures, and who asks to join",
  args: deskOptions,
  run: async (given, context) => {
    const desk = await openDesk(given, context, false);
    const { opened } = await desk.read();
    const lines = renderPending(opened, desk.signer, context.clock.nowS()).slice(1);
    return { document: describePending(opened), lines };
  },
});

const sign = defineCommand({
  summary: "Sign what others proposed, and admit machines that ask to join",
  details: [
    "Names of proposals and machines are those that rustynet membership pending shows; --all takes",
    "everything that waits for you. Each change is printed before it is signed; --dry-run stops there.",
    "Compare a machine's fingerprint with what rustynet up shows on it.",
  ],
  args: {
    all: { type: "boolean", description: "Everything that waits for your signature" },
    "dry-run": { type: "boolean", description: "Print the changes and sign nothing" },
    ...lifetimeOption,
    ...deskOptions,
  },
  rest: "PROPOSAL|MACHINE",
  run: async (given, context, names) => {
    const desk = await openDesk(given, context);
    const { opened } = await desk.read();
    const chosen = choose(opened, names, given.all, desk.signer);
    const admitted = admitAll(tipOf(opened), chosen.requests);
    const words = [...chosen.proposals.map((each) => each.words), ...wordAdmissions(chosen)];
    for (const each of words) for (const line of renderWords(each)) context.say(line);
    if (words.length === 0)
      return { document: { outcomes: [] }, lines: ["nothing waits for your signature"] };
    if (given["dry-run"])
      return { document: { changes: words }, lines: ["# --dry-run: nothing was signed"] };
    const lifetimeS = parseLifetimeS(given.lifetime);
    const signed = chosen.proposals.length === 0 ? [] : await desk.sign(chosen.proposals);
    const proposed =
      admitted.length === 0 ? [] : await desk.propose(admitted, await tipNow(desk), lifetimeS);
    return reportOutcomes([...signed, ...proposed], context, desk);
  },
});

/** Signing may have brought the log on. */
async function tipNow(desk: Desk) {
  return tipOf((await desk.read()).opened);
}

function reportOutcomes(
  outcomes: Parameters<typeof renderOutcomes>[0],
  { clock }: Context,
  { place }: Desk,
): Report {
  const waits = outcomes.some(({ state }) => state === "pending");
  return {
    document: { outcomes },
    lines: renderOutcomes(outcomes, clock.nowS()),
    notes: waits ? [`# kept at ${place}; rustynet membership pending shows what is missing`] : [],
  };
}

type Chosen = {
  readonly proposals: readonly Proposal[];
  readonly requests: readonly OpenedRequest[];
};

const wordAdmissions = ({ requests }: Chosen): readonly (readonly string[])[] =>
  requests.map(({ request, owner, tags }) => [
    `node admitted: ${request.name} (${nodeIdOf(request.key).slice(0, idDigits)})`,
    `owner: ${owner}`,
    `tags: ${tags.length === 0 ? "none" : tags.join(", ")}`,
    `fingerprint: ${fingerprintOf(request.key)}`,
    `identity key: ${request.key}`,
  ]);

/** Proposals that this desk has not signed yet, and requests that nobody has proposed. */
function choose(
  opened: OpenedDossier,
  names: readonly string[],
  all: boolean,
  signer: string | null,
): Chosen {
  const open = openOnes(opened);
  const unsigned = open.filter(({ tally }) => !tally.signed.some(({ name }) => name === signer));
  const waiting = unproposed(opened);
  if (all && names.length === 0) return { proposals: unsigned, requests: waiting };
  if (all || names.length === 0)
    throw new Fault("usage", "name what is to be signed, or take everything with --all", {
      remedy: "rustynet membership pending shows what waits",
    });
  const found = names.map((name) => findOne(open, waiting, name));
  return {
    proposals: found.flatMap((each) => ("update" in each ? [each] : [])),
    requests: found.flatMap((each) => ("update" in each ? [] : [each])),
  };
}

/** By the beginning of an id, or the name of a machine. */
function findOne(
  open: readonly Proposal[],
  waiting: readonly OpenedRequest[],
  name: string,
): Proposal | OpenedRequest {
  const named = waiting.filter(({ request }) => request.name === name);
  const isId = /^[0-9a-f]{8,64}$/.test(name);
  const proposals = open.filter(({ update }) => isId && update.id.startsWith(name));
  const machines = waiting.filter(({ request }) => isId && nodeIdOf(request.key).startsWith(name));
  const found = named.length > 0 ? named : [...proposals, ...machines];
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const why = found.length > 1 ? "could be several" : "waits under no such name";
  throw new Fault("not_found", `${quoted(name)} ${why}`, {
    remedy: "rustynet membership pending shows what waits; 8 digits of an id are enough",
  });
}

const reject = defineCommand({
  summary: "Turn down a proposal or a machine, and say why",
  details: [
    "It is gone for good, and the reason is shown to whoever asked. Also settles two changes that",
    "conflict: it says that somebody has looked into it.",
  ],
  args: {
    name: { type: "positional", description: "Beginning of an id, or a machine's name" },
    reason: { type: "string", valueHint: "TEXT", description: "Why, in a few words" },
    ...deskOptions,
  },
  run: async (given, context) => {
    const reason = v.safeParse(Reason, given.reason);
    if (!reason.success)
      throw new Fault("usage", "say why with --reason: 1 to 200 printable letters");
    const desk = await openDesk(given, context);
    const { opened } = await desk.read();
    // A whole id may also be one that waits no more, and is to be settled.
    const whole = v.safeParse(UpdateId, given.name);
    if (whole.success) {
      const outcomes = await desk.reject(whole.output, reason.output);
      return reportOutcomes(outcomes, context, desk);
    }
    const found = findOne(openOnes(opened), opened.requests, given.name);
    if ("update" in found) {
      const outcomes = await desk.reject(found.update.id, reason.output);
      return reportOutcomes(outcomes, context, desk);
    }
    const node: NodeId = nodeIdOf(found.request.key);
    await desk.rejectRequest(node, reason.output);
    return { document: { node }, lines: [`${found.request.name} is turned down`] };
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
      ...openOnes(opened).flatMap(({ words }) => renderWords(words)),
      ...renderPending(opened, desk.signer, context.clock.nowS()),
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
    const desk = await openDesk(given, context);
    const dossier = parseDossier(await context.readTextFile(given.path));
    const offline = await openDesk({ ...given, file: given.path }, context, false);
    const { opened } = await offline.read();
    for (const { words } of openOnes(opened))
      for (const line of renderWords(words)) context.say(line);
    if (given["dry-run"])
      return { document: describePending(opened), lines: ["# --dry-run: nothing was sent"] };
    if (dossier.proposals.length === 0)
      return { document: { outcomes: [] }, lines: ["the file proposes nothing"] };
    return reportOutcomes(await desk.submit(dossier.proposals), context, desk);
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
        `${open} proposals wait, and a checkpoint vouches for what is decided`,
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
