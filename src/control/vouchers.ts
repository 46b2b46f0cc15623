/**
 * vouchers lets machines in for which a quorum has signed in advance. The machine writes the change
 * itself, with the voucher's key: the server has no part in it but to hand out the log and take it in.
 */
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import { openEnvelope } from "../crypto/envelope.ts";
import { openUpdate } from "../membership/membership.ts";
import { nodeWithKey } from "../membership/state.ts";
import type { SigningKey } from "../model/keys.ts";
import { spendNonce } from "../store/control-store-nonces.ts";
import type { Caller, Control } from "./control.ts";
import type { Input, Output } from "../wire/control-api.ts";
import { EnrollmentRequest, enrollmentType } from "../wire/enrollment.ts";
import { appendUpdate, refusedUpdate } from "./changes.ts";
import { admitCaller, refuseSkew } from "./enrollment.ts";
import { spellHistory } from "./history.ts";
import { replayed } from "./replays.ts";
import { type Spelled, spelledWith } from "./spelled.ts";

/** Throws `credential_invalid` unless a voucher that is in force has signed, and the node too. */
export async function showVoucherHistory(
  control: Control,
  { request: envelope }: Input<"voucherHistory">,
  caller: Caller,
): Promise<Spelled<Output<"voucherHistory">>> {
  admitCaller(control, caller);
  if (envelope.signatures.length !== 2)
    throw new Fault("signature_invalid", "the request is signed by voucher and node, nobody else");
  const opened = openEnvelope(envelope, enrollmentType);
  if (!opened.ok) throw new Fault("signature_invalid", `the request: ${opened.error.code}`);
  const parsed = v.safeParse(EnrollmentRequest, opened.value.value);
  if (!parsed.success) throw new Fault("request_malformed", v.summarize(parsed.issues));
  const { key, nonce, issuedAt: createdAt } = parsed.output;
  const { signers } = opened.value;
  const voucher = [...signers].find((signer) => signer !== key);
  if (voucher === undefined || !signers.has(key))
    throw new Fault("signature_invalid", "the request is not signed with the key it names");
  refuseSkew(createdAt, control.clock.nowS());
  if (parsed.output.network !== control.network.state.network)
    throw new Fault("network_mismatch", "the voucher is for another network");
  refuseVoucher(control, voucher, key);
  const spent = await control.store.transact((transaction) =>
    spendNonce(transaction, { key, nonce, createdAt }),
  );
  if (spent !== "fresh") throw replayed();
  return spellHistory(control.network);
}

/** Appends what the machine wrote, if it follows the present state. Throws `outdated` if it does not. */
export async function redeemVoucher(
  control: Control,
  { update: envelope }: Input<"voucherRedeem">,
  caller: Caller,
): Promise<Spelled<Output<"voucherRedeem">>> {
  admitCaller(control, caller);
  if (envelope.signatures.length !== 2)
    throw new Fault("signature_invalid", "the update is signed by voucher and node, nobody else");
  const opened = openUpdate(envelope);
  if (!opened.ok) throw refusedUpdate(opened.error);
  const { operation } = opened.value.update;
  if (operation.kind !== "redeem_voucher")
    throw new Fault("request_malformed", "the update redeems no voucher");
  const { node, voucher } = operation;
  await control.store.transact((transaction) =>
    appendUpdate(control, transaction, envelope, {
      actor: `voucher:${voucher}`,
      event: "node_admitted",
      detail: JSON.stringify({ name: node.name, owner: node.owner }),
    }),
  );
  const admitted = { status: "admitted", node: node.id } as const;
  return spelledWith(admitted, spellHistory(control.network));
}

/** Who has lost the answer is a member already, and may have spent the last use. */
function refuseVoucher({ network, clock }: Control, key: SigningKey, node: SigningKey): void {
  const { state } = network;
  if (nodeWithKey(state, node)?.status === "active") return;
  const voucher = state.vouchers.get(key);
  if (voucher !== undefined && clock.nowS() <= voucher.expiresAt) return;
  const gone = state.retired.has(key) ? "is used up, or was taken back" : "is none of this network";
  const why =
    voucher === undefined
      ? gone
      : `expired at ${new Date(voucher.expiresAt * 1_000).toISOString()}`;
  throw new Fault("credential_invalid", `this voucher ${why}`, {
    remedy: "ask an approver for another one: rustynet membership propose add-voucher",
  });
}
