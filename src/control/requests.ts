/** requests is the queue of machines that showed a credential and wait for the word of approvers. */
import { Fault } from "../base/fault.ts";
import type { Envelope } from "../crypto/envelope.ts";
import { activeApprovers } from "../membership/state.ts";
import type { CredentialId, NodeId } from "../model/ids.ts";
import { insertAudit } from "../store/control-store-audit.ts";
import { listPending } from "../store/control-store-proposals.ts";
import {
  endRequest,
  listWaiting,
  putRequest,
  type StoredRequest,
} from "../store/control-store-requests.ts";
import type { Transaction } from "../store/control-store.ts";
import type { Input, Output } from "../wire/control-api.ts";
import type { Dossier } from "../wire/dossier.ts";
import type { Approvals } from "../wire/enrollment.ts";
import { actorOf, type Caller, type Control } from "./control.ts";
import { historyOf } from "./history.ts";
import { wordObjections } from "./objections.ts";
import { refuseCandidate } from "./undecided.ts";

/** Writes down that a machine waits. The use of its credential is taken in the same transaction. */
export async function queueRequest(
  { clock }: Control,
  transaction: Transaction,
  node: NodeId,
  credential: CredentialId,
  envelope: Envelope,
): Promise<void> {
  const askedAt = clock.nowS();
  const row = { node, credential, state: "pending", reason: "", askedAt, envelope } as const;
  await putRequest(transaction, row);
  const actor = `credential:${credential}`;
  await insertAudit(transaction, {
    ...{ at: askedAt, actor, event: "node_asked", subject: node, detail: "" },
  });
}

/** Throws for a request that was turned down: its credential brings the machine nowhere any more. */
export function refuseRejected(request: StoredRequest | null): void {
  if (request?.state !== "rejected") return;
  throw new Fault("permission_denied", `an approver turned this machine down: ${request.reason}`, {
    remedy: "ask for another token once that is settled",
  });
}

/** Whose word the admission of a node waits for. Machines ask often: nothing is verified anew for it. */
export function approvalsFor({ network, undecided }: Control, node: NodeId): Approvals {
  const proposal = undecided.admissionOf(node);
  if (proposal === undefined) {
    const missing = activeApprovers(network.state).map(({ name }) => name);
    return { need: network.state.threshold, signed: [], missing, expiresAt: null };
  }
  const { tally, update } = proposal;
  return {
    need: tally.need,
    signed: tally.signed.map(({ name }) => name),
    missing: tally.missing.map(({ name }) => name),
    expiresAt: update.expiresAt,
  };
}

export async function rejectRequest(
  { store, clock }: Control,
  { node, reason }: Input<"requestReject">,
  caller: Caller,
): Promise<Output<"requestReject">> {
  refuseCandidate(caller);
  await store.transact(async (transaction) => {
    const ended = await endRequest(transaction, node, "rejected", reason);
    if (ended === null)
      throw new Fault("not_found", "no machine waits under this id", {
        remedy: "rustynet membership pending shows who waits",
      });
    const event = { actor: actorOf(caller), event: "request_rejected", subject: node };
    await insertAudit(transaction, { at: clock.nowS(), ...event, detail: reason });
  });
  return { node };
}

/** Everything that an approver needs to decide. */
export async function showMembership(control: Control): Promise<Dossier> {
  const { proposals, objections, requests } = await control.store.transact(async (transaction) => ({
    proposals: await listPending(transaction),
    objections: await wordObjections(control, transaction),
    requests: await listWaiting(transaction),
  }));
  return {
    version: 1,
    ...historyOf(control.network),
    proposals: proposals.map(({ envelope }) => envelope),
    objections: [...objections],
    requests: requests.map(({ envelope: request, owner, tags, credential, askedAt }) => ({
      ...{ request, owner, tags, credential, askedAt },
    })),
  };
}
