/** intake takes in updates with whatever signatures they have, and merges those that come later. */
import * as v from "valibot";
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import { Envelope } from "../crypto/envelope.ts";
import { openUpdate } from "../membership/membership.ts";
import { type Judged, openProposals } from "../membership/proposal.ts";
import { activeApprovers, type Approver } from "../membership/state.ts";
import type { Update } from "../membership/update.ts";
import type { UpdateId } from "../model/ids.ts";
import { insertAudit } from "../store/control-store-audit.ts";
import {
  listPending,
  proposalWithId,
  putProposal,
  type StoredProposal,
} from "../store/control-store-proposals.ts";
import type { Transaction } from "../store/control-store.ts";
import { acceptanceTime, refusedUpdate } from "./changes.ts";
import { isEvidence, raiseConflict } from "./conflicts.ts";
import type { Control } from "./control.ts";
import { auditOf } from "./settle.ts";

export type QueueLimits = {
  /** Open ones at any time. More wait for nobody who could read them. */
  readonly pendingMax: number;
  /** So many of each approver's find room even then: who fills the queue keeps nobody from deciding. */
  readonly reservedMax: number;
};

const queueLimitsDefault: QueueLimits = { pendingMax: 1_000, reservedMax: 20 };

/** An update as it was sent in, together with what was known of it. */
type Incoming = {
  readonly update: Update;
  readonly known: StoredProposal | null;
  /** With all signatures there are now. */
  readonly envelope: Envelope;
};

/**
 * Keeps updates with the signatures that they have now: all or none. Throws unless each may still be
 * taken in, or is evidence that a quorum signed two changes of one state, which is kept too.
 */
export async function takeIn(
  control: Control,
  transaction: Transaction,
  envelopes: readonly Envelope[],
  actor: string,
  limits: QueueLimits = queueLimitsDefault,
): Promise<readonly UpdateId[]> {
  const incoming = await meetAll(transaction, envelopes);
  const fresh = incoming.filter(isNews);
  for (const { update, known } of fresh)
    if (known?.state === "rejected" || known?.state === "expired") throw notOpen(update.id, known);
  const pending = await listPending(transaction);
  refuseFlood(control, pending, fresh, limits);
  const verdicts = judgeAmong(control, pending, fresh);
  for (const each of fresh)
    await keep(control, transaction, each, verdicts.get(each.update.id), actor);
  return incoming.map(({ update }) => update.id);
}

/** Each update once, with all the signatures that were sent or known of it. */
async function meetAll(
  transaction: Transaction,
  envelopes: readonly Envelope[],
): Promise<readonly Incoming[]> {
  const met = new Map<UpdateId, Incoming>();
  for (const envelope of envelopes) {
    const opened = openUpdate(envelope);
    if (!opened.ok) throw refusedUpdate(opened.error);
    const { update } = opened.value;
    const before = met.get(update.id);
    const known =
      before === undefined ? await proposalWithId(transaction, update.id) : before.known;
    const held = before?.envelope ?? known?.envelope;
    const merged = held === undefined ? envelope : mergeSignatures(held, envelope);
    met.set(update.id, { update, known, envelope: merged });
  }
  return [...met.values()];
}

const isNews = ({ known, envelope }: Incoming): boolean =>
  known === null ||
  (known.state !== "applied" && envelope.signatures.length > known.envelope.signatures.length);

/** Throws when the queue is full, and more of those who made these wait already than is kept for them. */
function refuseFlood(
  { network }: Control,
  pending: readonly StoredProposal[],
  fresh: readonly Incoming[],
  { pendingMax, reservedMax }: QueueLimits,
): void {
  const made = fresh.filter(({ known }) => known === null);
  if (made.length === 0 || pending.length + made.length <= pendingMax) return;
  const all = [...pending, ...made];
  const voices = activeApprovers(network.state).filter(
    (voice) => all.filter(isSignedBy(voice)).length <= reservedMax,
  );
  if (!made.every((each) => voices.some((voice) => isSignedBy(voice)(each))))
    throw tooManyProposals(pendingMax);
}

const isSignedBy =
  ({ key }: Approver) =>
  ({ envelope }: Pick<Incoming, "envelope">): boolean =>
    envelope.signatures.some(({ keyid }) => keyid === key);

/** Judges what has come in together with what waits, each on whatever it builds. */
function judgeAmong(
  control: Control,
  pending: readonly StoredProposal[],
  fresh: readonly Incoming[],
): ReadonlyMap<UpdateId, Judged> {
  const ids = new Set(fresh.map(({ update }) => update.id));
  const rest = pending.filter(({ id }) => !ids.has(id));
  const all = [
    ...rest.map(({ id, epoch, envelope }) => ({ id, epoch, envelope })),
    ...fresh.map(({ update: { id, epoch }, envelope }) => ({ id, epoch, envelope })),
  ].toSorted((left, right) => left.epoch - right.epoch);
  const judged = openProposals(
    control.network.membership,
    all.map(({ envelope }) => envelope),
    acceptanceTime(control),
  );
  return new Map(all.flatMap(({ id }, i) => (judged[i] === undefined ? [] : [[id, judged[i]]])));
}

async function keep(
  control: Control,
  transaction: Transaction,
  { update, known, envelope }: Incoming,
  verdict: Judged | undefined,
  actor: string,
): Promise<void> {
  assert(verdict !== undefined, "an update is judged");
  const { id, epoch, expiresAt } = update;
  const createdAt = known?.createdAt ?? control.clock.nowS();
  const row = { id, epoch, expiresAt, envelope, createdAt };
  if (verdict.kind === "void") {
    if (!isEvidence(control.network, envelope)) throw refusedUpdate(verdict.why);
    return raiseConflict(control, transaction, { ...row, words: known?.words ?? [] });
  }
  if (known !== null && known.state !== "pending") throw notOpen(id, known);
  // A candidate could otherwise propose another one, who outlasts the first.
  if (!activeApprovers(control.network.state).some((voice) => isSignedBy(voice)({ envelope })))
    throw unheard();
  const words = [...verdict.proposal.words];
  await putProposal(transaction, { ...row, state: "pending", reason: "", words });
  const event = known === null ? "proposal_made" : "proposal_signed";
  await insertAudit(transaction, auditOf(control, actor, event, id, words[0] ?? ""));
}

/** Both have been verified: each signature stands by itself. Another text under one id is refused. */
function mergeSignatures(known: Envelope, other: Envelope): Envelope {
  if (known.payload !== other.payload)
    throw new Fault("membership_rejected", "another update has this id", {
      remedy: "propose it again: a new proposal has a new id",
    });
  const fresh = other.signatures.filter(
    ({ keyid }) => !known.signatures.some((signature) => signature.keyid === keyid),
  );
  const merged = { ...known, signatures: [...known.signatures, ...fresh] };
  const parsed = v.safeParse(Envelope, merged);
  if (parsed.success) return parsed.output;
  throw new Fault("membership_rejected", "more keys have signed it than could have a say in it", {
    remedy: "send it with the signatures of approvers alone",
  });
}

const unheard = (): Fault =>
  new Fault("permission_denied", "no approver in force has signed what is proposed", {
    remedy: "have an approver propose it: rustynet membership propose",
  });

const tooManyProposals = (pendingMax: number): Fault =>
  new Fault("rate_limited", `${pendingMax} proposals wait already`, {
    remedy: "sign or reject some of them: rustynet membership pending",
  });

/** Why a proposal takes no more signatures, nor a rejection. */
export function notOpen(id: UpdateId, known: StoredProposal | null): Fault {
  const remedy = "rustynet membership pending shows those that wait";
  return known === null
    ? new Fault("not_found", `there is no proposal ${id}`, { remedy })
    : new Fault("membership_rejected", `the proposal ${id} is ${known.state} already`, { remedy });
}
