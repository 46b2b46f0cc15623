/**
 * proposals is where approvers meet: updates wait here until enough of them have signed, and go into
 * the log at that moment. The server signs nothing of it and cannot: it keeps, counts and forwards.
 */
import { assert } from "../base/assert.ts";
import { explain } from "../membership/explain.ts";
import { Fault } from "../base/fault.ts";
import { addSignature, type Envelope } from "../crypto/envelope.ts";
import type { Membership } from "../membership/membership.ts";
import { openProposals } from "../membership/proposal.ts";
import type { StateRoot, UpdateId } from "../model/ids.ts";
import { insertAudit } from "../store/control-store-audit.ts";
import {
  expireProposals,
  listEnded,
  listPending,
  proposalWithId,
  type StoredProposal,
} from "../store/control-store-proposals.ts";
import type { Input, Outcome, Output } from "../wire/control-api.ts";
import { acceptanceTime, noVoice, ownVoice, signOperation } from "./changes.ts";
import {
  actorOf,
  type ApproverCaller,
  type Caller,
  type Control,
  type Operator,
} from "./control.ts";
import { notOpen, takeIn } from "./intake.ts";
import { object } from "./objections.ts";
import { auditOf, judgePending, settle } from "./settle.ts";
import { refuseCandidate } from "./undecided.ts";

/** Takes in updates with the signatures they have, and puts into the log what is decided by that. */
export async function submitProposals(
  control: Control,
  { envelopes }: Input<"proposalSubmit">,
  caller: Caller,
): Promise<Output<"proposalSubmit">> {
  const ids = await control.store.transact((transaction) =>
    takeIn(control, transaction, envelopes, actorOf(caller)),
  );
  await settle(control);
  return outcomesOf(control, ids);
}

/** Signs operations that build on one another with the key on this host, and submits them. */
export async function decideOperations(
  control: Control,
  { operations, lifetimeS, upon }: Input<"operationDecide">,
  caller: Caller,
): Promise<Output<"operationDecide">> {
  let membership = await membershipUpon(control, upon);
  const envelopes = operations.map((operation) => {
    const envelope = signOperation(control, membership, operation, lifetimeS);
    const [judged] = openProposals(membership, [envelope], acceptanceTime(control));
    assert(judged?.kind === "open", "what was just proposed is a proposal");
    membership = judged.proposal.leadsTo;
    return envelope;
  });
  return submitProposals(control, { envelopes }, caller);
}

/** Where the log stands, or where a proposal that waits would lead it. */
async function membershipUpon(control: Control, root: StateRoot | undefined): Promise<Membership> {
  const { membership } = control.network;
  if (root === undefined || root === membership.root) return membership;
  const judged = await control.store.transact((transaction) => judgePending(control, transaction));
  for (const each of judged)
    if (each.kind === "open" && each.proposal.update.root === root) return each.proposal.leadsTo;
  throw new Fault("outdated", "no proposal leads to the state that this is to follow", {
    remedy: "look again at what waits: rustynet membership pending",
  });
}

/** Signs what others proposed with the key on this host. */
export async function signProposals(
  control: Control,
  { ids }: Input<"proposalSign">,
  caller: Caller,
): Promise<Output<"proposalSign">> {
  const voice = ownVoice(control);
  if (voice === null) throw noVoice();
  const envelopes = await control.store.transact(async (transaction) => {
    const signed: Envelope[] = [];
    for (const id of ids) {
      const row = await proposalWithId(transaction, id);
      if (row?.state !== "pending") throw notOpen(id, row);
      signed.push(addSignature(row.envelope, voice));
    }
    return signed;
  });
  return submitProposals(control, { envelopes }, caller);
}

/** An approver's "no": what becomes of the proposal is for src/control/objections.ts to say. */
export async function rejectProposal(
  control: Control,
  { id, reason }: Input<"proposalReject">,
  caller: ApproverCaller | Operator,
): Promise<Output<"proposalReject">> {
  refuseCandidate(caller);
  await control.store.transact((transaction) => object(control, transaction, id, reason, caller));
  await settle(control);
  return outcomesOf(control, [id]);
}

/** Those that wait, in the order in which they build on one another; then those that have ended. */
export async function listProposals(control: Control): Promise<Output<"proposalList">> {
  const { pending, ended } = await control.store.transact(async (transaction) => ({
    pending: await listPending(transaction),
    ended: await listEnded(transaction),
  }));
  const outcomes = wordOutcomes(control, [...pending, ...ended], pending);
  return { outcomes, head: control.network.head };
}

/** Writes down which proposals have run out, and ends what builds on them. */
export async function expireDueProposals(control: Control): Promise<void> {
  const expired = await control.store.transact(async (transaction) => {
    const due = await expireProposals(transaction, control.clock.nowS());
    for (const { id } of due)
      await insertAudit(transaction, auditOf(control, "clock", "proposal_expired", id, ""));
    return due;
  });
  if (expired.length > 0) await settle(control);
}

async function outcomesOf(
  control: Control,
  ids: readonly UpdateId[],
): Promise<Output<"proposalSubmit">> {
  const { rows, pending } = await control.store.transact(async (transaction) => {
    const found: StoredProposal[] = [];
    for (const id of ids) {
      const row = await proposalWithId(transaction, id);
      if (row !== null) found.push(row);
    }
    return { rows: found, pending: await listPending(transaction) };
  });
  return { outcomes: wordOutcomes(control, rows, pending), head: control.network.head };
}

/** What there is to say of each; of those that wait, also whose word is missing: they build on one another. */
function wordOutcomes(
  control: Control,
  rows: readonly StoredProposal[],
  pending: readonly StoredProposal[],
): Outcome[] {
  const { network } = control;
  const envelopes = pending.map(({ envelope }) => envelope);
  const judged = openProposals(network.membership, envelopes, acceptanceTime(control));
  const tallies = new Map(
    judged.flatMap((each) =>
      each.kind === "open" ? [[each.proposal.update.id, each.proposal.tally] as const] : [],
    ),
  );
  const named = new Map(network.state.approvers.map(({ key, name }) => [key, name]));
  return rows.map(({ id, epoch, state, words, expiresAt, reason, envelope }) => {
    const tally = tallies.get(id);
    const verdict = tally?.verdict ?? null;
    const why = verdict === null ? reason : explain(verdict).message;
    return {
      ...{ id, epoch, state, words, expiresAt },
      need: tally?.need ?? network.state.threshold,
      signed: envelope.signatures.flatMap(({ keyid }) => named.get(keyid) ?? []),
      missing: tally?.missing.map(({ name }) => name) ?? [],
      why: why === "" ? null : why,
    };
  });
}
