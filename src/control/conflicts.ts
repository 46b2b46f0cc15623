/**
 * conflicts keeps the evidence when a quorum has signed two changes of one state. The first one stays;
 * the other is shown until somebody says that it was looked into. Approvers who sign in two places at
 * once do that by mistake; somebody with their keys does it on purpose.
 */
import { ok } from "../base/result.ts";
import type { Envelope } from "../crypto/envelope.ts";
import { nodeIdOf, openUpdate } from "../membership/membership.ts";
import { changesApprovers, refuseSigners, refuseSuccessors } from "../membership/quorum.ts";
import { reduce } from "../membership/reducer.ts";
import { followAuthority } from "../membership/snapshot.ts";
import type { State } from "../membership/state.ts";
import type { LogEntry, Operation } from "../membership/update.ts";
import type { SigningKey } from "../model/keys.ts";
import { insertAudit } from "../store/control-store-audit.ts";
import { putProposal, type StoredProposal } from "../store/control-store-proposals.ts";
import type { Transaction } from "../store/control-store.ts";
import type { Control } from "./control.ts";
import type { Network } from "./network.ts";

/** Whether this update would have followed an earlier state of our log, and its approvers signed it. */
export function isEvidence(network: Network, envelope: Envelope): boolean {
  const opened = openUpdate(envelope);
  if (!opened.ok) return false;
  const { update, signers } = opened.value;
  if (update.epoch > network.head.epoch) return false;
  // Approvers have no part in it: whoever makes up a voucher can make up this.
  if (update.operation.kind === "redeem_voucher") return false;
  if (network.headAt(update.epoch - 1)?.root !== update.parent) return false;
  if (network.headAt(update.epoch)?.root === update.root) return false;
  const chain = network.membership.authority.filter(({ entry }) => epochOf(entry) < update.epoch);
  const authority = followAuthority(network.founded, chain, network.membership.acceptedAt);
  return authority.ok && isDecidedBy(authority.value.state, update.operation, signers);
}

/** Of the state of that day only who might sign is known any more, which is all that this asks. */
function isDecidedBy(
  before: State,
  operation: Operation,
  signers: ReadonlySet<SigningKey>,
): boolean {
  if (refuseSigners(before, operation, signers) !== null) return false;
  const after = changesApprovers(operation) ? reduce(before, operation, { nodeIdOf }) : ok(before);
  return after.ok && refuseSuccessors(after.value, operation, signers) === null;
}

function epochOf({ envelope }: LogEntry): number {
  const opened = openUpdate(envelope);
  return opened.ok ? opened.value.update.epoch : Number.POSITIVE_INFINITY;
}

export async function raiseConflict(
  { log, clock, network }: Control,
  transaction: Transaction,
  row: Omit<StoredProposal, "state" | "reason">,
): Promise<void> {
  const taken = network.headAt(row.epoch)?.root ?? "";
  const reason = `a quorum signed this and another change of the state at epoch ${row.epoch - 1}`;
  await putProposal(transaction, { ...row, state: "conflicting", reason });
  const detail = JSON.stringify({ epoch: row.epoch, taken });
  const event = { actor: "log", event: "membership_conflict", subject: row.id, detail };
  await insertAudit(transaction, { at: clock.nowS(), ...event });
  log.error("membership_conflict", { id: row.id, epoch: row.epoch, taken });
}
