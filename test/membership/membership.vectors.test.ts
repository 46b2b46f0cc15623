/** The vectors of the membership log: what is in valid/ is accepted, what is in invalid/ is refused. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { Envelope } from "../../src/crypto/envelope.ts";
import { append, found, type Membership } from "../../src/membership/membership.ts";
import type { Rejection } from "../../src/membership/rejection.ts";
import type { State } from "../../src/membership/state.ts";
import { LogEntry } from "../../src/membership/update.ts";
import { StateRoot } from "../../src/model/ids.ts";
import { slowRoot } from "../support/merkle-twin.ts";
import { unwrap } from "../support/world.ts";
import { codesOf, log, readVectors } from "./vectors.ts";

const Valid = v.strictObject({ ...log, roots: v.array(StateRoot) });
const Invalid = v.strictObject({ expect: v.string(), ...log, refused: v.optional(v.unknown()) });

const valid = await readVectors("membership/valid", Valid);
const invalid = await readVectors("membership/invalid", Invalid);
const snapshots = await readVectors("snapshot/invalid", v.object({ expect: v.string() }));

function replay({ genesis, genesisRoot, entries, now }: v.InferOutput<typeof Valid>): Membership[] {
  const history = [unwrap(found(v.parse(Envelope, genesis), genesisRoot))];
  for (const entry of entries) {
    const last = history.at(-1);
    if (last !== undefined) history.push(unwrap(append(last, entry, now)));
  }
  return history;
}

test.each(valid)("$name is accepted, with the roots that are written there", ({ vector }) => {
  const history = replay(vector);
  expect(history.map(({ root }) => root)).toEqual(vector.roots);
  for (const { state, root } of history) expect(slowRoot(state, ...listsOf(state))).toBe(root);
});

const listsOf = ({ nodes, retired, vouchers }: State) =>
  [[...nodes.values()], [...retired.values()], [...vouchers.values()]] as const;

/** The code under which it is refused; `malformed` when it does not even have the form. */
function refusal({ genesis, refused, ...vector }: v.InferOutput<typeof Invalid>): string {
  const envelope = v.safeParse(Envelope, genesis);
  if (!envelope.success) return "malformed";
  const founded = found(envelope.output, vector.genesisRoot);
  if (refused === undefined || !founded.ok) return codesOf(founded);
  let membership = founded.value;
  for (const entry of vector.entries) membership = unwrap(append(membership, entry, vector.now));
  const parsed = v.safeParse(LogEntry, refused);
  return parsed.success ? codesOf(append(membership, parsed.output, vector.now)) : "malformed";
}

test.each(invalid)("$name is refused", ({ vector }) => {
  expect(refusal(vector)).toBe(vector.expect);
});

test("every way to refuse has a vector, but for a limit that no file should reach", () => {
  const codes = {
    already_a_member: true,
    not_a_member: true,
    already_revoked: true,
    not_admitted_active: true,
    identity_mismatch: true,
    key_in_use: true,
    name_in_use: true,
    address_in_use: true,
    address_out_of_range: true,
    too_many_nodes: false,
    envelope_refused: true,
    payload_unknown: true,
    network_mismatch: true,
    root_mismatch: true,
    parent_mismatch: true,
    epoch_mismatch: true,
    too_few_signatures: true,
    not_an_approver: true,
    approver_repeated: true,
    threshold_unreachable: true,
    owner_missing: true,
    update_repeated: true,
    lifetime_invalid: true,
    not_yet_valid: true,
    expired: true,
    out_of_order: true,
    already_quarantined: true,
    already_active: true,
    key_retired: true,
    approver_unknown: true,
    approver_already_revoked: true,
    approver_name_in_use: true,
    too_many_approvers: true,
    last_approver: true,
    authority_unknown: true,
    last_control_key: true,
    too_many_authorities: true,
    nothing_changes: true,
    too_few_successors: true,
    owner_did_not_sign: true,
    key_unproven: true,
    too_many_vouchers: false,
    voucher_unknown: true,
    voucher_for_others: true,
    voucher_expired: true,
    voucher_unproven: true,
    not_a_checkpoint: true,
    not_of_authority: true,
    not_decided: false,
    snapshot_mismatch: true,
  } as const satisfies Record<Rejection["code"], boolean>;
  const reached = new Set(
    [...invalid, ...snapshots].map(({ vector }) => vector.expect.split(":")[0]),
  );
  for (const [code, isReached] of Object.entries(codes))
    expect([code, reached.has(code)]).toEqual([code, isReached]);
});

test("the folders are not empty", () => {
  expect(valid.length).toBeGreaterThanOrEqual(31);
  expect(invalid.length).toBeGreaterThanOrEqual(272);
});
