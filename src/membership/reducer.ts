/** reducer says what each operation does to the state, or why it does not apply to this one. */
import { unreachable } from "../base/assert.ts";
import { err, ok, type Result } from "../base/result.ts";
import type { NodeId } from "../model/ids.ts";
import { containsIp, type IpAddress } from "../model/ip.ts";
import type { NodeName } from "../model/names.ts";
import { type Node, nodeAt, nodeNamed, nodesMax, type State, withNode } from "./state.ts";
import type { Operation } from "./update.ts";

export type OperationRejection =
  | { readonly code: "already_a_member"; readonly node: NodeId }
  | { readonly code: "not_a_member"; readonly node: NodeId }
  | { readonly code: "already_revoked"; readonly node: NodeId }
  | { readonly code: "not_admitted_active"; readonly node: NodeId }
  | { readonly code: "identity_mismatch"; readonly node: NodeId }
  | { readonly code: "key_in_use"; readonly node: NodeId }
  | { readonly code: "name_in_use"; readonly name: NodeName }
  | { readonly code: "address_in_use"; readonly address: IpAddress }
  | { readonly code: "address_out_of_range"; readonly address: IpAddress }
  | { readonly code: "too_many_nodes"; readonly limit: number };

export type Oracle = {
  /** The id that belongs to an identity key. */
  readonly nodeIdOf: (key: Node["key"]) => NodeId;
};

/** The state after the operation, still at its old epoch. */
export function reduce(
  state: State,
  operation: Operation,
  oracle: Oracle,
): Result<State, OperationRejection> {
  switch (operation.kind) {
    case "add_node":
      return addNode(state, operation.node, oracle);
    case "revoke_node":
      return revokeNode(state, operation.node);
    case "rename_node":
      return renameNode(state, operation.node, operation.name);
    default:
      return unreachable(operation);
  }
}

function addNode(state: State, node: Node, oracle: Oracle): Result<State, OperationRejection> {
  if (state.nodes.size >= nodesMax) return err({ code: "too_many_nodes", limit: nodesMax });
  if (state.nodes.has(node.id)) return err({ code: "already_a_member", node: node.id });
  // The id is derived, so an identity cannot show up under another's id, nor under two.
  if (oracle.nodeIdOf(node.key) !== node.id)
    return err({ code: "identity_mismatch", node: node.id });
  if (node.status !== "active") return err({ code: "not_admitted_active", node: node.id });
  if (nodeNamed(state, node.name) !== undefined)
    return err({ code: "name_in_use", name: node.name });
  for (const [address, range] of [
    [node.ipv4, state.ranges.ipv4],
    [node.ipv6, state.ranges.ipv6],
  ] as const) {
    if (!containsIp(range, address)) return err({ code: "address_out_of_range", address });
    if (nodeAt(state, address) !== undefined) return err({ code: "address_in_use", address });
  }
  // A key that signs for people or for the control server must not also be a machine's.
  const isTaken =
    state.approvers.some((approver) => approver.key === node.key) ||
    state.control.includes(node.key) ||
    state.relays.includes(node.key);
  if (isTaken) return err({ code: "key_in_use", node: node.id });
  return ok(withNode(state, node));
}

function revokeNode(state: State, id: NodeId): Result<State, OperationRejection> {
  const node = state.nodes.get(id);
  if (node === undefined) return err({ code: "not_a_member", node: id });
  if (node.status === "revoked") return err({ code: "already_revoked", node: id });
  return ok(withNode(state, { ...node, status: "revoked" }));
}

function renameNode(state: State, id: NodeId, name: NodeName): Result<State, OperationRejection> {
  const node = state.nodes.get(id);
  if (node === undefined) return err({ code: "not_a_member", node: id });
  if (node.status === "revoked") return err({ code: "already_revoked", node: id });
  if (nodeNamed(state, name) !== undefined) return err({ code: "name_in_use", name });
  return ok(withNode(state, { ...node, name }));
}
