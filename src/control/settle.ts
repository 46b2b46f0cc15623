/** settle puts proposals into the log once they are decided, and ends those that follow nothing any more. */
import type { Transaction } from "../store/control-store.ts";
import { explain } from "../membership/explain.ts";
import { openUpdate } from "../membership/membership.ts";
import { type Judged, openProposals, type Proposal } from "../membership/proposal.ts";
import type { Operation } from "../membership/update.ts";
import type { StateRoot, UpdateId } from "../model/ids.ts";
import { type AuditEvent, insertAudit, type LogEvent } from "../store/control-store-audit.ts";
import { endProposal, listPending, proposalWithId } from "../store/control-store-proposals.ts";
import { acceptanceTime, appendUpdate } from "./changes.ts";
import type { Control } from "./control.ts";

/**
 * Puts into the log what is decided, one after the other, and ends what no longer follows from it. Also
 * run at the start: a server that died in between goes on here.
 */
export async function settle(control: Control): Promise<void> {
  for (;;) {
    const { upon, judged } = await control.store.transact(async (transaction) => {
      const found = await judgePending(control, transaction);
      await endVoid(control, transaction, found);
      return { upon: control.network.head.root, judged: found };
    });
    const open = judged.flatMap((each) => (each.kind === "open" ? [each.proposal] : []));
    let hasChanged = false;
    for (const proposal of open) hasChanged = (await applyNext(control, proposal)) || hasChanged;
    if (hasChanged) continue;
    control.undecided.replace(upon, open);
    return;
  }
}

/** Appends one that is decided, if its turn has come: what builds on it follows. */
function applyNext(control: Control, { update, tally, envelope }: Proposal): Promise<boolean> {
  const { network, store } = control;
  return store.transact(async (transaction) => {
    if (update.parent !== network.head.root || tally.verdict !== null) return false;
    // An approver may have turned it down since it was judged.
    if ((await proposalWithId(transaction, update.id))?.state !== "pending") return false;
    const actor = `approvers:${tally.signed.map(({ name }) => name).join(",")}`;
    const event = eventOf(update.operation);
    await appendUpdate(control, transaction, envelope, { actor, event, detail: update.id });
    return true;
  });
}

/** The event under which a change that approvers decided is written down. */
function eventOf({ kind }: Operation): LogEvent {
  if (kind === "add_node") return "node_admitted";
  if (kind === "revoke_node") return "node_revoked";
  return kind === "rename_node" ? "node_renamed" : "membership_changed";
}

/** What waits, each judged on whatever it builds. */
export async function judgePending(
  control: Control,
  transaction: Transaction,
): Promise<readonly Judged[]> {
  const rows = await listPending(transaction);
  const envelopes = rows.map(({ envelope }) => envelope);
  return openProposals(control.network.membership, envelopes, acceptanceTime(control));
}

/**
 * Ends what follows no state any more. What has only run out is left to the clock's own look; what is not
 * valid yet, and what builds on it, may be again: the server's clock was set back.
 */
async function endVoid(
  control: Control,
  transaction: Transaction,
  judged: readonly Judged[],
): Promise<void> {
  const early = new Set<StateRoot>();
  for (const each of judged) {
    if (each.kind === "open" || each.why.code === "expired") continue;
    const opened = openUpdate(each.envelope);
    if (!opened.ok) continue;
    const { id, parent, root } = opened.value.update;
    if (each.why.code === "not_yet_valid" || early.has(parent)) {
      early.add(root);
      continue;
    }
    const { message } = explain(each.why);
    const ended = await endProposal(transaction, id, "superseded", message);
    if (ended !== null)
      await insertAudit(
        transaction,
        auditOf(control, "log", "proposal_superseded", ended.id, message),
      );
  }
}

/** What is written down of a proposal. */
export const auditOf = (
  { clock }: Control,
  actor: string,
  event: string,
  subject: UpdateId,
  detail: string,
): AuditEvent => ({ at: clock.nowS(), actor, event, subject, detail });
