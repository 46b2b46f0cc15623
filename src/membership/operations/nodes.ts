/** nodes: what may become of a node's record, and when it may not. */
import { err, ok, type Result } from "../../base/result.ts";
import type { NodeId } from "../../model/ids.ts";
import { containsIp } from "../../model/ip.ts";
import type { SigningKey } from "../../model/keys.ts";
import type { NodeName, Owner } from "../../model/names.ts";
import { refuseKey, retireKey } from "../keys.ts";
import type { OperationRejection } from "../rejection.ts";
import {
  type Node,
  nodeAt,
  nodeNamed,
  nodesMax,
  type State,
  withNode,
  withoutNode,
} from "../state.ts";

export type Oracle = {
  /** The id that belongs to an identity key. */
  readonly nodeIdOf: (key: Node["key"]) => NodeId;
};

type Reduced = Result<State, OperationRejection>;

export function addNode(state: State, node: Node, oracle: Oracle): Reduced {
  if (state.nodes.size >= nodesMax) return err({ code: "too_many_nodes", limit: nodesMax });
  if (state.nodes.has(node.id)) return err({ code: "already_a_member", node: node.id });
  // The id is derived, so an identity cannot show up under another's id, nor under two.
  if (oracle.nodeIdOf(node.key) !== node.id)
    return err({ code: "identity_mismatch", node: node.id });
  if (node.status !== "active") return err({ code: "not_admitted_active", node: node.id });
  const refusal = refuseName(state, node.name) ?? refuseAddresses(state, node);
  if (refusal !== null) return err(refusal);
  // A key that signs for people or for the control server must not also be a machine's.
  const refusedKey = refuseKey(state, node.key);
  return refusedKey === null ? ok(withNode(state, node)) : err(refusedKey);
}

/** The record goes. Who comes back under its key is admitted anew, like anybody else. */
export function removeNode(state: State, id: NodeId): Reduced {
  const node = state.nodes.get(id);
  return node === undefined
    ? err({ code: "not_a_member", node: id })
    : ok(withoutNode(state, node));
}

export const revokeNode = (state: State, id: NodeId): Reduced =>
  change(state, id, (node) => ok(withNode(state, { ...node, status: "revoked" })));

/** Also of a revoked node: it has kept its addresses, and its name may be another's meanwhile. */
export function restoreNode(state: State, id: NodeId): Reduced {
  const node = state.nodes.get(id);
  if (node === undefined) return err({ code: "not_a_member", node: id });
  if (node.status === "active") return err({ code: "already_active", node: id });
  const refusal = node.status === "revoked" ? refuseName(state, node.name) : null;
  return refusal === null ? ok(withNode(state, { ...node, status: "active" })) : err(refusal);
}

/** A quarantined node reaches nobody and keeps everything. A revoked one is not let halfway back in. */
export const quarantineNode = (state: State, id: NodeId): Reduced =>
  change(state, id, (node) =>
    node.status === "quarantined"
      ? err({ code: "already_quarantined", node: id })
      : ok(withNode(state, { ...node, status: "quarantined" })),
  );

export const renameNode = (state: State, id: NodeId, name: NodeName): Reduced =>
  change(state, id, (node) => {
    const refusal = refuseName(state, name);
    return refusal === null ? ok(withNode(state, { ...node, name })) : err(refusal);
  });

export const retagNode = (state: State, id: NodeId, tags: Node["tags"]): Reduced =>
  change(state, id, (node) => {
    const isSame = tags.length === node.tags.length && tags.every((tag, i) => tag === node.tags[i]);
    return isSame ? err({ code: "nothing_changes" }) : ok(withNode(state, { ...node, tags }));
  });

export const reownNode = (state: State, id: NodeId, owner: Owner): Reduced =>
  change(state, id, (node) =>
    owner === node.owner
      ? err({ code: "nothing_changes" })
      : ok(withNode(state, { ...node, owner })),
  );

/** The id stays, although it followed from the first key: what names the node goes on naming it. */
export const rotateNodeKey = (state: State, id: NodeId, key: SigningKey): Reduced =>
  change(state, id, (node) => {
    const refusal = refuseKey(state, key);
    return refusal === null
      ? ok(retireKey(withNode(state, { ...node, key }), node.key))
      : err(refusal);
  });

/** What applies to every node but a revoked one, whose record stays as it is until it is restored. */
function change(state: State, id: NodeId, reduceNode: (node: Node) => Reduced): Reduced {
  const node = state.nodes.get(id);
  if (node === undefined) return err({ code: "not_a_member", node: id });
  return node.status === "revoked" ? err({ code: "already_revoked", node: id }) : reduceNode(node);
}

const refuseName = (state: State, name: NodeName): OperationRejection | null =>
  nodeNamed(state, name) === undefined ? null : { code: "name_in_use", name };

function refuseAddresses(state: State, { ipv4, ipv6 }: Node): OperationRejection | null {
  for (const [address, range] of [
    [ipv4, state.ranges.ipv4],
    [ipv6, state.ranges.ipv6],
  ] as const) {
    if (!containsIp(range, address)) return { code: "address_out_of_range", address };
    if (nodeAt(state, address) !== undefined) return { code: "address_in_use", address };
  }
  return null;
}
