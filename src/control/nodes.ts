/** nodes lists, expels and renames members for the operator, and lets a node leave by itself. */
import * as v from "valibot";
import { assert } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import { type Node, nodeNamed } from "../membership/state.ts";
import type { NodeId } from "../model/ids.ts";
import { NodeName } from "../model/names.ts";
import { listSeen, type Seen } from "../store/control-store-network.ts";
import type { Transaction } from "../store/control-store.ts";
import type { Head } from "../wire/advertisement.ts";
import type { Input, NodeReport, Output } from "../wire/control-api.ts";
import { commitOperation } from "./approver.ts";
import { actorOf, type Caller, type Control, type Member, type Operator } from "./control.ts";

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
  const id = await control.store.transact(async (transaction) => {
    const node = nodeReferredTo(control, input.node);
    await expel(control, transaction, node.id, caller, "node_revoked");
    return node.id;
  });
  return nodeAndHead(control, id);
}

export async function leave(
  control: Control,
  _input: Input<"leave">,
  caller: Member,
): Promise<Output<"leave">> {
  await control.store.transact((transaction) =>
    expel(control, transaction, caller.node.id, caller, "node_left"),
  );
  return { epoch: control.network.state.epoch };
}

async function expel(
  control: Control,
  transaction: Transaction,
  node: NodeId,
  caller: Caller,
  event: "node_left" | "node_revoked",
): Promise<void> {
  const name = control.network.state.nodes.get(node)?.name ?? "";
  const reason = { actor: actorOf(caller), event, detail: JSON.stringify({ name }) };
  await commitOperation(control, transaction, { kind: "revoke_node", node }, reason);
}

export async function renameNode(
  control: Control,
  input: Input<"nodeRename">,
  caller: Operator,
): Promise<Output<"nodeRename">> {
  const { name } = input;
  const id = await control.store.transact(async (transaction) => {
    const node = nodeReferredTo(control, input.node);
    if (node.name === name) return node.id;
    const detail = JSON.stringify({ from: node.name, to: name });
    const reason = { actor: actorOf(caller), event: "node_renamed", detail } as const;
    const operation = { kind: "rename_node", node: node.id, name } as const;
    await commitOperation(control, transaction, operation, reason);
    return node.id;
  });
  return nodeAndHead(control, id);
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
