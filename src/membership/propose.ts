/** propose makes the update that an approver would sign; it signs nothing itself. */
import { ok, type Result } from "../base/result.ts";
import type { UpdateId } from "../model/ids.ts";
import type { UnixS } from "../model/time.ts";
import { advance, type Membership } from "./membership.ts";
import type { OperationRejection } from "./rejection.ts";
import type { Operation, Update } from "./update.ts";

/** The payload for an envelope of `updateType`, or why the operation does not apply. */
export function propose(
  membership: Membership,
  operation: Operation,
  terms: { readonly id: UpdateId; readonly createdAt: UnixS; readonly lifetimeS: number },
): Result<Update, OperationRejection> {
  const next = advance(membership.state, operation);
  if (!next.ok) return next;
  const update: Update = {
    network: membership.state.network,
    id: terms.id,
    epoch: next.value.state.epoch,
    parent: membership.root,
    root: next.value.root,
    createdAt: terms.createdAt,
    expiresAt: terms.createdAt + terms.lifetimeS,
    operation,
  };
  return ok(update);
}
