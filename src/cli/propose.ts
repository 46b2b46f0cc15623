/**
 * propose: one command for each kind of change that people can decide. It is printed in words, signed
 * here, and takes effect once enough others have signed it too.
 */
import { Fault } from "../base/fault.ts";
import { describeOperation } from "../membership/describe.ts";
import { activeApprovers, type Approver, type Node, type State } from "../membership/state.ts";
import type { Operation } from "../membership/update.ts";
import { PolicyHash } from "../model/ids.ts";
import { SigningKey } from "../model/keys.ts";
import { type ApproverCard, parseApproverCard } from "../wire/approver-card.ts";
import { type Arguments, type Command, defineCommand, type Given, type Group } from "./command.ts";
import { parseNodeName } from "./connect.ts";
import { openDesk } from "./desk.ts";
import { renderOutcomes, renderWords, wordsToSign } from "./membership-text.ts";
import { parseCount } from "./quantity.ts";
import {
  everyChange,
  parsed,
  parseLifetimeS,
  parseOwner,
  parseTags,
  tagOption,
  tipOf,
} from "./proposing.ts";
import { quoted } from "./text.ts";
import { addVoucher } from "./voucher.ts";

/**
 * A change that cuts something off follows the log itself, so that it waits for no one else's proposal:
 * those are void once it is decided. Every other change follows what this desk has signed already.
 */
function change<const A extends Arguments>(
  urgency: "at_once" | "in_turn",
  summary: string,
  args: A,
  make: (given: Given<A>, state: State) => Operation,
): Command {
  return defineCommand({
    summary,
    args: { ...args, ...everyChange },
    run: async (typed, context) => {
      // TypeScript does not see that what fits both together fits each of them.
      const given = typed as unknown as Given<A> & Given<typeof everyChange>;
      const lifetimeS = parseLifetimeS(given.lifetime);
      const desk = await openDesk(given, context);
      const { opened } = await desk.read();
      const upon = urgency === "at_once" ? opened.membership : tipOf(opened, desk);
      const operation = make(given, upon.state);
      const words = wordsToSign(describeOperation(upon.state, operation), operation);
      for (const line of renderWords(words)) context.say(line);
      if (given["dry-run"])
        return { document: { operation, words }, lines: ["# --dry-run: nothing was signed"] };
      const outcomes = await desk.propose([operation], upon, lifetimeS);
      const isPending = outcomes.some(({ state }) => state === "pending");
      return {
        document: { outcomes },
        lines: renderOutcomes(outcomes, context.clock.nowS()),
        notes: isPending ? ["# the others sign it with: rustynet membership sign --all"] : [],
      };
    },
  });
}

const nodeArgument = {
  node: { type: "positional", description: "Name, or at least 8 digits of its id" },
} as const satisfies Arguments;

const keyArgument = {
  key: { type: "positional", description: "The key, 64 hex digits" },
} as const satisfies Arguments;

const approverArgument = {
  approver: { type: "positional", description: "Name of the approver" },
} as const satisfies Arguments;

const cardArgument = {
  card: { type: "positional", description: "As rustynet approver export prints it" },
} as const satisfies Arguments;

const ofNode = (
  kind: "remove_node" | "revoke_node" | "restore_node" | "quarantine_node",
  urgency: "at_once" | "in_turn",
  summary: string,
): Command =>
  change(urgency, summary, nodeArgument, ({ node }, state) => ({
    kind,
    node: nodeCalled(state, node).id,
  }));

const ofKey = (
  kind: "add_control_key" | "revoke_control_key" | "add_relay_key" | "revoke_relay_key",
  urgency: "at_once" | "in_turn",
  summary: string,
): Command => change(urgency, summary, keyArgument, ({ key }) => ({ kind, key: parseKey(key) }));

export const propose: Group = {
  kind: "group",
  summary: "Propose a change and sign it, for others to sign too",
  entries: {
    "revoke-node": ofNode("revoke_node", "at_once", "Take a node out; everybody cuts it off"),
    "quarantine-node": ofNode("quarantine_node", "at_once", "Have a node reach nobody for now"),
    "restore-node": ofNode("restore_node", "in_turn", "Let a node back in, under the same key"),
    "remove-node": ofNode(
      "remove_node",
      "in_turn",
      "Drop a node's record: name and addresses are free",
    ),
    "rename-node": change(
      "in_turn",
      "Give a node another name",
      { ...nodeArgument, name: { type: "positional", description: "The new name" } },
      ({ node, name }, state) => ({
        kind: "rename_node",
        node: nodeCalled(state, node).id,
        name: parseNodeName(name),
      }),
    ),
    "retag-node": change(
      "in_turn",
      "Give a node other tags: all of them, or none",
      { ...nodeArgument, ...tagOption },
      ({ node, tag }, state) => ({
        kind: "retag_node",
        node: nodeCalled(state, node).id,
        tags: parseTags(tag),
      }),
    ),
    "reown-node": change(
      "in_turn",
      "Give a node to another owner",
      { ...nodeArgument, owner: { type: "positional", description: "Whose it will be" } },
      ({ node, owner }, state) => ({
        kind: "reown_node",
        node: nodeCalled(state, node).id,
        owner: parseOwner(owner),
      }),
    ),
    "rotate-node-key": change(
      "in_turn",
      "Give a node another identity key; the old one is never believed again",
      { ...nodeArgument, ...keyArgument },
      ({ node, key }, state) => ({
        kind: "rotate_node_key",
        node: nodeCalled(state, node).id,
        key: parseKey(key),
      }),
    ),
    "add-approver": change(
      "in_turn",
      "Give a person a say; they sign too, to prove that they hold the key",
      {
        ...cardArgument,
        role: {
          type: "enum",
          options: ["owner", "guardian"],
          description: "An owner must be among those who change who decides",
          default: "guardian",
        },
      },
      ({ card, role }) => ({
        kind: "add_approver",
        approver: { ...parseCard(card), role: role === "owner" ? "owner" : "guardian" },
      }),
    ),
    "rotate-approver": change(
      "at_once",
      "Give an approver another key; the old one is never believed again",
      { ...approverArgument, ...cardArgument },
      ({ approver, card }, state) => ({
        kind: "rotate_approver",
        approver: approverCalled(state, approver).key,
        key: parseCard(card).key,
      }),
    ),
    "revoke-approver": change(
      "at_once",
      "Take a person's say away, for good",
      approverArgument,
      ({ approver }, state) => ({
        kind: "revoke_approver",
        approver: approverCalled(state, approver).key,
      }),
    ),
    "set-threshold": change(
      "in_turn",
      "Say how many approvers it takes",
      { threshold: { type: "positional", description: "At most as many as there are" } },
      ({ threshold }) => ({
        kind: "set_threshold",
        threshold: parseCount("THRESHOLD", threshold, 1, 64),
      }),
    ),
    "add-control-key": ofKey("add_control_key", "in_turn", "Let another key sign maps"),
    "revoke-control-key": ofKey(
      "revoke_control_key",
      "at_once",
      "Believe no map of this key any more",
    ),
    "add-relay-key": ofKey("add_relay_key", "in_turn", "Name a relay's key"),
    "revoke-relay-key": ofKey("revoke_relay_key", "at_once", "Take a relay's key back"),
    "pin-policy": change(
      "in_turn",
      "Say which policy is in force",
      {
        policy: {
          type: "positional",
          description: "The hash of a document, or same-owner for the built-in rule",
        },
      },
      ({ policy }) => ({
        kind: "pin_policy",
        policy:
          policy === "same-owner"
            ? { kind: "same_owner" }
            : { kind: "document", hash: parseHash(policy) },
      }),
    ),
    "add-voucher": addVoucher,
    "revoke-voucher": change(
      "at_once",
      "Take a voucher back: nobody joins by it any more",
      { key: { type: "positional", description: "Its key, or at least 8 digits of it" } },
      ({ key }, state) => ({ kind: "revoke_voucher", key: voucherCalled(state, key) }),
    ),
  },
};

function nodeCalled(state: State, reference: string): Node {
  const named = [...state.nodes.values()].filter(({ name }) => name === reference);
  // A name that a revoked node gave up may be another's by now: that one is meant.
  const live = named.filter(({ status }) => status !== "revoked");
  const isId = /^[0-9a-f]{8,64}$/.test(reference);
  const byId = isId ? [...state.nodes.values()].filter(({ id }) => id.startsWith(reference)) : [];
  // A machine may be called what another's id begins with: nobody is to guess which one was meant.
  const found = [...new Set([...(live.length > 0 ? live : named), ...byId])];
  return onlyOne(found, `${quoted(reference)}`, "node", "rustynet membership status --json");
}

function approverCalled(state: State, reference: string): Approver {
  const found = activeApprovers(state).filter(
    ({ name, key }) => name === reference || key === reference,
  );
  return onlyOne(found, quoted(reference), "approver in force", "rustynet membership status");
}

function voucherCalled(state: State, reference: string): SigningKey {
  const isKey = /^[0-9a-f]{8,64}$/.test(reference);
  const found = [...state.vouchers.values()].filter(
    ({ key }) => isKey && key.startsWith(reference),
  );
  return onlyOne(found, quoted(reference), "voucher", "rustynet membership status --json").key;
}

function onlyOne<T>(found: readonly T[], reference: string, what: string, command: string): T {
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const why = found.length === 0 ? `is no ${what}` : "could be several";
  throw new Fault("not_found", `${reference} ${why}`, { remedy: `${command} shows them` });
}

const parseKey = (text: string): SigningKey => parsed(SigningKey, text, "no key, of 64 hex digits");
const parseHash = (text: string): PolicyHash => parsed(PolicyHash, text, "no hash of a document");

export function parseCard(text: string): ApproverCard {
  const card = parseApproverCard(text);
  if (card !== null) return card;
  throw new Fault("request_malformed", "this is not an approver's card, or not the whole of one", {
    remedy: "rustynet approver export prints it, on that person's machine",
  });
}
