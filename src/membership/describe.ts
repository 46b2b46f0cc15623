/**
 * describe says in words what an operation changes, as a person reads it before signing: never less
 * than everything, and always by what the state says now, not by what the proposer calls it.
 */
import { unreachable } from "../base/assert.ts";
import type { NodeId } from "../model/ids.ts";
import type { SigningKey } from "../model/keys.ts";
import { changesAuthority } from "./quorum.ts";
import { activeApprovers, type Node, type PolicyPin, type State, type Voucher } from "./state.ts";
import type { Operation } from "./update.ts";

/**
 * One line for each thing that changes, without line breaks. Total: an operation that does not apply
 * is described as far as the state knows what it names, and says so.
 */
export function describeOperation(state: State, operation: Operation): readonly string[] {
  const lines = linesOf(state, operation);
  if (!changesAuthority(operation)) return lines;
  return [...lines, "decides who decides: the old quorum, the new quorum and an owner must sign"];
}

function linesOf(state: State, operation: Operation): readonly string[] {
  switch (operation.kind) {
    case "add_node":
      return describeNewcomer(operation.node);
    case "remove_node":
    case "revoke_node":
    case "restore_node":
    case "quarantine_node":
    case "rename_node":
    case "retag_node":
    case "reown_node":
    case "rotate_node_key":
      return describeChange(state, operation);
    case "add_approver":
    case "rotate_approver":
    case "revoke_approver":
    case "set_threshold":
      return describeApprovers(state, operation);
    case "add_control_key":
      return [`control key added: ${operation.key}`, "it may sign maps for every node"];
    case "revoke_control_key":
      return [`control key revoked for good: ${operation.key}`, "no map that it signs is believed"];
    case "add_relay_key":
      return [`relay key added: ${operation.key}`];
    case "revoke_relay_key":
      return [`relay key revoked for good: ${operation.key}`];
    case "add_voucher":
      return describeVoucher(operation.voucher);
    case "revoke_voucher":
      return [`voucher taken back: ${operation.key}`, "nobody joins by it any more"];
    case "redeem_voucher":
      return [...describeNewcomer(operation.node), `by the voucher ${operation.voucher}`];
    case "checkpoint":
      return describeCheckpoint(state);
    case "pin_policy":
      return [`policy: ${policyText(state.policy)} -> ${policyText(operation.policy)}`];
    default:
      return unreachable(operation);
  }
}

function describeNewcomer({ id, key, name, owner, tags, ipv4, ipv6 }: Node): readonly string[] {
  return [
    `node added: ${name} (${shortId(id)})`,
    `owner: ${owner}`,
    `tags: ${listText(tags)}`,
    `addresses: ${ipv4}, ${ipv6}`,
    `identity key: ${key}`,
  ];
}

function describeVoucher({ key, owner, tags, uses, expiresAt }: Voucher): readonly string[] {
  return [
    `voucher added: ${counted(uses, "machine")} may join without anybody signing again`,
    `owner: ${owner}`,
    `tags: ${listText(tags)}`,
    `until: ${new Date(expiresAt * 1_000).toISOString()}`,
    `voucher key: ${key}`,
  ];
}

const describeCheckpoint = (state: State): readonly string[] => [
  `checkpoint: the whole state at epoch ${state.epoch}, with ${counted(state.nodes.size, "node")}`,
  "who joins from then on believes it without the log before it",
];

type Change = Exclude<Extract<Operation, { node: NodeId }>, { kind: "add_node" }>;

function describeChange(state: State, operation: Change): readonly string[] {
  const node = state.nodes.get(operation.node);
  const subject =
    node === undefined
      ? `${operation.node}, which is no node of this network`
      : `${node.name} (${shortId(node.id)}, owner ${node.owner}, ${node.status})`;
  switch (operation.kind) {
    case "remove_node":
      return [
        `node removed: ${subject}`,
        "its record goes; name, addresses and key are free again",
      ];
    case "revoke_node":
      return [`node revoked: ${subject}`, "nobody talks to it any more; its name is free again"];
    case "restore_node":
      return [`node restored: ${subject}`, "it is an active member again, under the same key"];
    case "quarantine_node":
      return [`node quarantined: ${subject}`, "it reaches nobody until it is restored"];
    case "rename_node":
      return [`node renamed: ${subject}`, `name: ${node?.name ?? "unknown"} -> ${operation.name}`];
    case "retag_node":
      return [`node retagged: ${subject}`, ...tagLines(node?.tags ?? [], operation.tags)];
    case "reown_node":
      return [
        `node given to another owner: ${subject}`,
        `owner: ${node?.owner ?? "unknown"} -> ${operation.owner}`,
      ];
    case "rotate_node_key":
      return [
        `node given another identity key: ${subject}`,
        `key: ${node?.key ?? "unknown"} -> ${operation.key}`,
        "the old key is never believed again",
      ];
    default:
      return unreachable(operation);
  }
}

type ApproverChange = Extract<
  Operation,
  { kind: "add_approver" | "rotate_approver" | "revoke_approver" | "set_threshold" }
>;

function describeApprovers(state: State, operation: ApproverChange): readonly string[] {
  const count = activeApprovers(state).length;
  switch (operation.kind) {
    case "add_approver": {
      const { name, role, key } = operation.approver;
      return [
        `approver added: ${name}, ${role}`,
        `approver key: ${key}`,
        quorumLine(state, state.threshold, count + 1),
      ];
    }
    case "rotate_approver":
      return [
        `approver given another key: ${approverText(state, operation.approver)}`,
        `key: ${operation.approver} -> ${operation.key}`,
        "the old key is never believed again",
      ];
    case "revoke_approver":
      return [
        `approver revoked for good: ${approverText(state, operation.approver)}`,
        `approver key: ${operation.approver}`,
        quorumLine(state, state.threshold, count - (isActive(state, operation.approver) ? 1 : 0)),
      ];
    case "set_threshold":
      return [quorumLine(state, operation.threshold, count)];
    default:
      return unreachable(operation);
  }
}

const quorumLine = (state: State, threshold: number, count: number): string =>
  `quorum: ${state.threshold} of ${activeApprovers(state).length} -> ${threshold} of ${count}`;

const isActive = (state: State, key: SigningKey): boolean =>
  activeApprovers(state).some((approver) => approver.key === key);

function approverText(state: State, key: SigningKey): string {
  const known = state.approvers.find((approver) => approver.key === key);
  return known === undefined
    ? "a key that is no approver's"
    : `${known.name}, ${known.role}, ${known.status}`;
}

function tagLines(before: Node["tags"], after: Node["tags"]): readonly string[] {
  const lost = before.filter((tag) => !after.includes(tag));
  const won = after.filter((tag) => !before.includes(tag));
  return [
    `tags: ${listText(before)} -> ${listText(after)}`,
    ...won.map((tag) => `tag added: ${tag}`),
    ...lost.map((tag) => `tag dropped: ${tag}`),
  ];
}

const policyText = (policy: PolicyPin): string =>
  policy.kind === "document"
    ? `the document with hash ${policy.hash}`
    : "nodes of one owner reach each other";

const counted = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? "" : "s"}`;

const listText = (items: readonly string[]): string =>
  items.length === 0 ? "none" : items.join(", ");

/** As much of an id as people compare; the whole of it is behind the name. */
const shortId = (id: NodeId): string => id.slice(0, 16);
