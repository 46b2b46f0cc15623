/** explain: every refusal has words and a way out; what is not known says to upgrade. */
import { expect, test } from "bun:test";
import type { CanonicalValue } from "../../src/crypto/canonical.ts";
import { explain } from "../../src/membership/explain.ts";
import { append } from "../../src/membership/membership.ts";
import type { Rejection } from "../../src/membership/rejection.ts";
import { updateType } from "../../src/membership/update.ts";
import { encodeCanonical } from "../../src/crypto/canonical.ts";
import { idOf, Ledger, nowS, sealBytes } from "../support/world.ts";

const ledger = new Ledger().admit("web");
const honest = { kind: "revoke_node", node: idOf("web") } as const;

function refusalOf(operation: CanonicalValue): Rejection {
  const lie = (update: object) => ({ ...update, operation }) as CanonicalValue;
  const result = append(ledger.membership, ledger.draft(honest, { lie }), nowS);
  if (result.ok) throw new Error("accepted");
  return result.error;
}

test.each([
  ["an unknown kind", { kind: "bless_node", node: idOf("web") }],
  ["an unknown field", { ...honest, when: 1 }],
  ["an unknown kind of policy", { kind: "pin_policy", policy: { kind: "allow_all" } }],
  [
    "an unknown role",
    { kind: "add_approver", approver: { key: "00".repeat(32), name: "x", role: "root" } },
  ],
])("%s says to upgrade", (_what, operation) => {
  expect(explain(refusalOf(operation)).remedy).toBe("upgrade rustynet on this host");
});

test("an unknown version says to upgrade", () => {
  const type = updateType.replace("v1", "v2");
  const envelope = sealBytes(type, encodeCanonical({ network: "" }), ["approver"]);
  const result = append(ledger.membership, { acceptedAt: nowS, envelope }, nowS);
  expect(result.ok).toBe(false);
  if (!result.ok) expect(explain(result.error).remedy).toBe("upgrade rustynet on this host");
});

test("what was sent reaches no terminal as it is", () => {
  const { message } = explain({ code: "payload_unknown", issue: 'received "\u001b[31m\r\nrm' });
  expect(message).toBe('it says what this version does not know: received "?[31m??rm');
});

const worded: readonly (readonly [Rejection, string])[] = [
  [{ code: "too_few_signatures", have: 1, need: 2 }, "1 of 2 approvers have signed"],
  [
    { code: "threshold_unreachable", have: 1, need: 2 },
    "2 approvers would have to sign, and there would be 1",
  ],
  [{ code: "last_approver", key: signer() }, "this is the last approver"],
  [{ code: "key_retired", key: signer() }, `the key ${signer()} was given up for good`],
  [{ code: "too_many_vouchers", limit: 1_000 }, "the network has 1000 vouchers"],
  [
    { code: "voucher_unknown", key: signer() },
    `the voucher ${signer()} is none of this network, or has been used up or taken back`,
  ],
  [
    { code: "voucher_for_others", key: signer() },
    `the voucher ${signer()} is for another owner or other tags`,
  ],
  [{ code: "voucher_expired", expiresAt: 1 }, "the voucher has expired"],
  [
    { code: "voucher_unproven", key: signer() },
    `the key ${signer()} of the voucher or of the node has not signed`,
  ],
  [{ code: "not_a_checkpoint", epoch: 7 }, "the entry of epoch 7 is no checkpoint"],
  [
    { code: "not_of_authority", epoch: 7 },
    "the entry of epoch 7 does not change who may sign, or is out of order",
  ],
  [
    { code: "not_decided", epoch: 7 },
    "it vouches for the change of epoch 7, which no quorum has decided",
  ],
  [
    { code: "snapshot_mismatch", field: "approvers" },
    "what the snapshot says of approvers is not what was signed",
  ],
];

test.each(worded.map(([rejection, message]) => [rejection.code, rejection, message] as const))(
  "%s is worded",
  (_code, rejection, message) => {
    expect(explain(rejection).message).toBe(message);
    expect(explain(rejection).remedy).not.toBe("");
  },
);

function signer() {
  const [first] = ledger.membership.state.approvers;
  if (first === undefined) throw new Error("a network has an approver");
  return first.key;
}
