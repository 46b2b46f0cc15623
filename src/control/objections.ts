/**
 * objections is what an approver's "no" does. One who is against a change keeps nobody from deciding it: it
 * is told to the others, and the change ends once too few are left who could sign.
 */
import { activeApprovers } from "../membership/state.ts";
import type { UpdateId } from "../model/ids.ts";
import type { SigningKey } from "../model/keys.ts";
import { insertAudit } from "../store/control-store-audit.ts";
import { insertObjection, listObjections } from "../store/control-store-objections.ts";
import {
  endProposal,
  proposalWithId,
  type StoredProposal,
} from "../store/control-store-proposals.ts";
import type { Transaction } from "../store/control-store.ts";
import type { Objection } from "../wire/dossier.ts";
import { ownVoice } from "./changes.ts";
import { actorOf, type ApproverCaller, type Control, type Operator } from "./control.ts";
import { notOpen } from "./intake.ts";
import { auditOf } from "./settle.ts";

/** Writes the "no" down, and ends the proposal if that decides it. Throws when it has ended already. */
export async function object(
  control: Control,
  transaction: Transaction,
  id: UpdateId,
  reason: string,
  caller: ApproverCaller | Operator,
): Promise<void> {
  const row = await proposalWithId(transaction, id);
  if (row?.state !== "pending" && row?.state !== "conflicting") throw notOpen(id, row);
  const key = keyOf(control, caller);
  const actor = actorOf(caller);
  const at = control.clock.nowS();
  if (key !== null) {
    await insertObjection(transaction, { proposal: id, approver: key, reason, at });
    await insertAudit(transaction, auditOf(control, actor, "proposal_objected", id, reason));
  }
  const objectors = await listObjections(transaction, id);
  const keys = new Set(objectors.map(({ approver }) => approver));
  if (!isEndedBy(control, row, key, keys)) return;
  await endProposal(transaction, id, "rejected", reason);
  await insertAudit(transaction, auditOf(control, actor, "proposal_rejected", id, reason));
}

const keyOf = (control: Control, caller: ApproverCaller | Operator): SigningKey | null =>
  caller.kind === "approver" ? caller.approver.key : (ownVoice(control)?.publicKey ?? null);

/** By whoever made it, by an operator who is nobody's approver, or because it can be decided no more. */
function isEndedBy(
  { network }: Control,
  { state, envelope }: StoredProposal,
  key: SigningKey | null,
  objectors: ReadonlySet<SigningKey>,
): boolean {
  // What conflicts decides nothing any more: that somebody has looked into it is all there is to say.
  if (state === "conflicting" || key === null) return true;
  const [author, ...others] = envelope.signatures.map(({ keyid }) => keyid);
  if (author === key) return true;
  const signed = new Set([author, ...others]);
  const left = activeApprovers(network.state).filter(
    (each) => signed.has(each.key) || !objectors.has(each.key),
  );
  return left.length < network.state.threshold;
}

/** Who is against what, by name: the server's word, for people to read. */
export async function wordObjections(
  { network }: Control,
  transaction: Transaction,
): Promise<readonly Objection[]> {
  const names = new Map(network.state.approvers.map(({ key, name }) => [key, name]));
  return (await listObjections(transaction)).flatMap(({ proposal, approver, reason }) => {
    const name = names.get(approver);
    return name === undefined ? [] : [{ proposal, approver: name, reason }];
  });
}
