/** vectors-operations: updates that are well signed and well placed, and say what must not be done. */
import type { CanonicalValue } from "../src/crypto/canonical.ts";
import type { Node } from "../src/membership/state.ts";
import { genesisOf, idOf, Ledger, recordOf, signerOf } from "../test/support/world.ts";

type Refuse<V> = (expect: string, ledger: Ledger, refused: unknown) => V;

const grown = (): Ledger => new Ledger().admit("web").admit("db").admit("old").revoke("old");

/** The record of a newcomer, with something changed in it. */
const newcomer = (changes: Parameters<typeof recordOf>[2] = {}): Node =>
  recordOf(grown().membership, "mail", changes);

const record = (label: string): Node => {
  const node = grown().membership.state.nodes.get(idOf(label));
  if (node === undefined) throw new Error(`${label} is a node`);
  return node;
};

export function operations<V>(refuse: Refuse<V>): Record<string, V> {
  /** An operation that our types would not let anybody word. */
  const worded = (expect: string, operation: CanonicalValue): V => {
    const ledger = grown();
    const honest = { kind: "revoke_node", node: idOf("web") } as const;
    const lie = (update: object) => ({ ...update, operation }) as CanonicalValue;
    return refuse(expect, ledger, ledger.draft(honest, { lie }));
  };
  const added = (expect: string, node: CanonicalValue): V =>
    worded(expect, { kind: "add_node", node });
  const reworded = (changes: Record<string, CanonicalValue>): V =>
    added("payload_unknown", { ...newcomer(), ...changes });

  return {
    "operation-of-an-unknown-kind": worded("payload_unknown", {
      kind: "expel_node",
      node: idOf("web"),
    }),
    "operation-with-an-unknown-field": worded("payload_unknown", {
      kind: "revoke_node",
      node: idOf("web"),
      when: 1,
    }),
    "operation-without-its-node": worded("payload_unknown", { kind: "revoke_node" }),
    "add-a-member-again": added("already_a_member", record("web")),
    "add-a-revoked-node-again": added("already_a_member", { ...record("old"), status: "active" }),
    "add-a-node-under-anothers-id": added("identity_mismatch", newcomer({ id: idOf("mallory") })),
    "add-a-node-that-is-revoked": added("not_admitted_active", newcomer({ status: "revoked" })),
    "add-a-node-that-is-quarantined": added(
      "not_admitted_active",
      newcomer({ status: "quarantined" }),
    ),
    "add-a-name-in-use": added("name_in_use", newcomer({ name: "web" })),
    "add-an-ipv4-address-in-use": added("address_in_use", newcomer({ ipv4: record("web").ipv4 })),
    "add-an-ipv6-address-in-use": added("address_in_use", newcomer({ ipv6: record("web").ipv6 })),
    "add-the-address-of-a-revoked-node": added(
      "address_in_use",
      newcomer({ ipv4: record("old").ipv4 }),
    ),
    "add-an-ipv4-address-outside": added("address_out_of_range", newcomer({ ipv4: "100.128.0.0" })),
    "add-an-ipv6-address-outside": added("address_out_of_range", newcomer({ ipv6: "fd00::1" })),
    "add-a-node-with-an-approvers-key": added(
      "key_in_use",
      newcomer({ id: idOf("approver"), key: signerOf("approver").publicKey }),
    ),
    "add-a-node-with-a-control-key": added(
      "key_in_use",
      newcomer({ id: idOf("control"), key: signerOf("control").publicKey }),
    ),
    "add-a-node-with-a-relays-key": refuseRelay(refuse),
    "add-tags-out-of-order": reworded({ tags: ["www", "prod"] }),
    "add-a-tag-twice": reworded({ tags: ["prod", "prod"] }),
    "add-33-tags": reworded({
      tags: Array.from({ length: 33 }, (_, i) => `t${String(i).padStart(2, "0")}`),
    }),
    "add-an-unknown-field": reworded({ admin: 1 }),
    "add-an-unknown-status": reworded({ status: "trusted" }),
    "add-a-name-with-a-newline": reworded({ name: "web\n" }),
    "add-a-name-in-punycode": reworded({ name: "xn--wb-8cd" }),
    "add-a-name-that-is-a-number": reworded({ name: "10" }),
    "add-an-owner-that-is-empty": reworded({ owner: "" }),
    "add-another-spelling-of-an-address": reworded({ ipv6: newcomer().ipv6.toUpperCase() }),
    "add-ipv6-for-ipv4": reworded({ ipv4: newcomer().ipv6 }),
    "revoke-a-stranger": worded("not_a_member", { kind: "revoke_node", node: idOf("mallory") }),
    "revoke-twice": worded("already_revoked", { kind: "revoke_node", node: idOf("old") }),
    "rename-a-stranger": worded("not_a_member", {
      kind: "rename_node",
      node: idOf("mallory"),
      name: "m",
    }),
    "rename-a-revoked-node": worded("already_revoked", {
      kind: "rename_node",
      node: idOf("old"),
      name: "new",
    }),
    "rename-to-a-name-in-use": worded("name_in_use", {
      kind: "rename_node",
      node: idOf("web"),
      name: "db",
    }),
    "rename-to-the-same-name": worded("name_in_use", {
      kind: "rename_node",
      node: idOf("web"),
      name: "web",
    }),
  };
}

function refuseRelay<V>(refuse: Refuse<V>): V {
  const { publicKey: key } = signerOf("relay");
  const ledger = new Ledger(genesisOf({ relays: [key] }));
  const node = recordOf(ledger.membership, "mail", { id: idOf("relay"), key });
  return refuse("key_in_use", ledger, ledger.draft({ kind: "add_node", node }));
}
