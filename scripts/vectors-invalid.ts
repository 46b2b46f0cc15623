/** vectors-invalid: what must be refused, each beside the log that it must not enter, and why. */
import type { CanonicalValue } from "../src/crypto/canonical.ts";
import { encodeBase64, encodeUtf8 } from "../src/base/bytes.ts";
import { encodeCanonical } from "../src/crypto/canonical.ts";
import type { Envelope } from "../src/crypto/envelope.ts";
import { type Genesis, genesisState, rootOf } from "../src/membership/state.ts";
import { genesisType, type LogEntry, type Update, updateType } from "../src/membership/update.ts";
import {
  approverOf,
  genesisOf,
  Ledger,
  nowS,
  sealBytes,
  sealGenesis,
  sealUpdate,
  signerOf,
  type Terms,
} from "../test/support/world.ts";
import { misleft } from "./vectors-leaving.ts";
import { misgoverned } from "./vectors-misgovernance.ts";
import { operations } from "./vectors-operations.ts";
import { misredeemed } from "./vectors-vouchers.ts";
import { three, twoOfThree, withRevokedApprover } from "./vectors-valid.ts";

type Vector = { readonly expect: string; readonly [field: string]: unknown };

/** An entry that must not follow the ledger's. */
const refuse = (expect: string, ledger: Ledger, refused: unknown): Vector => ({
  expect,
  genesis: ledger.genesis,
  genesisRoot: ledger.genesisRoot,
  now: nowS,
  entries: ledger.entries,
  refused,
});

const refuseGenesis = (expect: string, genesis: unknown, root = new Ledger().genesisRoot) => ({
  expect,
  genesis,
  genesisRoot: root,
  now: nowS,
});

/** A genesis of which everything is in order but what was changed, root and signatures included. */
const founded = (expect: string, changes: Partial<Genesis>, by = ["approver"]): Vector => {
  const genesis = genesisOf(changes);
  return refuseGenesis(expect, sealGenesis(genesis, by), rootOf(genesisState(genesis)));
};

/** A genesis that no schema of ours can express. */
const worded = (changes: Record<string, CanonicalValue>): Vector =>
  refuseGenesis("payload_unknown", sealGenesis({ ...genesisOf(), ...changes }, ["approver"]));

const { ipv4, ipv6 } = genesisOf().ranges;
const anna = approverOf("anna");
const boris = approverOf("boris");

const geneses = (): Record<string, Vector> => ({
  "genesis-of-another-network-than-was-told": refuseGenesis(
    "root_mismatch",
    new Ledger().genesis,
    new Ledger(genesisOf({ relays: [signerOf("relay").publicKey] })).genesisRoot,
  ),
  "genesis-with-one-key-under-two-names": founded(
    "approver_repeated",
    { approvers: [anna, { ...boris, key: anna.key }], threshold: 2 },
    ["anna"],
  ),
  "genesis-with-one-name-for-two-keys": founded(
    "approver_repeated",
    { approvers: [anna, { ...boris, name: anna.name }] },
    ["anna", "boris"],
  ),
  "genesis-with-a-threshold-that-nobody-can-reach": founded("threshold_unreachable", {
    threshold: 2,
  }),
  "genesis-whose-threshold-needs-a-revoked-approver": founded(
    "threshold_unreachable",
    { threshold: 2, approvers: [anna, { ...boris, status: "revoked" }] },
    ["anna", "boris"],
  ),
  "genesis-with-guardians-only": founded("owner_missing", {
    approvers: [approverOf("approver", { role: "guardian" })],
  }),
  "genesis-whose-only-owner-is-revoked": founded(
    "owner_missing",
    {
      approvers: [
        { ...anna, status: "revoked" },
        { ...boris, role: "guardian" },
      ],
    },
    ["anna", "boris"],
  ),
  "genesis-that-an-approver-did-not-sign": founded(
    "too_few_signatures",
    { approvers: [anna, boris] },
    ["anna"],
  ),
  "genesis-that-a-stranger-signed-too": founded("not_an_approver", {}, ["approver", "mallory"]),
  "genesis-signed-by-a-stranger-instead": founded("not_an_approver", {}, ["mallory"]),
  "genesis-of-version-2": worded({ version: 2 }),
  "genesis-with-an-unknown-field": worded({ expires: 1 }),
  "genesis-with-threshold-0": worded({ threshold: 0 }),
  "genesis-with-threshold-65": worded({ threshold: 65 }),
  "genesis-without-approvers": worded({ approvers: [] }),
  "genesis-with-an-unknown-policy-kind": worded({ policy: { kind: "allow_all" } }),
  "genesis-with-an-unknown-role": worded({ approvers: [{ ...anna, role: "root" }] }),
  "genesis-with-control-keys-out-of-order": worded({
    control: [signerOf("control").publicKey, signerOf("control-2").publicKey].sort().reverse(),
  }),
  "genesis-with-a-control-key-twice": worded({
    control: [signerOf("control").publicKey, signerOf("control").publicKey],
  }),
  "genesis-with-ipv6-for-ipv4": worded({ ranges: { ipv4: ipv6, ipv6 } }),
  "genesis-with-ipv4-for-ipv6": worded({ ranges: { ipv4, ipv6: ipv4 } }),
  "genesis-whose-range-is-everything": worded({ ranges: { ipv4: "0.0.0.0/0", ipv6 } }),
  "genesis-whose-range-has-no-room": worded({ ranges: { ipv4: "100.64.0.0/31", ipv6 } }),
  "genesis-whose-ipv6-range-is-too-narrow": worded({ ranges: { ipv4, ipv6: "fd00::/97" } }),
  "genesis-with-host-bits": worded({ ranges: { ipv4: "100.64.0.1/10", ipv6 } }),
  "genesis-under-the-type-of-an-update": refuseGenesis(
    "envelope_refused: payload_type_mismatch",
    sealUpdate(genesisOf(), ["approver"]),
  ),
  "genesis-under-the-type-of-version-2": refuseGenesis(
    "envelope_refused: payload_type_mismatch",
    sealBytes(genesisType.replace("v1", "v2"), encodeCanonical(genesisOf()), ["approver"]),
  ),
  "genesis-changed-after-signing": refuseGenesis("envelope_refused: signature_invalid", {
    ...new Ledger().genesis,
    payload: encodeBase64(encodeCanonical(genesisOf({ relays: [signerOf("relay").publicKey] }))),
  }),
  "genesis-without-signatures": refuseGenesis("malformed", {
    ...new Ledger().genesis,
    signatures: [],
  }),
});

const grown = (): Ledger => new Ledger().admit("web").admit("db");
const revokeWeb = (ledger: Ledger, terms: Terms = {}): LogEntry =>
  ledger.draft({ kind: "revoke_node", node: idOfWeb(ledger) }, terms);
const idOfWeb = ({ membership }: Ledger) => {
  const [first] = [...membership.state.nodes.values()].filter(({ name }) => name === "web");
  if (first === undefined) throw new Error("web is a node");
  return first.id;
};
const lying = (expect: string, lie: (update: Update) => CanonicalValue, terms: Terms = {}) =>
  refuse(expect, grown(), revokeWeb(grown(), { ...terms, lie }));
const signedBy = (expect: string, ledger: Ledger, by: readonly string[]) =>
  refuse(expect, ledger, revokeWeb(ledger, { by }));

const withEnvelope = (change: (envelope: Envelope) => unknown): unknown => {
  const entry = revokeWeb(grown());
  return { ...entry, envelope: change(entry.envelope) };
};
const firstSignature = ({ signatures }: Envelope) => {
  const [first] = signatures;
  if (first === undefined) throw new Error("an envelope has a signature");
  return first;
};
const asText = (entry: LogEntry): string => atob(entry.envelope.payload);
const retyped = (payloadType: string) =>
  withEnvelope((envelope) =>
    sealBytes(payloadType, encodeUtf8(atob(envelope.payload)), ["approver"]),
  );
const respelled = (change: (text: string) => string) =>
  withEnvelope(() =>
    sealBytes(updateType, encodeUtf8(change(asText(revokeWeb(grown())))), ["approver"]),
  );

const signatures = (): Record<string, Vector> => ({
  "signed-by-a-stranger": signedBy("not_an_approver", grown(), ["mallory"]),
  "signed-by-a-stranger-too": signedBy("not_an_approver", grown(), ["approver", "mallory"]),
  "signed-by-the-control-key": signedBy("not_an_approver", grown(), ["control"]),
  "signed-by-a-revoked-approver-too": signedBy(
    "not_an_approver",
    withRevokedApprover().admit("web", {}, { by: ["anna"] }),
    ["anna", "boris"],
  ),
  "signed-by-one-of-two": signedBy(
    "too_few_signatures",
    twoOfThree().admit("web", {}, { by: three }),
    ["chandra"],
  ),
  "signed-twice-by-one-key": refuse(
    "malformed",
    grown(),
    withEnvelope((envelope) => ({
      ...envelope,
      signatures: [...envelope.signatures, ...envelope.signatures],
    })),
  ),
  "signed-again-under-another-spelling-of-the-key": refuse(
    "malformed",
    grown(),
    withEnvelope((envelope) => {
      const first = firstSignature(envelope);
      const again = { ...first, keyid: first.keyid.toUpperCase() };
      return { ...envelope, signatures: [first, again] };
    }),
  ),
  "signed-under-a-key-of-small-order": refuse(
    "envelope_refused: key_refused",
    grown(),
    withEnvelope((envelope) => ({
      ...envelope,
      signatures: [{ ...firstSignature(envelope), keyid: `01${"00".repeat(31)}` }],
    })),
  ),
  "signed-for-another-update": refuse(
    "envelope_refused: signature_invalid",
    grown(),
    withEnvelope((envelope) => ({
      ...envelope,
      signatures: revokeWeb(grown(), { createdAt: nowS - 99 }).envelope.signatures,
    })),
  ),
  "signed-before-it-was-changed": refuse("envelope_refused: signature_invalid", grown(), {
    acceptedAt: nowS,
    envelope: {
      ...revokeWeb(grown()).envelope,
      payload: revokeWeb(grown(), { createdAt: nowS - 99 }).envelope.payload,
    },
  }),
  "signed-under-version-2-of-the-type": refuse(
    "envelope_refused: payload_type_mismatch",
    grown(),
    retyped(updateType.replace("v1", "v2")),
  ),
  "signed-under-the-type-of-a-genesis": refuse(
    "envelope_refused: payload_type_mismatch",
    grown(),
    retyped(genesisType),
  ),
  "spelled-with-blanks": refuse(
    "envelope_refused: payload_malformed",
    grown(),
    respelled((text) => text.replace(",", ", ")),
  ),
  "spelled-with-a-field-twice": refuse(
    "envelope_refused: payload_malformed",
    grown(),
    respelled((text) => text.replace("{", `{"createdAt":1,`)),
  ),
  "spelled-with-something-behind-it": refuse(
    "envelope_refused: payload_malformed",
    grown(),
    respelled((text) => `${text}\n`),
  ),
  "entry-with-an-unknown-field": refuse("malformed", grown(), { ...revokeWeb(grown()), note: "x" }),
  "entry-without-the-time-of-its-acceptance": refuse("malformed", grown(), {
    envelope: revokeWeb(grown()).envelope,
  }),
});

const fork = (): Vector => {
  const ledger = new Ledger().admit("web");
  const other = revokeWeb(ledger);
  return refuse("epoch_mismatch", ledger.admit("db"), other);
};

const places = (): Record<string, Vector> => ({
  "epoch-repeated": lying("epoch_mismatch", (update) => ({ ...update, epoch: 2 })),
  "epoch-skipped": lying("epoch_mismatch", (update) => ({ ...update, epoch: 4 })),
  "epoch-near-its-maximum": lying("epoch_mismatch", (update) => ({ ...update, epoch: 2 ** 48 })),
  "epoch-zero": lying("payload_unknown", (update) => ({ ...update, epoch: 0 })),
  "replayed-entry": refuse("epoch_mismatch", grown(), grown().entries[0]),
  "forked-from-an-older-state": fork(),
  "rolled-back-to-an-older-root": lying("parent_mismatch", (update) => ({
    ...update,
    parent: grown().history[1]?.root ?? "",
  })),
  "rolled-back-to-genesis": lying("parent_mismatch", (update) => ({
    ...update,
    parent: grown().genesisRoot,
  })),
  "root-of-another-outcome": lying("root_mismatch", (update) => ({
    ...update,
    root: update.parent,
  })),
  "for-another-network": lying("network_mismatch", (update) => ({
    ...update,
    network: "00".repeat(16),
  })),
  "id-of-an-earlier-update": refuse(
    "update_repeated",
    grown(),
    revokeWeb(grown(), { id: idUsed() }),
  ),
  "created-in-the-future": refuse(
    "not_yet_valid",
    grown(),
    revokeWeb(grown(), { createdAt: nowS + 91, acceptedAt: nowS }),
  ),
  "accepted-in-the-future": refuse(
    "not_yet_valid",
    grown(),
    revokeWeb(grown(), { createdAt: nowS, acceptedAt: nowS + 91 }),
  ),
  "accepted-after-it-expired": refuse(
    "expired",
    grown(),
    revokeWeb(grown(), { createdAt: nowS - 3_601, lifetimeS: 3_600, acceptedAt: nowS }),
  ),
  "accepted-before-the-entry-before-it": refuse(
    "out_of_order",
    grown(),
    revokeWeb(grown(), { createdAt: nowS - 200, acceptedAt: nowS - 101 }),
  ),
  "expires-when-it-is-created": lying("lifetime_invalid", (update) => ({
    ...update,
    expiresAt: update.createdAt,
  })),
  "expires-in-more-than-30-days": refuse(
    "lifetime_invalid",
    grown(),
    revokeWeb(grown(), { lifetimeS: 30 * 86_400 + 1 }),
  ),
  "time-that-is-no-whole-number": lying("payload_unknown", (update) => ({
    ...update,
    createdAt: `${update.createdAt}`,
  })),
  "unknown-field": lying("payload_unknown", (update) => ({ ...update, urgent: 1 })),
  "missing-field": lying("payload_unknown", ({ id: _, ...update }) => update),
});

const idUsed = () => {
  const [first] = grown().membership.updates.values();
  if (first === undefined) throw new Error("a grown ledger has an update");
  return first;
};

export const invalid = (): Record<string, Vector> => ({
  ...geneses(),
  ...signatures(),
  ...places(),
  ...operations(refuse),
  ...misgoverned(refuse),
  ...misredeemed(refuse),
  ...misleft(refuse),
});
