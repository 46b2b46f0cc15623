/** nodes lists, expels and renames members for the operator, and lets a node leave by itself. */
import * as v from "valibot";
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import type { Envelope } from "../crypto/envelope.ts";
import { openUpdate } from "../membership/membership.ts";
import { type Node, nodeNamed } from "../membership/state.ts";
import type { Operation } from "../membership/update.ts";
import type { NodeId } from "../model/ids.ts";
import { NodeName } from "../model/names.ts";
import type { LogEvent } from "../store/control-store-audit.ts";
import { listSeen, type Seen } from "../store/control-store-network.ts";
import type { Head } from "../wire/advertisement.ts";
import type { Input, NodeReport, Output } from "../wire/control-api.ts";
import { appendUpdate, commitOperation, decidesAlone, refusedUpdate } from "./changes.ts";
import { actorOf, type Control, type Member, type Operator } from "./control.ts";
import { decideOperations } from "./proposals.ts";

const prefixMinDigits = 8;

export async function listNodes(control: Control): Promise<Output<"nodeList">> {
  const rows = await control.store.transact(listSeen);
  const seen = new Map(rows.map((row) => [row.node, row]));
  const nodes = [...control.network.state.nodes.values()];
  return { nodes: nodes.map((node) => reportOf(control, node, seen.get(node.id))) };
}

function reportOf(control: Control, node: Node, seen: Seen | undefined): NodeReport {
  const { streams, network } = control;
  const advertisement = network.advertised(node.id)?.advertisement;
  const isOnline = streams.isConnected(node.id);
  const { since } = streams.presence.get(node.id) ?? { since: null };
  const lastSeenAt = isOnline ? control.clock.nowS() : (since ?? seen?.lastSeenAt ?? null);
  return {
    node,
    presence: isOnline ? "online" : lastSeenAt === null ? "never" : "offline",
    lastSeenAt,
    appliedGeneration: streams.appliedGeneration(node.id) ?? seen?.appliedGeneration ?? null,
    os: advertisement?.os ?? null,
    software: advertisement?.software ?? null,
  };
}

export async function revokeNode(
  control: Control,
  input: Input<"nodeRevoke">,
  caller: Operator,
): Promise<Output<"nodeRevoke">> {
  return changeNode(control, input.node, caller, (node) => ({
    operation: { kind: "revoke_node", node: node.id },
    event: "node_revoked",
    detail: { name: node.name },
  }));
}

/**
 * A node goes by its own word, which needs nobody else's. Where that was written for an earlier state,
 * or not at all, this host's key will do if it decides alone.
 */
export async function leave(
  control: Control,
  { update }: Input<"leave">,
  caller: Member,
): Promise<Output<"leave">> {
  const { id: node, name } = caller.node;
  const detail = JSON.stringify({ name });
  const reason = { actor: actorOf(caller), event: "node_left", detail } as const;
  await control.store.transact(async (transaction) => {
    const operation = { kind: "revoke_node", node } as const;
    if (update === undefined) return commitOperation(control, transaction, operation, reason);
    refuseOtherDeparture(caller.node, update);
    const isOutdated = control.network.head.root !== parentOf(update);
    return isOutdated && decidesAlone(control)
      ? commitOperation(control, transaction, operation, reason)
      : appendUpdate(control, transaction, update, reason);
  });
  return { epoch: control.network.state.epoch };
}

/** A member may send its own departure and no other change, whoever signed it. */
function refuseOtherDeparture({ id }: Node, envelope: Envelope): void {
  const opened = openUpdate(envelope);
  if (!opened.ok) throw refusedUpdate(opened.error);
  const { operation } = opened.value.update;
  if (operation.kind === "revoke_node" && operation.node === id) return;
  throw new Fault("request_malformed", "the update is not this node's own departure");
}

function parentOf(envelope: Envelope): string | null {
  const opened = openUpdate(envelope);
  return opened.ok ? opened.value.update.parent : null;
}

type Change = {
  readonly operation: Operation;
  readonly event: LogEvent;
  readonly detail: Record<string, string>;
};

/** At once where this host decides alone; otherwise as a proposal that has its signature. */
async function changeNode(
  control: Control,
  reference: string,
  caller: Operator,
  changeOf: (node: Node) => Change | null,
): Promise<Output<"nodeRevoke">> {
  const { id, pending } = await control.store.transact(async (transaction) => {
    const node = nodeReferredTo(control, reference);
    const change = changeOf(node);
    if (change === null) return { id: node.id, pending: null };
    const { operation, event } = change;
    if (!decidesAlone(control)) return { id: node.id, pending: operation };
    const detail = JSON.stringify(change.detail);
    await commitOperation(control, transaction, operation, {
      ...{ actor: actorOf(caller), event, detail },
    });
    return { id: node.id, pending: null };
  });
  const outcome = pending === null ? null : await proposeChange(control, pending, caller);
  return { ...nodeAndHead(control, id), outcome };
}

/** How long people have to sign what an operator asked for. */
const proposalLifetimeS = 7 * 86_400;

async function proposeChange(control: Control, operation: Operation, caller: Operator) {
  const input = { operations: [operation], lifetimeS: proposalLifetimeS };
  const { outcomes } = await decideOperations(control, input, caller);
  return outcomes[0] ?? null;
}

export async function renameNode(
  control: Control,
  input: Input<"nodeRename">,
  caller: Operator,
): Promise<Output<"nodeRename">> {
  const { name } = input;
  return changeNode(control, input.node, caller, (node) =>
    node.name === name
      ? null
      : {
          operation: { kind: "rename_node", node: node.id, name },
          event: "node_renamed",
          detail: { from: node.name, to: name },
        },
  );
}

function nodeAndHead({ network }: Control, id: NodeId): { node: Node; head: Head } {
  const node = network.state.nodes.get(id);
  assert(node !== undefined, "a node that was changed is there");
  return { node, head: network.head };
}

/** By name first: a name may look like the beginning of an id, and people mean the name. */
function nodeReferredTo({ network }: Control, reference: string): Node {
  const name = v.safeParse(NodeName, reference);
  const named = name.success ? nodeNamed(network.state, name.output) : undefined;
  if (named !== undefined) return named;
  const isPrefix = /^[0-9a-f]+$/.test(reference) && reference.length >= prefixMinDigits;
  const matches = isPrefix
    ? [...network.state.nodes.values()].filter(({ id }) => id.startsWith(reference))
    : [];
  const [only] = matches;
  if (only !== undefined && matches.length === 1) return only;
  const why = matches.length > 1 ? "is the beginning of several ids" : "is no node of this network";
  throw new Fault("not_found", `${reference} ${why}`, {
    remedy: `rustynet node list shows all; an id needs at least ${prefixMinDigits} digits`,
  });
}
