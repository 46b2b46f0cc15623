/** vectors-misgovernance: changes of keys, approvers and nodes that must be refused, and why each is. */
import type { CanonicalValue } from "../src/crypto/canonical.ts";
import type { Genesis } from "../src/membership/state.ts";
import type { Operation } from "../src/membership/update.ts";
import { NodeName } from "../src/model/names.ts";
import { approverOf, genesisOf, idOf, Ledger, recordOf } from "../test/support/world.ts";
import { candidateOf, council, document, keyOf } from "./vectors-governance.ts";
import * as v from "valibot";

type Refuse<V> = (expect: string, ledger: Ledger, refused: unknown) => V;

const grown = (): Ledger => new Ledger().admit("web").admit("db").admit("old").revoke("old");
const everybody = ["anna", "boris", "chandra"];
const revoked = { status: "revoked" } as const;

/** A network of as many control keys, or approvers, as there may be. */
const crowded = (changes: Partial<Genesis>): Ledger => new Ledger(genesisOf(changes));
const labels = (count: number, stem: string) => Array.from({ length: count }, (_, i) => stem + i);

const spent = (): Ledger =>
  grown()
    .decide({ kind: "rotate_node_key", node: idOf("web"), key: keyOf("web-2") })
    .decide({ kind: "add_control_key", key: keyOf("control-2") })
    .decide({ kind: "revoke_control_key", key: keyOf("control-2") });

export function misgoverned<V>(refuse: Refuse<V>): Record<string, V> {
  const solo = (expect: string, operation: Operation, ledger = grown()): V =>
    refuse(expect, ledger, ledger.draft(operation));
  const signed = (
    expect: string,
    operation: Operation,
    by: readonly string[],
    ledger = council(),
  ): V => refuse(expect, ledger, ledger.draft(operation, { by }));
  /** An operation that our types would not let anybody word. */
  const worded = (operation: CanonicalValue): V => {
    const ledger = grown();
    const honest = { kind: "revoke_node", node: idOf("web") } as const;
    const lie = (update: object) => ({ ...update, operation }) as CanonicalValue;
    return refuse("payload_unknown", ledger, ledger.draft(honest, { lie }));
  };
  return {
    ...misgovernedNodes(solo),
    ...misusedKeys(solo, signed),
    ...misgovernedApprovers(solo, signed),
    ...misgovernedAuthorities(solo),
    ...misquorate(signed),
    ...misworded(worded),
  };
}

type Solo<V> = (expect: string, operation: Operation, ledger?: Ledger) => V;
type Signed<V> = (
  expect: string,
  operation: Operation,
  by: readonly string[],
  ledger?: Ledger,
) => V;

function misgovernedNodes<V>(solo: Solo<V>): Record<string, V> {
  const [web, old, mallory] = [idOf("web"), idOf("old"), idOf("mallory")];
  const renamed = () => grown().admit("old-2", { name: "old" });
  const { tags, owner } = recordOf({ state: grown().membership.state }, "x");
  return {
    "remove-a-stranger": solo("not_a_member", { kind: "remove_node", node: mallory }),
    "remove-twice": solo(
      "not_a_member",
      { kind: "remove_node", node: web },
      grown().decide({ kind: "remove_node", node: web }),
    ),
    "restore-a-stranger": solo("not_a_member", { kind: "restore_node", node: mallory }),
    "restore-an-active-node": solo("already_active", { kind: "restore_node", node: web }),
    "restore-a-node-whose-name-is-another-nodes-now": solo(
      "name_in_use",
      { kind: "restore_node", node: old },
      renamed(),
    ),
    "quarantine-a-stranger": solo("not_a_member", { kind: "quarantine_node", node: mallory }),
    "quarantine-a-revoked-node": solo("already_revoked", { kind: "quarantine_node", node: old }),
    "quarantine-twice": solo(
      "already_quarantined",
      { kind: "quarantine_node", node: web },
      grown().decide({ kind: "quarantine_node", node: web }),
    ),
    "retag-a-revoked-node": solo("already_revoked", { kind: "retag_node", node: old, tags }),
    "retag-to-the-same-tags": solo("nothing_changes", { kind: "retag_node", node: web, tags }),
    "reown-a-revoked-node": solo("already_revoked", { kind: "reown_node", node: old, owner }),
    "reown-to-the-same-owner": solo("nothing_changes", { kind: "reown_node", node: web, owner }),
    "rename-a-quarantined-node-to-a-name-in-use": solo(
      "name_in_use",
      { kind: "rename_node", node: web, name: v.parse(NodeName, "db") },
      grown().decide({ kind: "quarantine_node", node: web }),
    ),
  };
}

function misusedKeys<V>(solo: Solo<V>, signed: Signed<V>): Record<string, V> {
  const rotation = (key: string, node = "web") =>
    ({ kind: "rotate_node_key", node: idOf(node), key: keyOf(key) }) as const;
  const node = (ledger: Ledger, label: string) =>
    ({ kind: "add_node", node: recordOf(ledger.membership, "mail", whose(label)) }) as const;
  const whose = (label: string) => ({ id: idOf(label), key: keyOf(label) });
  const candidate = (label: string) =>
    ({
      kind: "add_approver",
      approver: candidateOf("dana", { key: keyOf(label) }),
    }) as const;
  return {
    "rotate-the-key-of-a-stranger": solo("not_a_member", rotation("new", "mallory")),
    "rotate-the-key-of-a-revoked-node": solo("already_revoked", rotation("new", "old")),
    "rotate-to-the-same-key": solo("key_in_use", rotation("web")),
    "rotate-to-another-nodes-key": solo("key_in_use", rotation("db")),
    "rotate-to-a-revoked-nodes-key": solo("key_in_use", rotation("old")),
    "rotate-to-an-approvers-key": solo("key_in_use", rotation("approver")),
    "rotate-to-a-control-key": solo("key_in_use", rotation("control")),
    "rotate-back-to-the-first-key": solo("key_retired", rotation("web"), spent()),
    "rotate-to-a-key-that-another-node-gave-up": solo(
      "key_retired",
      rotation("web", "db"),
      spent(),
    ),
    "add-a-node-with-a-key-that-a-node-rotated-to": solo(
      "key_in_use",
      node(spent(), "web-2"),
      spent(),
    ),
    "add-a-node-with-a-key-that-a-removed-node-gave-up": solo(
      "key_retired",
      node(spent(), "web"),
      spent().decide({ kind: "remove_node", node: idOf("web") }),
    ),
    "add-a-node-with-a-revoked-control-key": solo(
      "key_retired",
      node(spent(), "control-2"),
      spent(),
    ),
    "add-a-node-with-a-revoked-approvers-key": signed(
      "key_retired",
      node(withoutChandra(), "chandra"),
      ["anna", "boris"],
      withoutChandra(),
    ),
    "add-an-approver-with-a-nodes-key": solo2("key_in_use", candidate("web"), "web", grown()),
    "add-an-approver-with-the-control-key": solo2("key_in_use", candidate("control"), "control"),
    "add-an-approver-with-an-approvers-key": signed("key_in_use", candidate("boris"), everybody),
    "add-an-approver-with-a-revoked-key": signed(
      "key_retired",
      candidate("chandra"),
      everybody,
      withoutChandra(),
    ),
    "rotate-an-approver-to-a-revoked-key": signed(
      "key_retired",
      { kind: "rotate_approver", approver: keyOf("boris"), key: keyOf("chandra") },
      everybody,
      withoutChandra(),
    ),
    "rotate-an-approver-to-the-same-key": signed(
      "key_in_use",
      { kind: "rotate_approver", approver: keyOf("boris"), key: keyOf("boris") },
      everybody,
    ),
    "add-a-control-key-that-is-an-approvers": solo("key_in_use", {
      kind: "add_control_key",
      key: keyOf("approver"),
    }),
    "add-a-control-key-again": solo("key_in_use", {
      kind: "add_control_key",
      key: keyOf("control"),
    }),
    "add-a-control-key-that-was-revoked": solo(
      "key_retired",
      { kind: "add_control_key", key: keyOf("control-2") },
      spent(),
    ),
    "add-a-relay-key-that-is-a-control-key": solo("key_in_use", {
      kind: "add_relay_key",
      key: keyOf("control"),
    }),
  };

  function solo2(expect: string, operation: Operation, other: string, ledger = grown()): V {
    return signed(expect, operation, ["approver", other], ledger);
  }
}

const withoutChandra = (): Ledger =>
  council().decide(
    { kind: "revoke_approver", approver: keyOf("chandra") },
    { by: ["anna", "boris"] },
  );

function misgovernedApprovers<V>(solo: Solo<V>, signed: Signed<V>): Record<string, V> {
  const revocation = (label: string) =>
    ({ kind: "revoke_approver", approver: keyOf(label) }) as const;
  const full = () => {
    const approvers = labels(64, "person-").map((label) => approverOf(label));
    return new Ledger(genesisOf({ approvers }), labels(64, "person-"));
  };
  return {
    "revoke-an-approver-that-is-none": solo("approver_unknown", revocation("mallory")),
    "revoke-a-node-as-an-approver": solo("approver_unknown", revocation("web")),
    "revoke-an-approver-twice": signed(
      "approver_already_revoked",
      revocation("chandra"),
      ["anna", "boris"],
      withoutChandra(),
    ),
    "rotate-a-revoked-approver": signed(
      "approver_already_revoked",
      { kind: "rotate_approver", approver: keyOf("chandra"), key: keyOf("chandra-2") },
      ["anna", "boris", "chandra-2"],
      withoutChandra(),
    ),
    "rotate-an-approver-that-is-none": signed(
      "approver_unknown",
      { kind: "rotate_approver", approver: keyOf("mallory"), key: keyOf("mallory-2") },
      ["anna", "boris", "mallory-2"],
    ),
    "revoke-the-last-approver": solo("last_approver", revocation("approver")),
    "revoke-the-last-owner": signed("owner_missing", revocation("anna"), everybody),
    "revoke-so-that-nobody-reaches-the-threshold": signed(
      "threshold_unreachable",
      revocation("boris"),
      ["anna", "boris"],
      withoutChandra(),
    ),
    "set-a-threshold-that-nobody-can-reach": signed(
      "threshold_unreachable",
      { kind: "set_threshold", threshold: 4 },
      everybody,
    ),
    "set-a-threshold-that-only-a-revoked-approver-could-reach": signed(
      "threshold_unreachable",
      { kind: "set_threshold", threshold: 3 },
      ["anna", "boris"],
      withoutChandra(),
    ),
    "set-the-same-threshold": signed(
      "nothing_changes",
      { kind: "set_threshold", threshold: 2 },
      everybody,
    ),
    "add-an-approver-whose-name-is-in-use": signed(
      "approver_name_in_use",
      { kind: "add_approver", approver: candidateOf("anna", { key: keyOf("dana") }) },
      [...everybody, "dana"],
    ),
    "add-a-65th-approver": signed(
      "too_many_approvers",
      { kind: "add_approver", approver: candidateOf("dana") },
      ["person-0", "dana"],
      full(),
    ),
  };
}

function misgovernedAuthorities<V>(solo: Solo<V>): Record<string, V> {
  const sixteen = (stem: string) => labels(16, stem).map(keyOf).sort();
  const key = keyOf("new");
  return {
    "revoke-the-last-control-key": solo("last_control_key", {
      kind: "revoke_control_key",
      key: keyOf("control"),
    }),
    "revoke-a-control-key-that-is-none": solo("authority_unknown", {
      kind: "revoke_control_key",
      key: keyOf("approver"),
    }),
    "revoke-a-relay-key-that-is-a-control-key": solo("authority_unknown", {
      kind: "revoke_relay_key",
      key: keyOf("control"),
    }),
    "add-a-17th-control-key": solo(
      "too_many_authorities",
      { kind: "add_control_key", key },
      crowded({ control: sixteen("control-") }),
    ),
    "add-a-17th-relay-key": solo(
      "too_many_authorities",
      { kind: "add_relay_key", key },
      crowded({ relays: sixteen("relay-") }),
    ),
    "pin-the-policy-that-is-pinned": solo("nothing_changes", {
      kind: "pin_policy",
      policy: { kind: "same_owner" },
    }),
    "pin-the-document-that-is-pinned": solo(
      "nothing_changes",
      { kind: "pin_policy", policy: { kind: "document", hash: document } },
      crowded({ policy: { kind: "document", hash: document } }),
    ),
  };
}

function misquorate<V>(signed: Signed<V>): Record<string, V> {
  const dana = { kind: "add_approver", approver: candidateOf("dana") } as const;
  const rotation = {
    kind: "rotate_approver",
    approver: keyOf("boris"),
    key: keyOf("boris-2"),
  } as const;
  const chandraGoes = { kind: "revoke_approver", approver: keyOf("chandra") } as const;
  const addControl = { kind: "add_control_key", key: keyOf("control-2") } as const;
  const twoControls = () => council().decide(addControl, { by: ["anna", "boris"] });
  const relay = { kind: "add_relay_key", key: keyOf("relay") } as const;
  return {
    "add-an-approver-who-did-not-sign": signed("key_unproven", dana, everybody),
    "add-an-approver-who-counts-for-the-old-quorum": signed("too_few_signatures", dana, [
      "anna",
      "dana",
    ]),
    "add-an-approver-without-an-owner": signed("owner_did_not_sign", dana, [
      "boris",
      "chandra",
      "dana",
    ]),
    "add-an-approver-signed-by-a-stranger-too": signed("not_an_approver", dana, [
      ...everybody,
      "dana",
      "mallory",
    ]),
    "add-an-owner-whose-own-signature-stands-for-the-owners": signed(
      "owner_did_not_sign",
      { kind: "add_approver", approver: candidateOf("dana", { role: "owner" }) },
      ["boris", "chandra", "dana"],
    ),
    "rotate-an-approver-to-a-key-that-did-not-sign": signed("key_unproven", rotation, everybody),
    "rotate-an-approver-without-an-owner": signed("owner_did_not_sign", rotation, [
      "boris",
      "chandra",
      "boris-2",
    ]),
    "rotate-an-approver-by-one-of-two": signed("too_few_signatures", rotation, ["anna", "boris-2"]),
    "revoke-an-approver-by-a-quorum-that-needs-that-approver": signed(
      "too_few_successors",
      chandraGoes,
      ["anna", "chandra"],
    ),
    "revoke-an-approver-without-an-owner": signed("owner_did_not_sign", chandraGoes, [
      "boris",
      "chandra",
    ]),
    "raise-the-threshold-by-fewer-than-it-says": signed(
      "too_few_successors",
      { kind: "set_threshold", threshold: 3 },
      ["anna", "boris"],
    ),
    "lower-the-threshold-by-fewer-than-it-was": signed(
      "too_few_signatures",
      { kind: "set_threshold", threshold: 1 },
      ["anna"],
    ),
    "lower-the-threshold-without-an-owner": signed(
      "owner_did_not_sign",
      { kind: "set_threshold", threshold: 1 },
      ["boris", "chandra"],
    ),
    "add-a-control-key-without-an-owner": signed("owner_did_not_sign", addControl, [
      "boris",
      "chandra",
    ]),
    "add-a-control-key-that-signs-for-itself": signed("not_an_approver", addControl, [
      "anna",
      "boris",
      "control-2",
    ]),
    "revoke-a-control-key-without-an-owner": signed(
      "owner_did_not_sign",
      { kind: "revoke_control_key", key: keyOf("control") },
      ["boris", "chandra"],
      twoControls(),
    ),
    "revoke-a-control-key-by-the-other-one": signed(
      "not_an_approver",
      { kind: "revoke_control_key", key: keyOf("control") },
      ["anna", "boris", "control-2"],
      twoControls(),
    ),
    "add-a-relay-key-by-one-of-two": signed("too_few_signatures", relay, ["anna"]),
    "pin-a-policy-by-one-of-two": signed(
      "too_few_signatures",
      { kind: "pin_policy", policy: { kind: "document", hash: document } },
      ["anna"],
    ),
    "signed-by-an-approver-who-was-rotated-out": signed(
      "not_an_approver",
      relay,
      ["anna", "boris"],
      council().decide(rotation, { by: ["anna", "boris", "boris-2"] }),
    ),
    "signed-by-an-approver-who-was-revoked": signed(
      "not_an_approver",
      relay,
      ["anna", "boris", "chandra"],
      withoutChandra(),
    ),
  };
}

function misworded<V>(worded: (operation: CanonicalValue) => V): Record<string, V> {
  const key = keyOf("new");
  return {
    "add-an-approver-with-a-status": worded({
      kind: "add_approver",
      approver: { ...candidateOf("dana"), ...revoked },
    }),
    "add-an-approver-of-an-unknown-role": worded({
      kind: "add_approver",
      approver: { ...candidateOf("dana"), role: "root" },
    }),
    "set-threshold-0": worded({ kind: "set_threshold", threshold: 0 }),
    "set-threshold-65": worded({ kind: "set_threshold", threshold: 65 }),
    "retag-with-tags-out-of-order": worded({
      kind: "retag_node",
      node: idOf("web"),
      tags: ["www", "prod"],
    }),
    "reown-to-nobody": worded({ kind: "reown_node", node: idOf("web"), owner: "" }),
    "rotate-a-key-in-capitals": worded({
      kind: "rotate_node_key",
      node: idOf("web"),
      key: key.toUpperCase(),
    }),
    "add-a-control-key-for-a-time": worded({ kind: "add_control_key", key, until: 1 }),
    "pin-a-policy-of-an-unknown-kind": worded({
      kind: "pin_policy",
      policy: { kind: "allow_all" },
    }),
    "pin-a-policy-without-a-hash": worded({ kind: "pin_policy", policy: { kind: "document" } }),
  };
}
