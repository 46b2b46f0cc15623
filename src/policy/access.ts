/**
 * access decides whether one node may open flows to another. The membership comes first: whoever is
 * unknown, quarantined or revoked is denied, whatever a rule says. Then the policy in force; what no
 * rule allows is denied.
 */
import { unreachable } from "../base/assert.ts";
import type { Node, PolicyPin, State } from "../membership/state.ts";
import type { NodeId } from "../model/ids.ts";

export type AccessRequest = { readonly source: NodeId; readonly destination: NodeId };

export type Decision = {
  readonly verdict: "allow" | "deny";
  readonly because:
    | "same_owner"
    | "no_rule"
    | "same_node"
    | "source_not_active"
    | "destination_not_active"
    | "policy_document_missing";
};

const deny = (because: Decision["because"]): Decision => ({ verdict: "deny", because });

export function decide(state: State, request: AccessRequest): Decision {
  const source = state.nodes.get(request.source);
  const destination = state.nodes.get(request.destination);
  if (source?.status !== "active") return deny("source_not_active");
  if (destination?.status !== "active") return deny("destination_not_active");
  // A node reaches itself without the tunnel: a packet "from itself" in the tunnel is a forgery.
  if (source.id === destination.id) return deny("same_node");
  return decideByPolicy(state.policy, source, destination);
}

export function allows(state: State, source: NodeId, destination: NodeId): boolean {
  return decide(state, { source, destination }).verdict === "allow";
}

function decideByPolicy(policy: PolicyPin, source: Node, destination: Node): Decision {
  switch (policy.kind) {
    case "same_owner":
      return source.owner === destination.owner
        ? { verdict: "allow", because: "same_owner" }
        : deny("no_rule");
    case "document":
      return deny("policy_document_missing");
    default:
      return unreachable(policy);
  }
}
