/** reducer says what each operation does to the state, or why it does not apply to this one. */
import { unreachable } from "../base/assert.ts";
import { ok, type Result } from "../base/result.ts";
import {
  addApprover,
  revokeApprover,
  rotateApprover,
  setThreshold,
} from "./operations/approvers.ts";
import {
  addControlKey,
  addRelayKey,
  pinPolicy,
  revokeControlKey,
  revokeRelayKey,
} from "./operations/authorities.ts";
import {
  addNode,
  type Oracle,
  quarantineNode,
  removeNode,
  renameNode,
  reownNode,
  restoreNode,
  retagNode,
  revokeNode,
  rotateNodeKey,
} from "./operations/nodes.ts";
import { addVoucher, redeemVoucher, revokeVoucher } from "./operations/vouchers.ts";
import type { OperationRejection } from "./rejection.ts";
import type { State } from "./state.ts";
import type { Operation } from "./update.ts";

/** The state after the operation, still at its old epoch. */
export function reduce(
  state: State,
  operation: Operation,
  oracle: Oracle,
): Result<State, OperationRejection> {
  switch (operation.kind) {
    case "add_node":
      return addNode(state, operation.node, oracle);
    case "remove_node":
      return removeNode(state, operation.node);
    case "revoke_node":
      return revokeNode(state, operation.node);
    case "restore_node":
      return restoreNode(state, operation.node);
    case "quarantine_node":
      return quarantineNode(state, operation.node);
    case "rename_node":
      return renameNode(state, operation.node, operation.name);
    case "retag_node":
      return retagNode(state, operation.node, operation.tags);
    case "reown_node":
      return reownNode(state, operation.node, operation.owner);
    case "rotate_node_key":
      return rotateNodeKey(state, operation.node, operation.key);
    case "add_approver":
      return addApprover(state, operation.approver);
    case "rotate_approver":
      return rotateApprover(state, operation.approver, operation.key);
    case "revoke_approver":
      return revokeApprover(state, operation.approver);
    case "set_threshold":
      return setThreshold(state, operation.threshold);
    case "add_control_key":
      return addControlKey(state, operation.key);
    case "revoke_control_key":
      return revokeControlKey(state, operation.key);
    case "add_relay_key":
      return addRelayKey(state, operation.key);
    case "revoke_relay_key":
      return revokeRelayKey(state, operation.key);
    case "pin_policy":
      return pinPolicy(state, operation.policy);
    case "add_voucher":
      return addVoucher(state, operation.voucher);
    case "revoke_voucher":
      return revokeVoucher(state, operation.key);
    case "redeem_voucher":
      return redeemVoucher(state, operation.voucher, operation.node, oracle);
    case "checkpoint":
      // It vouches for the whole of what is there, and changes nothing but the epoch.
      return ok(state);
    default:
      return unreachable(operation);
  }
}
