/**
 * approver changes the log with the approver key that this host holds: it proposes, signs and appends
 * in one step, as any other approver would have to, and has no way into the state beside the log.
 */
import * as v from "valibot";
import { encodeHex } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import { type Envelope, sealEnvelope } from "../crypto/envelope.ts";
import { explain } from "../membership/explain.ts";
import { append } from "../membership/membership.ts";
import { propose } from "../membership/propose.ts";
import { speaksOn } from "../membership/state.ts";
import { type Operation, subjectOf, updateType } from "../membership/update.ts";
import { UpdateId } from "../model/ids.ts";
import { skewMaxS, type UnixS } from "../model/time.ts";
import { insertAudit, type LogEvent } from "../store/control-store-audit.ts";
import {
  deleteAdvertisement,
  growGeneration,
  insertEntry,
} from "../store/control-store-network.ts";
import type { Transaction } from "../store/control-store.ts";
import type { Control } from "./control.ts";

/** Signed and appended within a moment, or never. */
const updateLifetimeS = 300;

export type Reason = { readonly actor: string; readonly event: LogEvent; readonly detail: string };

/**
 * Appends one operation to the log, in the caller's transaction. Throws `membership_rejected` when it
 * does not apply, or when this host's key alone is not enough.
 */
export async function commitOperation(
  control: Control,
  transaction: Transaction,
  operation: Operation,
  reason: Reason,
): Promise<void> {
  const { network, clock } = control;
  const now = clock.nowS();
  // The log never goes back in time, also when this host's clock does.
  const acceptedAt = Math.max(now, network.membership.acceptedAt);
  const entry = { acceptedAt, envelope: signUpdate(control, operation, acceptedAt) };
  const next = append(network.membership, entry, Math.max(now, acceptedAt));
  if (!next.ok) {
    const { message, remedy } = explain(next.error);
    throw new Fault("membership_rejected", `the log refuses this change: ${message}`, { remedy });
  }
  const { root, state } = next.value;
  await insertEntry(transaction, { epoch: state.epoch, root, ...entry });
  const generation = await growGeneration(transaction);
  const node = subjectOf(operation);
  await insertAudit(transaction, { at: now, subject: node ?? state.network, ...reason });
  // What it said as a member, or under another key, must not be there after a restart.
  if (node !== null && !speaksOn(network.state.nodes.get(node), state.nodes.get(node)))
    await deleteAdvertisement(transaction, node);
  transaction.afterCommit(() => {
    network.adoptEntry(next.value, entry, generation);
    // Done here, and nowhere else yet: whoever relies on it has to know.
    const aheadS = acceptedAt - now;
    if (aheadS > skewMaxS) control.log.error("log_ahead_of_clock", { epoch: state.epoch, aheadS });
  });
}

function signUpdate(control: Control, operation: Operation, createdAt: UnixS): Envelope {
  const id = v.parse(UpdateId, encodeHex(control.random(16)));
  const terms = { id, createdAt, lifetimeS: updateLifetimeS };
  const proposed = propose(control.network.membership, operation, terms);
  if (!proposed.ok) {
    const { message, remedy } = explain(proposed.error);
    throw new Fault("membership_rejected", `this change does not apply: ${message}`, { remedy });
  }
  return sealEnvelope(updateType, proposed.value, [control.approver]);
}
