/** vectors-leaving: nodes that take themselves out, checkpoints, and what neither of them may do. */
import type { CanonicalValue } from "../src/crypto/canonical.ts";
import type { Operation } from "../src/membership/update.ts";
import { NodeName } from "../src/model/names.ts";
import { idOf, type Ledger, type Terms, updateId } from "../test/support/world.ts";
import { council, keyOf } from "./vectors-governance.ts";
import * as v from "valibot";

type Refuse<V> = (expect: string, ledger: Ledger, refused: unknown) => V;

const quorum: Terms = { by: ["anna", "boris"] };
const itself: Terms = { by: ["web"] };
const web = { node: idOf("web") } as const;
const leave = { kind: "revoke_node", ...web } as const;
const checkpoint = { kind: "checkpoint" } as const;

const grown = (): Ledger => council().admit("web", {}, quorum).admit("db", {}, quorum);
const rotated = (): Ledger =>
  grown().decide({ kind: "rotate_node_key", ...web, key: keyOf("web-2") }, quorum);

export const left = <V>(accept: (ledger: Ledger) => V): Record<string, V> => ({
  "a-node-takes-itself-out": accept(grown().decide(leave, itself)),
  "a-node-takes-itself-out-under-the-key-that-it-rotated-to": accept(
    rotated().decide(leave, { by: ["web-2"] }),
  ),
  "a-node-takes-itself-out-of-quarantine": accept(
    grown()
      .decide({ kind: "quarantine_node", ...web }, quorum)
      .decide(leave, itself),
  ),
  "a-node-that-took-itself-out-is-let-back-in-by-a-quorum": accept(
    grown()
      .decide(leave, itself)
      .decide({ kind: "restore_node", ...web }, quorum)
      .decide(leave, itself),
  ),
  "a-checkpoint-by-two-guardians": accept(grown().decide(checkpoint, { by: ["boris", "chandra"] })),
  "a-checkpoint-comes-first": accept(council().decide(checkpoint, quorum).admit("web", {}, quorum)),
  "two-checkpoints-in-a-row": accept(
    grown().decide(checkpoint, quorum).decide(checkpoint, quorum).revoke("db", quorum),
  ),
  "an-id-comes-again-after-a-checkpoint": accept(
    grown()
      .decide(checkpoint, quorum)
      .decide(leave, { ...quorum, id: updateId("1") }),
  ),
  "the-id-of-a-checkpoint-comes-again-after-another": accept(
    grown()
      .decide(checkpoint, quorum)
      .decide(checkpoint, quorum)
      .decide(leave, { ...quorum, id: updateId("3") }),
  ),
});

export function misleft<V>(refuse: Refuse<V>): Record<string, V> {
  const signed = (
    expect: string,
    operation: Operation,
    terms: Terms = quorum,
    ledger = grown(),
  ): V => refuse(expect, ledger, ledger.draft(operation, terms));
  const by = (...labels: readonly string[]): Terms => ({ by: labels });
  const alone = (operation: Operation): V => signed("not_an_approver", operation, itself);
  return {
    "leave-by-another-nodes-key": signed("not_an_approver", leave, by("db")),
    "leave-by-the-key-that-it-gave-up": signed("not_an_approver", leave, by("web"), rotated()),
    "leave-by-the-key-that-it-is-to-get": signed("not_an_approver", leave, by("web-2")),
    "leave-with-an-approver-beside": signed("not_an_approver", leave, by("web", "anna")),
    "leave-with-a-quorum-beside": signed("not_an_approver", leave, by("web", "anna", "boris")),
    "leave-with-another-node-beside": signed("not_an_approver", leave, by("web", "db")),
    "leave-by-one-of-two-approvers": signed("too_few_signatures", leave, by("anna")),
    "leave-twice": signed("already_revoked", leave, itself, grown().decide(leave, itself)),
    "leave-before-it-is-there": signed(
      "not_an_approver",
      { kind: "revoke_node", node: idOf("mail") },
      by("mail"),
    ),
    "leave-after-it-was-removed": signed(
      "not_an_approver",
      leave,
      itself,
      grown().decide({ kind: "remove_node", ...web }, quorum),
    ),
    "take-out-another-node": alone({ kind: "revoke_node", node: idOf("db") }),
    "let-itself-back-in": signed(
      "not_an_approver",
      { kind: "restore_node", ...web },
      itself,
      grown().decide(leave, itself),
    ),
    "remove-itself": alone({ kind: "remove_node", ...web }),
    "quarantine-itself": alone({ kind: "quarantine_node", ...web }),
    "rename-itself": alone({ kind: "rename_node", ...web, name: v.parse(NodeName, "www") }),
    "rotate-its-own-key": alone({ kind: "rotate_node_key", ...web, key: keyOf("web-2") }),
    ...mischecked(refuse, signed),
  };
}

type Signed<V> = (expect: string, operation: Operation, terms?: Terms, ledger?: Ledger) => V;

function mischecked<V>(refuse: Refuse<V>, signed: Signed<V>): Record<string, V> {
  const lying = (expect: string, change: (update: object) => object): V => {
    const lie = (update: object) => change(update) as CanonicalValue;
    return refuse(expect, grown(), grown().draft(checkpoint, { ...quorum, lie }));
  };
  const [, , third] = grown().history;
  return {
    "checkpoint-by-one-of-two": signed("too_few_signatures", checkpoint, { by: ["anna"] }),
    "checkpoint-by-a-node": signed("not_an_approver", checkpoint, itself),
    "checkpoint-by-the-control-key": signed("not_an_approver", checkpoint, { by: ["control"] }),
    "checkpoint-signed-by-a-stranger-too": signed("not_an_approver", checkpoint, {
      by: ["anna", "boris", "mallory"],
    }),
    "checkpoint-of-another-state": lying("root_mismatch", (update) => ({
      ...update,
      root: third?.root,
    })),
    "checkpoint-of-an-older-state": lying("parent_mismatch", (update) => ({
      ...update,
      parent: grown().history[1]?.root,
    })),
    "checkpoint-with-a-field": lying("payload_unknown", (update) => ({
      ...update,
      operation: { ...checkpoint, note: "x" },
    })),
    "checkpoint-under-an-id-in-use": signed("update_repeated", checkpoint, {
      ...quorum,
      id: updateId("1"),
    }),
    "id-of-the-checkpoint-before": signed(
      "update_repeated",
      leave,
      { ...quorum, id: updateId("3") },
      grown().decide(checkpoint, quorum),
    ),
    "id-that-came-after-the-checkpoint": signed(
      "update_repeated",
      leave,
      { ...quorum, id: updateId("4") },
      grown().decide(checkpoint, quorum).admit("mail", {}, quorum),
    ),
  };
}
