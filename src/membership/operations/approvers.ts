/** approvers: who may sign from now on, and how many of them it takes; never so that nobody could. */
import { err, ok, type Result } from "../../base/result.ts";
import type { SigningKey } from "../../model/keys.ts";
import { refuseKey } from "../keys.ts";
import type { OperationRejection } from "../rejection.ts";
import { activeApprovers, type Approver, approversMax, type State } from "../state.ts";
import type { Candidate } from "../update.ts";

type Reduced = Result<State, OperationRejection>;

/** Counts the active ones only: the revoked stay in the list for good, and must not fill it up. */
export function addApprover(state: State, candidate: Candidate): Reduced {
  const active = activeApprovers(state);
  if (active.length >= approversMax)
    return err({ code: "too_many_approvers", limit: approversMax });
  const { name } = candidate;
  if (active.some((approver) => approver.name === name))
    return err({ code: "approver_name_in_use", name });
  const refusal = refuseKey(state, candidate.key);
  if (refusal !== null) return err(refusal);
  return ok({ ...state, approvers: [...state.approvers, { ...candidate, status: "active" }] });
}

/** One goes and one comes, so that no limit stands in the way and no one else is needed. */
export function rotateApprover(state: State, before: SigningKey, key: SigningKey): Reduced {
  const found = activeWithKey(state, before);
  if (!found.ok) return found;
  const refusal = refuseKey(state, key);
  if (refusal !== null) return err(refusal);
  const approvers = [...withRevoked(state, before), { ...found.value, key }];
  return ok({ ...state, approvers });
}

export function revokeApprover(state: State, key: SigningKey): Reduced {
  const found = activeWithKey(state, key);
  if (!found.ok) return found;
  if (activeApprovers(state).length === 1) return err({ code: "last_approver", key });
  return unlessLockedOut({ ...state, approvers: withRevoked(state, key) });
}

export function setThreshold(state: State, threshold: number): Reduced {
  if (threshold === state.threshold) return err({ code: "nothing_changes" });
  return unlessLockedOut({ ...state, threshold });
}

function activeWithKey(state: State, key: SigningKey): Result<Approver, OperationRejection> {
  const approver = state.approvers.find((one) => one.key === key);
  if (approver === undefined) return err({ code: "approver_unknown", key });
  return approver.status === "active"
    ? ok(approver)
    : err({ code: "approver_already_revoked", key });
}

const withRevoked = ({ approvers }: State, key: SigningKey): Approver[] =>
  approvers.map((one) => (one.key === key ? { ...one, status: "revoked" } : one));

/** Refuses what nobody could ever change again. */
function unlessLockedOut(state: State): Reduced {
  const active = activeApprovers(state);
  const [have, need] = [active.length, state.threshold];
  if (have < need) return err({ code: "threshold_unreachable", have, need });
  return active.some(({ role }) => role === "owner") ? ok(state) : err({ code: "owner_missing" });
}
