/**
 * membership-sign is where an approver says yes or no: to what others proposed, and to machines that ask
 * to join. What is printed is what is signed, all of it and nothing else.
 */
import * as v from "valibot";
import { exitCode, Fault } from "../base/fault.ts";
import { sha256 } from "../crypto/hash.ts";
import { encodeHex, encodeUtf8 } from "../base/bytes.ts";
import { nodeIdOf } from "../membership/membership.ts";
import type { Proposal } from "../membership/proposal.ts";
import { UpdateId } from "../model/ids.ts";
import { type Outcome, proposalsMax, Reason } from "../wire/control-api.ts";
import type { OpenedDossier, OpenedRequest } from "../wire/dossier.ts";
import { type Admission, admitAll, type Unfit } from "./admission.ts";
import { type Context, defineCommand, type Report } from "./command.ts";
import { type Desk, deskOptions, openDesk } from "./desk.ts";
import {
  idDigits,
  openOnes,
  proposalsFor,
  renderOutcomes,
  renderWords,
  unproposed,
  wordsToSign,
} from "./membership-text.ts";
import { lifetimeOption, parseLifetimeS, tipOf } from "./proposing.ts";
import { quoted } from "./text.ts";

export const sign = defineCommand({
  summary: "Sign what others proposed, and admit machines that ask to join",
  details: [
    "Names of proposals and machines are those that rustynet membership pending shows; --all takes",
    "everything that waits for you. Each change is printed before it is signed; --dry-run stops there,",
    "and says how to sign exactly that. Compare a machine's fingerprint with what it shows itself.",
  ],
  args: {
    all: { type: "boolean", description: "Everything that waits for your signature" },
    "dry-run": { type: "boolean", description: "Print the changes and sign nothing" },
    seen: {
      type: "string",
      valueHint: "DIGEST",
      description: "Sign only if it is still what the dry run showed",
    },
    ...lifetimeOption,
    ...deskOptions,
  },
  rest: "PROPOSAL|MACHINE",
  run: async (given, context, names) => {
    const lifetimeS = parseLifetimeS(given.lifetime);
    const desk = await openDesk(given, context);
    const { opened } = await desk.read();
    const chosen = choose(opened, names, given.all, desk);
    const words = [
      ...chosen.proposals.map((each) => wordsToSign(each.words, each.update.operation)),
      ...chosen.admissions.map((each) => wordsToSign(each.words, each.operation)),
    ];
    for (const each of words) for (const line of renderWords(each)) context.say(line);
    const notes = chosen.unfit.map(wordUnfit);
    if (words.length === 0)
      return { document: { outcomes: [] }, lines: ["nothing waits for your signature"], notes };
    const seen = digestOf(chosen);
    if (given["dry-run"]) {
      const command = ["rustynet membership sign", ...(given.all ? ["--all"] : names)].join(" ");
      return {
        document: { changes: words, seen },
        lines: [
          "# --dry-run: nothing was signed",
          `# to sign exactly this: ${command} --seen ${seen}`,
        ],
        notes,
      };
    }
    if (given.seen !== undefined && given.seen !== seen) throw changed();
    const report = reportOutcomes(await signChosen(desk, opened, chosen, lifetimeS), context, desk);
    return { ...report, notes: [...notes, ...(report.notes ?? [])] };
  },
});

const changed = (): Fault =>
  new Fault("outdated", "what waits is not what you were shown: nothing was signed", {
    remedy: "read it again: rustynet membership sign --dry-run",
  });

/** Stands for what is shown and signed: the text of each proposal, and each admission in words. */
function digestOf({ proposals, admissions }: Chosen): string {
  const texts = [
    ...proposals.map(({ envelope }) => envelope.payload),
    ...admissions.map(({ words }) => words),
  ];
  return encodeHex(sha256(encodeUtf8(JSON.stringify(texts)))).slice(0, 20);
}

async function signChosen(
  desk: Desk,
  opened: OpenedDossier,
  { proposals, admissions }: Chosen,
  lifetimeS: number,
): Promise<readonly Outcome[]> {
  const outcomes = [...(proposals.length === 0 ? [] : await desk.sign(proposals))];
  for (let i = 0; i < admissions.length; i += proposalsMax) {
    const operations = admissions.slice(i, i + proposalsMax).map(({ operation }) => operation);
    // What was signed before may have brought the log on.
    const upon = outcomes.length === 0 ? opened : (await desk.read()).opened;
    outcomes.push(...(await desk.propose(operations, tipOf(upon, desk), lifetimeS)));
  }
  return outcomes;
}

/** What became of what was sent. One that is neither decided nor waits is a "no". */
export function reportOutcomes(
  outcomes: readonly Outcome[],
  { clock }: Context,
  { place }: Desk,
): Report {
  const waits = outcomes.some(({ state }) => state === "pending");
  const isTaken = outcomes.every(({ state }) => state === "pending" || state === "applied");
  return {
    document: { outcomes },
    lines: renderOutcomes(outcomes, clock.nowS()),
    notes: waits ? [`# kept at ${place}; rustynet membership pending shows what is missing`] : [],
    ...(isTaken ? {} : { exit: exitCode.refused }),
  };
}

type Chosen = {
  readonly proposals: readonly Proposal[];
  readonly admissions: readonly Admission[];
  readonly unfit: readonly Unfit[];
};

/** Proposals that wait for this desk, and requests that nobody has proposed. */
function choose(opened: OpenedDossier, names: readonly string[], all: boolean, desk: Desk): Chosen {
  const waiting = unproposed(opened);
  if (all && names.length === 0) {
    const proposals = proposalsFor(opened, desk);
    return { proposals, ...admitAll(tipOf(opened, desk, proposals), waiting) };
  }
  if (all || names.length === 0)
    throw new Fault("usage", "name what is to be signed, or take everything with --all", {
      remedy: "rustynet membership pending shows what waits",
    });
  const found = [...new Set(names.map((name) => findOne(openOnes(opened), waiting, name)))];
  const requests = found.flatMap((each) => ("update" in each ? [] : [each]));
  const proposals = found.flatMap((each) => ("update" in each ? [each] : []));
  const admitted = admitAll(tipOf(opened, desk, proposals), requests);
  const [unfit] = admitted.unfit;
  if (unfit !== undefined) throw unfit.why;
  return { proposals, ...admitted };
}

const wordUnfit = ({ request: { request }, why }: Unfit): string =>
  `# left out: ${request.name} (${nodeIdOf(request.key).slice(0, idDigits)}), for ${why.message}; ` +
  "rustynet membership reject takes it from the list";

/** By the beginning of an id, or the name of a machine; refused where it could be two things. */
function findOne(
  open: readonly Proposal[],
  waiting: readonly OpenedRequest[],
  name: string,
): Proposal | OpenedRequest {
  const named = waiting.filter(({ request }) => request.name === name);
  const isId = /^[0-9a-f]{8,64}$/.test(name);
  const proposals = open.filter(({ update }) => isId && update.id.startsWith(name));
  const machines = waiting.filter(({ request }) => isId && nodeIdOf(request.key).startsWith(name));
  // A machine may ask to be called what a proposal's id begins with: nobody is to guess what was meant.
  const found = [...new Set<Proposal | OpenedRequest>([...named, ...proposals, ...machines])];
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const why = found.length > 1 ? "could be several" : "waits under no such name";
  throw new Fault("not_found", `${quoted(name)} ${why}`, {
    remedy: "rustynet membership pending shows what waits; 8 digits of an id are enough",
  });
}

export const reject = defineCommand({
  summary: "Be against a proposal, or turn a machine down, and say why",
  details: [
    "Your own proposal is gone for good. Somebody else's is shown with your reason, and ends once too few",
    "are left who could sign it: one person alone keeps nobody from deciding. A machine is turned down, and",
    "told why. Also settles two changes that conflict: it says that somebody has looked into it.",
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
      return reportRejected(outcomes, context);
    }
    const found = findOne(openOnes(opened), opened.requests, given.name);
    if ("update" in found) {
      const outcomes = await desk.reject(found.update.id, reason.output);
      return reportRejected(outcomes, context);
    }
    const node = nodeIdOf(found.request.key);
    await desk.rejectRequest(node, reason.output);
    return { document: { node }, lines: [`${found.request.name} is turned down`] };
  },
});

const reportRejected = (outcomes: readonly Outcome[], { clock }: Context): Report => ({
  document: { outcomes },
  lines: renderOutcomes(outcomes, clock.nowS()),
  notes: outcomes.some(({ state }) => state === "pending")
    ? ["# that you are against it is shown to the others; they may still decide it without you"]
    : [],
});
