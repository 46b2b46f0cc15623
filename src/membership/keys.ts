/** keys holds the rule that a key has one role in the whole network, and none once it was given up. */
import type { SigningKey } from "../model/keys.ts";
import type { OperationRejection } from "./rejection.ts";
import { nodeWithKey, type State } from "./state.ts";

/**
 * Why a key cannot take up a role; null when it can. A key of two roles would let who holds the one
 * speak in the other; one that was given up may be in the hands of whoever stole it.
 */
export function refuseKey(state: State, key: SigningKey): OperationRejection | null {
  const approver = state.approvers.find((one) => one.key === key);
  if (approver?.status === "revoked" || state.retired.has(key)) return { code: "key_retired", key };
  const isInUse =
    approver !== undefined ||
    nodeWithKey(state, key) !== undefined ||
    state.vouchers.has(key) ||
    state.control.includes(key) ||
    state.relays.includes(key);
  return isInUse ? { code: "key_in_use", key } : null;
}

/** The state in which this key never takes up a role again. */
export const retireKey = (state: State, key: SigningKey): State => ({
  ...state,
  retired: state.retired.with(key, key),
});
