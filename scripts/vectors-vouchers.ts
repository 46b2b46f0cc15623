/** vectors-vouchers: machines that join by a voucher, and all who must not. */
import type { CanonicalValue } from "../src/crypto/canonical.ts";
import type { Operation } from "../src/membership/update.ts";
import { idOf, type Ledger, nowS, recordOf, type Terms, voucherOf } from "../test/support/world.ts";
import { candidateOf, council, keyOf } from "./vectors-governance.ts";

type Refuse<V> = (expect: string, ledger: Ledger, refused: unknown) => V;

const quorum: Terms = { by: ["anna", "boris"] };

/** A voucher for two machines of alice with one tag, beside a node that is there already. */
export const vouched = (changes: Parameters<typeof voucherOf>[1] = {}): Ledger =>
  council()
    .admit("web", {}, quorum)
    .decide(
      { kind: "add_voucher", voucher: voucherOf("voucher", { tags: ["prod"], ...changes }) },
      quorum,
    );

export function redemption(
  ledger: Ledger,
  label: string,
  changes: Parameters<typeof recordOf>[2] = {},
  voucher = "voucher",
): Operation & { kind: "redeem_voucher" } {
  const node = recordOf(ledger.membership, label, { tags: ["prod"], ...changes });
  return { kind: "redeem_voucher", voucher: keyOf(voucher), node };
}

export const redeem = (ledger: Ledger, label: string, terms: Terms = {}): Ledger =>
  ledger.decide(redemption(ledger, label), { by: ["voucher", label], ...terms });

const takeBack = { kind: "revoke_voucher", key: keyOf("voucher") } as const;
const usedUp = (): Ledger => redeem(redeem(vouched(), "mail"), "db");
const takenBack = (): Ledger => vouched().decide(takeBack, quorum);

export const redeemed = <V>(accept: (ledger: Ledger) => V): Record<string, V> => ({
  "a-voucher-admits-as-many-as-it-says": accept(usedUp()),
  "a-voucher-is-taken-back-after-one-use": accept(
    redeem(vouched(), "mail").decide(takeBack, quorum),
  ),
  "a-voucher-is-redeemed-in-its-last-second": accept(
    redeem(vouched({ expiresAt: nowS - 50 }), "mail", {
      createdAt: nowS - 60,
      acceptedAt: nowS - 50,
    }),
  ),
  "a-voucher-may-be-of-a-key-that-a-removed-node-had": accept(
    council()
      .admit("voucher", {}, quorum)
      .decide({ kind: "remove_node", node: idOf("voucher") }, quorum)
      .decide({ kind: "add_voucher", voucher: voucherOf("voucher") }, quorum),
  ),
  "what-joined-by-a-voucher-is-a-node-like-any-other": accept(
    redeem(vouched(), "mail")
      .revoke("mail", quorum)
      .decide({ kind: "restore_node", node: idOf("mail") }, quorum)
      .decide({ kind: "remove_node", node: idOf("mail") }, quorum),
  ),
});

export function misredeemed<V>(refuse: Refuse<V>): Record<string, V> {
  const signed = (
    expect: string,
    operation: Operation,
    terms: Terms = quorum,
    ledger = vouched(),
  ): V => refuse(expect, ledger, ledger.draft(operation, terms));
  return {
    ...redeemedByOthers(signed),
    ...redeemedForOthers(signed),
    ...misusedVoucherKeys(signed),
    ...mishandledVouchers(signed),
    ...miswordedVouchers(refuse),
  };
}

type Signed<V> = (expect: string, operation: Operation, terms?: Terms, ledger?: Ledger) => V;

function redeemedByOthers<V>(signed: Signed<V>): Record<string, V> {
  const by = (expect: string, ...labels: readonly string[]): V =>
    signed(expect, redemption(vouched(), "mail"), { by: labels });
  return {
    "redeem-without-the-nodes-signature": by("voucher_unproven", "voucher"),
    "redeem-without-the-vouchers-signature": by("voucher_unproven", "mail"),
    "redeem-with-an-approvers-signature-beside": by("not_an_approver", "voucher", "mail", "anna"),
    "redeem-with-a-quorum-instead-of-the-voucher": by("not_an_approver", "anna", "boris"),
    "redeem-with-a-quorum-and-the-node": by("not_an_approver", "anna", "boris", "mail"),
    "redeem-with-another-nodes-signature": by("not_an_approver", "voucher", "web"),
    "redeem-by-the-control-key": by("not_an_approver", "voucher", "control"),
  };
}

function redeemedForOthers<V>(signed: Signed<V>): Record<string, V> {
  const terms = { by: ["voucher", "mail"] };
  const changed = (expect: string, changes: Parameters<typeof recordOf>[2]): V =>
    signed(expect, redemption(vouched(), "mail", changes), terms);
  const after = (expect: string, ledger: Ledger): V =>
    signed(expect, redemption(ledger, "late"), { by: ["voucher", "late"] }, ledger);
  const web = vouched().membership.state.nodes.get(idOf("web"));
  return {
    "redeem-for-another-owner": changed("voucher_for_others", { owner: "bob" }),
    "redeem-with-other-tags": changed("voucher_for_others", { tags: ["dev"] }),
    "redeem-with-a-tag-more": changed("voucher_for_others", { tags: ["prod", "www"] }),
    "redeem-without-the-tags": changed("voucher_for_others", { tags: [] }),
    "redeem-under-a-name-in-use": changed("name_in_use", { name: "web" }),
    "redeem-an-address-in-use": changed("address_in_use", { ipv4: web?.ipv4 }),
    "redeem-an-address-outside": changed("address_out_of_range", { ipv4: "100.128.0.0" }),
    "redeem-under-anothers-id": changed("identity_mismatch", { id: idOf("mallory") }),
    "redeem-for-a-node-that-is-quarantined": changed("not_admitted_active", {
      status: "quarantined",
    }),
    "redeem-for-a-member": signed(
      "already_a_member",
      redemption(vouched(), "web", { name: "web-2" }),
      { by: ["voucher", "web"] },
    ),
    "redeem-for-a-node-under-the-vouchers-own-key": signed(
      "key_in_use",
      redemption(vouched(), "voucher"),
      { by: ["voucher"] },
    ),
    "redeem-for-a-node-under-an-approvers-key": signed(
      "key_in_use",
      redemption(vouched(), "anna"),
      { by: ["voucher", "anna"] },
    ),
    "redeem-a-voucher-after-it-expired": signed(
      "voucher_expired",
      redemption(vouched(), "mail"),
      { ...terms, createdAt: nowS, acceptedAt: nowS },
      vouched({ expiresAt: nowS - 1 }),
    ),
    "redeem-a-voucher-that-is-used-up": after("voucher_unknown", usedUp()),
    "redeem-a-voucher-that-was-taken-back": after("voucher_unknown", takenBack()),
    "redeem-a-voucher-that-never-was": after("voucher_unknown", council()),
  };
}

function misusedVoucherKeys<V>(signed: Signed<V>): Record<string, V> {
  const added = (expect: string, label: string, ledger = vouched()): V =>
    signed(expect, { kind: "add_voucher", voucher: voucherOf(label) }, quorum, ledger);
  const whose = { id: idOf("voucher"), key: keyOf("voucher") };
  const node = (ledger: Ledger) =>
    ({ kind: "add_node", node: recordOf(ledger.membership, "late", whose) }) as const;
  const person = candidateOf("dana", { key: keyOf("voucher") });
  const withRelay = vouched().decide({ kind: "add_relay_key", key: keyOf("relay") }, quorum);
  const withoutChandra = vouched().decide(
    { kind: "revoke_approver", approver: keyOf("chandra") },
    quorum,
  );
  return {
    "add-a-voucher-under-a-nodes-key": added("key_in_use", "web"),
    "add-a-voucher-under-an-approvers-key": added("key_in_use", "anna"),
    "add-a-voucher-under-the-control-key": added("key_in_use", "control"),
    "add-a-voucher-under-a-relays-key": added("key_in_use", "relay", withRelay),
    "add-a-voucher-again": added("key_in_use", "voucher"),
    "add-a-voucher-that-was-used-up": added("key_retired", "voucher", usedUp()),
    "add-a-voucher-that-was-taken-back": added("key_retired", "voucher", takenBack()),
    "add-a-voucher-under-a-revoked-approvers-key": added("key_retired", "chandra", withoutChandra),
    "add-a-node-under-a-vouchers-key": signed("key_in_use", node(vouched())),
    "add-a-node-under-the-key-of-a-used-up-voucher": signed(
      "key_retired",
      node(usedUp()),
      quorum,
      usedUp(),
    ),
    "rotate-a-node-to-a-vouchers-key": signed("key_in_use", {
      kind: "rotate_node_key",
      node: idOf("web"),
      key: keyOf("voucher"),
    }),
    "add-an-approver-under-a-vouchers-key": signed(
      "key_in_use",
      { kind: "add_approver", approver: person },
      { by: ["anna", "boris", "voucher"] },
    ),
    "rotate-an-approver-to-the-key-of-a-voucher-that-was-taken-back": signed(
      "key_retired",
      { kind: "rotate_approver", approver: keyOf("chandra"), key: keyOf("voucher") },
      { by: ["anna", "boris", "voucher"] },
      takenBack(),
    ),
    "add-a-control-key-that-is-a-vouchers": signed("key_in_use", {
      kind: "add_control_key",
      key: keyOf("voucher"),
    }),
    "add-a-relay-key-that-is-a-vouchers": signed("key_in_use", {
      kind: "add_relay_key",
      key: keyOf("voucher"),
    }),
  };
}

function mishandledVouchers<V>(signed: Signed<V>): Record<string, V> {
  const another = { kind: "add_voucher", voucher: voucherOf("voucher-2") } as const;
  return {
    "add-a-voucher-by-one-of-two": signed("too_few_signatures", another, { by: ["anna"] }),
    "add-a-voucher-that-signs-too": signed("not_an_approver", another, {
      by: ["anna", "boris", "voucher-2"],
    }),
    "add-a-voucher-by-a-voucher": signed("not_an_approver", another, { by: ["voucher"] }),
    "take-back-a-voucher-that-never-was": signed("voucher_unknown", {
      kind: "revoke_voucher",
      key: keyOf("voucher-2"),
    }),
    "take-back-a-voucher-twice": signed("voucher_unknown", takeBack, quorum, takenBack()),
    "take-back-a-voucher-that-is-used-up": signed("voucher_unknown", takeBack, quorum, usedUp()),
    "take-back-a-voucher-by-one-of-two": signed("too_few_signatures", takeBack, { by: ["boris"] }),
    "take-back-a-voucher-by-its-own-key": signed("not_an_approver", takeBack, { by: ["voucher"] }),
  };
}

function miswordedVouchers<V>(refuse: Refuse<V>): Record<string, V> {
  const ledger = vouched();
  const honest = { kind: "add_voucher", voucher: voucherOf("voucher-2") } as const;
  const worded = (operation: CanonicalValue): V => {
    const lie = (update: object) => ({ ...update, operation }) as CanonicalValue;
    return refuse("payload_unknown", ledger, ledger.draft(honest, { ...quorum, lie }));
  };
  const voucher = (changes: Record<string, CanonicalValue>): V =>
    worded({ kind: "add_voucher", voucher: { ...voucherOf("voucher-2"), ...changes } });
  const { expiresAt: _, ...timeless } = voucherOf("voucher-2");
  const redeeming = redemption(ledger, "mail");
  return {
    "voucher-for-0-machines": voucher({ uses: 0 }),
    "voucher-for-1001-machines": voucher({ uses: 1_001 }),
    "voucher-for-half-a-machine": voucher({ uses: "1.5" }),
    "voucher-without-an-end": worded({ kind: "add_voucher", voucher: timeless }),
    "voucher-with-tags-out-of-order": voucher({ tags: ["www", "prod"] }),
    "voucher-for-nobody": voucher({ owner: "" }),
    "voucher-with-an-unknown-field": voucher({ note: "x" }),
    "voucher-under-a-key-in-capitals": voucher({ key: keyOf("voucher-2").toUpperCase() }),
    "redeem-with-the-vouchers-record": worded({ ...redeeming, voucher: voucherOf("voucher") }),
    "redeem-for-a-node-that-is-only-named": worded({ ...redeeming, node: redeeming.node.id }),
    "redeem-for-a-node-without-a-status": worded({
      ...redeeming,
      node: Object.fromEntries(
        Object.entries(redeeming.node).filter(([field]) => field !== "status"),
      ),
    }),
    "redeem-with-an-unknown-field": worded({ ...redeeming, times: 2 }),
    "take-back-a-voucher-by-its-record": worded({
      kind: "revoke_voucher",
      voucher: keyOf("voucher"),
    }),
  };
}
