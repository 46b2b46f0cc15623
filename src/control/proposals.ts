/**
 * proposals is where approvers meet: updates wait here until enough of them have signed, and go into
 * the log at that moment. The server signs nothing of it and cannot: it keeps, counts and forwards.
 */
import * as v from "valibot";
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import { Envelope } from "../crypto/envelope.ts";
import { explain } from "../membership/explain.ts";
import { openUpdate } from "../membership/membership.ts";
import { type Judged, openProposals, type Proposal } from "../membership/proposal.ts";
import type { Operation, Update } from "../membership/update.ts";
import type { UpdateId } from "../model/ids.ts";
import { type AuditEvent, insertAudit, type LogEvent } from "../store/control-store-audit.ts";
import {
  endProposal,
  expireProposals,
  listEnded,
  listPending,
  proposalWithId,
  putProposal,
  type StoredProposal,
} from "../store/control-store-proposals.ts";
import type { Transaction } from "../store/control-store.ts";
import type { Input, Outcome, Output } from "../wire/control-api.ts";
import { appendUpdate, refusedUpdate, signOperation } from "./changes.ts";
import { isEvidence, raiseConflict } from "./conflicts.ts";
import { actorOf, type Caller, type Control } from "./control.ts";

/** Open ones at any time. More wait for nobody who could read them. */
const pendingMax = 1_000;

/** Takes in updates with the signatures they have, and puts into the log what is decided by that. */
export async function submitProposals(
  control: Control,
  { envelopes }: Input<"proposalSubmit">,
  caller: Caller,
): Promise<Output<"proposalSubmit">> {
  const ids = await control.store.transact(async (transaction) => {
    const taken: UpdateId[] = [];
    for (const envelope of envelopes)
      taken.push(await takeIn(control, transaction, envelope, actorOf(caller)));
    return taken;
  });
  await settle(control);
  return outcomesOf(control, ids);
}

/** Signs operations that build on one another with the key on this host, and submits them. */
export async function decideOperations(
  control: Control,
  { operations, lifetimeS }: Input<"operationDecide">,
  caller: Caller,
): Promise<Output<"operationDecide">> {
  let membership = control.network.membership;
  const envelopes = operations.map((operation) => {
    const envelope = signOperation(control, membership, operation, lifetimeS);
    const [judged] = openProposals(membership, [envelope], control.clock.nowS());
    assert(judged?.kind === "open", "what was just proposed is a proposal");
    membership = judged.proposal.leadsTo;
    return envelope;
  });
  return submitProposals(control, { envelopes }, caller);
}

export async function rejectProposal(
  control: Control,
  { id, reason }: Input<"proposalReject">,
  caller: Caller,
): Promise<Output<"proposalReject">> {
  await control.store.transact(async (transaction) => {
    const ended = await endProposal(transaction, id, "rejected", reason);
    if (ended === null) throw notOpen(id, await proposalWithId(transaction, id));
    const actor = actorOf(caller);
    await insertAudit(transaction, auditOf(control, actor, "proposal_rejected", id, reason));
  });
  await settle(control);
  return outcomesOf(control, [id]);
}

/** Those that wait, in the order in which they build on one another; then those that have ended. */
export async function listProposals(control: Control): Promise<Output<"proposalList">> {
  const rows = await control.store.transact(async (transaction) => [
    ...(await listPending(transaction)),
    ...(await listEnded(transaction)),
  ]);
  return { outcomes: wordOutcomes(control, rows), head: control.network.head };
}

/** Writes down which proposals have run out. */
export async function expireDueProposals(control: Control): Promise<void> {
  await control.store.transact(async (transaction) => {
    for (const { id } of await expireProposals(transaction, control.clock.nowS()))
      await insertAudit(transaction, auditOf(control, "clock", "proposal_expired", id, ""));
  });
}

/**
 * Puts into the log what is decided, one after the other, and ends what no longer follows from it. Also
 * run at the start: a server that died in between goes on here.
 */
export async function settle(control: Control): Promise<void> {
  for (;;) {
    const isDone = await control.store.transact(async (transaction) => {
      const judged = await judgePending(control, transaction);
      await endVoid(control, transaction, judged);
      const decided = nextDecided(control, judged);
      if (decided === undefined) return true;
      const { envelope, update, tally } = decided;
      const actor = `approvers:${tally.signed.map(({ name }) => name).join(",")}`;
      const event = eventOf(update.operation);
      await appendUpdate(control, transaction, envelope, { actor, event, detail: update.id });
      return false;
    });
    if (isDone) return;
  }
}

/** Only what follows the present state: what builds on it is decided when its turn comes. */
function nextDecided({ network }: Control, judged: readonly Judged[]): Proposal | undefined {
  return judged
    .flatMap((each) => (each.kind === "open" ? [each.proposal] : []))
    .find(({ update, tally }) => update.parent === network.head.root && tally.verdict === null);
}

/** The event under which a change that approvers decided is written down. */
function eventOf({ kind }: Operation): LogEvent {
  if (kind === "add_node") return "node_admitted";
  if (kind === "revoke_node") return "node_revoked";
  return kind === "rename_node" ? "node_renamed" : "membership_changed";
}

async function judgePending(
  { network, clock }: Control,
  transaction: Transaction,
): Promise<readonly Judged[]> {
  const rows = await listPending(transaction);
  const envelopes = rows.map(({ envelope }) => envelope);
  return openProposals(network.membership, envelopes, clock.nowS());
}

/** Ends what follows no state any more. What has only run out is left to the clock's own look. */
async function endVoid(
  control: Control,
  transaction: Transaction,
  judged: readonly Judged[],
): Promise<void> {
  for (const each of judged) {
    if (each.kind === "open" || each.why.code === "expired") continue;
    const opened = openUpdate(each.envelope);
    if (!opened.ok) continue;
    const { message } = explain(each.why);
    const ended = await endProposal(transaction, opened.value.update.id, "superseded", message);
    if (ended !== null)
      await insertAudit(
        transaction,
        auditOf(control, "log", "proposal_superseded", ended.id, message),
      );
  }
}

/**
 * Keeps one update with the signatures that it has now. Throws unless it may still be taken in, or is
 * evidence that a quorum signed two changes of one state, which is kept too.
 */
async function takeIn(
  control: Control,
  transaction: Transaction,
  envelope: Envelope,
  actor: string,
): Promise<UpdateId> {
  const opened = openUpdate(envelope);
  if (!opened.ok) throw refusedUpdate(opened.error);
  const { update } = opened.value;
  const known = await proposalWithId(transaction, update.id);
  const merged = known === null ? envelope : mergeSignatures(known.envelope, envelope);
  if (known !== null && merged.signatures.length === known.envelope.signatures.length)
    return update.id;

  const pending = await listPending(transaction);
  if (known === null && pending.length >= pendingMax) throw tooManyProposals();
  const judged = judgeAmong(control, pending, merged, update);
  const row = {
    ...{ id: update.id, epoch: update.epoch, expiresAt: update.expiresAt, envelope: merged },
    createdAt: known?.createdAt ?? control.clock.nowS(),
  };
  if (judged.kind === "void") {
    if (!isEvidence(control.network, merged)) throw refusedUpdate(judged.why);
    await raiseConflict(control, transaction, { ...row, words: known?.words ?? [] });
    return update.id;
  }
  const words = [...judged.proposal.words];
  await putProposal(transaction, { ...row, state: "pending", reason: "", words });
  const event = known === null ? "proposal_made" : "proposal_signed";
  await insertAudit(transaction, auditOf(control, actor, event, update.id, words[0] ?? ""));
  return update.id;
}

/** Judges one update after those that wait, on whichever of them it builds. */
function judgeAmong(
  { network, clock }: Control,
  pending: readonly StoredProposal[],
  envelope: Envelope,
  { id, epoch }: Update,
): Judged {
  const before = pending.filter((row) => row.epoch < epoch && row.id !== id);
  const envelopes = [...before.map((row) => row.envelope), envelope];
  const judged = openProposals(network.membership, envelopes, clock.nowS()).at(-1);
  assert(judged !== undefined, "an update is judged");
  return judged;
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
  return v.parse(Envelope, { ...known, signatures: [...known.signatures, ...fresh] });
}

const tooManyProposals = (): Fault =>
  new Fault("rate_limited", `${pendingMax} proposals wait already`, {
    remedy: "sign or reject some of them: rustynet membership pending",
  });

function notOpen(id: UpdateId, known: StoredProposal | null): Fault {
  const remedy = "rustynet membership pending shows those that wait";
  return known === null
    ? new Fault("not_found", `there is no proposal ${id}`, { remedy })
    : new Fault("membership_rejected", `the proposal ${id} is ${known.state} already`, { remedy });
}

async function outcomesOf(
  control: Control,
  ids: readonly UpdateId[],
): Promise<Output<"proposalSubmit">> {
  const rows = await control.store.transact(async (transaction) => {
    const found: StoredProposal[] = [];
    for (const id of ids) {
      const row = await proposalWithId(transaction, id);
      if (row !== null) found.push(row);
    }
    return found;
  });
  return { outcomes: wordOutcomes(control, rows), head: control.network.head };
}

/** What there is to say of each; of those that wait, also whose word is missing. */
function wordOutcomes({ network, clock }: Control, rows: readonly StoredProposal[]): Outcome[] {
  const pending = rows.filter(({ state }) => state === "pending");
  const envelopes = pending.map(({ envelope }) => envelope);
  const judged = openProposals(network.membership, envelopes, clock.nowS());
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

const auditOf = (
  { clock }: Control,
  actor: string,
  event: string,
  subject: UpdateId,
  detail: string,
): AuditEvent => ({ at: clock.nowS(), actor, event, subject, detail });
