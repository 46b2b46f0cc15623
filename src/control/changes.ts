/**
 * changes takes updates into the log. Whoever signed them, they go the one way: verified against the
 * present state, written down with all that follows from them, and only then told to anybody. It also
 * signs with the approver key that this host may hold, which has no way into the log beside that one.
 */
import * as v from "valibot";
import { encodeHex } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import type { SigningSecret } from "../crypto/ed25519.ts";
import { type Envelope, sealEnvelope } from "../crypto/envelope.ts";
import { explain } from "../membership/explain.ts";
import { append, type Membership, openUpdate } from "../membership/membership.ts";
import { propose } from "../membership/propose.ts";
import type { Rejection } from "../membership/rejection.ts";
import { activeApprovers, speaksOn } from "../membership/state.ts";
import { type Operation, subjectOf, type Update, updateType } from "../membership/update.ts";
import { UpdateId } from "../model/ids.ts";
import { skewMaxS, type UnixS } from "../model/time.ts";
import { insertAudit, type LogEvent } from "../store/control-store-audit.ts";
import { insertAdmission } from "../store/control-store-credentials.ts";
import {
  deleteAdvertisement,
  growGeneration,
  insertEntry,
} from "../store/control-store-network.ts";
import { endProposal } from "../store/control-store-proposals.ts";
import { endRequest } from "../store/control-store-requests.ts";
import type { Transaction } from "../store/control-store.ts";
import type { Control } from "./control.ts";

/** Signed and appended within a moment, or never. */
const momentS = 300;

export type Reason = { readonly actor: string; readonly event: LogEvent; readonly detail: string };

/** The approver key on this host, as long as it is in force. */
export function ownVoice({ approver, network }: Control): SigningSecret | null {
  if (approver === null) return null;
  const isActive = activeApprovers(network.state).some(({ key }) => key === approver.publicKey);
  return isActive ? approver : null;
}

/** Whether this host admits, renames and expels nodes by itself: the homelab's way. */
export const decidesAlone = (control: Control): boolean =>
  ownVoice(control) !== null && control.network.state.threshold === 1;

/** When the log would take something in: it never goes back in time, also when this host's clock does. */
export const acceptanceTime = ({ network, clock }: Control): UnixS =>
  Math.max(clock.nowS(), network.membership.acceptedAt);

/**
 * Appends one operation to the log, signed on this host, in the caller's transaction. Throws
 * `membership_rejected` when it does not apply, or when this host's key alone is not enough.
 */
export async function commitOperation(
  control: Control,
  transaction: Transaction,
  operation: Operation,
  reason: Reason,
): Promise<void> {
  const envelope = signOperation(control, control.network.membership, operation, momentS);
  await appendUpdate(control, transaction, envelope, reason);
}

/**
 * Appends an update, in the caller's transaction, of which there may be one in each transaction. Throws
 * `outdated` when it was made for another state than the present one, `membership_rejected` otherwise.
 */
export async function appendUpdate(
  control: Control,
  transaction: Transaction,
  envelope: Envelope,
  reason: Reason,
): Promise<void> {
  const { network, clock } = control;
  const now = clock.nowS();
  const acceptedAt = acceptanceTime(control);
  const entry = { acceptedAt, envelope };
  const next = append(network.membership, entry, acceptedAt);
  if (!next.ok) throw refusedUpdate(next.error);
  const opened = openUpdate(envelope);
  if (!opened.ok) throw refusedUpdate(opened.error);
  const { update } = opened.value;
  const { root, state } = next.value;
  await insertEntry(transaction, { epoch: state.epoch, root, ...entry });
  const generation = await growGeneration(transaction);
  const subject = subjectOf(update.operation) ?? state.network;
  await insertAudit(transaction, { at: now, subject, ...reason });
  await concludeUpdate(control, transaction, update, next.value);
  transaction.afterCommit(() => {
    network.adoptEntry(next.value, entry, generation);
    control.undecided.forget();
    // Done here, and nowhere else yet: whoever relies on it has to know.
    const aheadS = acceptedAt - now;
    if (aheadS > skewMaxS) control.log.error("log_ahead_of_clock", { epoch: state.epoch, aheadS });
  });
}

/** What an update ends by being in the log: its proposal, what its node said before, who waited for it. */
async function concludeUpdate(
  { network, clock }: Control,
  transaction: Transaction,
  { id, operation }: Update,
  { state }: Membership,
): Promise<void> {
  await endProposal(transaction, id, "applied", "");
  const node = subjectOf(operation);
  if (node === null) return;
  // What it said as a member, or under another key, must not be there after a restart.
  if (!speaksOn(network.state.nodes.get(node), state.nodes.get(node)))
    await deleteAdvertisement(transaction, node);
  // A machine that waited may also have come in by a voucher.
  if (operation.kind !== "add_node" && operation.kind !== "redeem_voucher") return;
  const waiting = await endRequest(transaction, node, "admitted", "");
  if (waiting !== null) await insertAdmission(transaction, node, waiting.credential, clock.nowS());
}

/**
 * The operation as an update that follows `membership`, signed with the key on this host. Throws
 * `membership_rejected` when it does not apply, or when no key here is an approver's.
 */
export function signOperation(
  control: Control,
  membership: Membership,
  operation: Operation,
  lifetimeS: number,
): Envelope {
  const voice = ownVoice(control);
  if (voice === null) throw noVoice();
  const id = v.parse(UpdateId, encodeHex(control.random(16)));
  const createdAt = Math.max(control.clock.nowS(), membership.acceptedAt);
  const proposed = propose(membership, operation, { id, createdAt, lifetimeS });
  if (!proposed.ok) throw refusedUpdate(proposed.error);
  return sealEnvelope(updateType, proposed.value, [voice]);
}

export const noVoice = (): Fault =>
  new Fault("membership_rejected", "no approver key on this host is in force", {
    remedy: "an approver decides it, on the approver's machine: rustynet membership --help",
  });

export function refusedUpdate(rejection: Rejection): Fault {
  const { message, remedy } = explain(rejection);
  const isOutdated = rejection.code === "epoch_mismatch" || rejection.code === "parent_mismatch";
  const code = isOutdated ? "outdated" : "membership_rejected";
  return new Fault(code, `the log refuses this change: ${message}`, { remedy });
}
