/**
 * redeem lets this host in by a voucher: it reads the log, writes its own admission upon it, and signs
 * with the voucher's key and its own. Nobody else has to be there.
 */
import * as v from "valibot";
import { encodeHex } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import type { SigningSecret } from "../crypto/ed25519.ts";
import { sealEnvelope } from "../crypto/envelope.ts";
import { explain } from "../membership/explain.ts";
import type { Membership } from "../membership/membership.ts";
import { newcomer, rangeFull } from "../membership/newcomer.ts";
import { propose } from "../membership/propose.ts";
import { nodeWithKey, type State, type Voucher } from "../membership/state.ts";
import { type Update, updateType } from "../membership/update.ts";
import { UpdateId } from "../model/ids.ts";
import type { SigningKey } from "../model/keys.ts";
import type { NodeName } from "../model/names.ts";
import type { UnixS } from "../model/time.ts";
import type { VoucherToken } from "../wire/voucher-token.ts";
import { believeHistory, type JoinParts, keepAdmission, sealRequest } from "./join.ts";
import type { Enrollment } from "./node-state.ts";

/** Others may change the log between reading it and writing upon it, but hardly so often. */
const attemptsMax = 6;
const pauseFirstMs = 100;
/** Taken in within a moment, or written anew. */
const momentS = 300;

/** Throws what the control server refused with, and Fault when the voucher lets nobody in any more. */
export async function redeem(
  parts: JoinParts,
  identity: SigningSecret,
  token: VoucherToken,
  name: NodeName,
): Promise<Enrollment> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await redeemOnce(parts, identity, token, name);
    } catch (error) {
      const isOutdated = error instanceof Fault && error.code === "outdated";
      if (!isOutdated || attempt === attemptsMax) throw error;
    }
    const wholeMs = pauseFirstMs * 2 ** attempt;
    await new Promise((resolve) =>
      setTimeout(resolve, wholeMs / 2 + (Math.random() * wholeMs) / 2),
    );
  }
}

async function redeemOnce(
  parts: JoinParts,
  identity: SigningSecret,
  { card, key }: VoucherToken,
  name: NodeName,
): Promise<Enrollment> {
  const client = parts.openClient({ url: card.url, pin: card.pin, signer: identity });
  const request = sealRequest(parts, card, name, identity, [identity, key]);
  const history = await client.voucherHistory({ request });
  const now = parts.clock.nowS();
  const membership = believeHistory(history, card, now);
  // The answer to an earlier attempt was lost: the use is spent, and this host is in.
  if (nodeWithKey(membership.state, identity.publicKey) !== undefined)
    return keepAdmission(parts, identity.publicKey, card, history);
  const id = v.parse(UpdateId, encodeHex(parts.random(16)));
  const update = admissionBy(membership, key.publicKey, identity.publicKey, name, { id, now });
  const answer = await client.voucherRedeem({
    update: sealEnvelope(updateType, update, [identity, key]),
  });
  if (answer.status === "admitted") return keepAdmission(parts, identity.publicKey, card, answer);
  throw new Fault("unavailable", "the control server put a voucher into the queue of approvers");
}

/** The change by which the machine with this key joins. Throws when the voucher is not good for it. */
export function admissionBy(
  membership: Membership,
  voucher: SigningKey,
  key: SigningKey,
  name: NodeName,
  { id, now }: { readonly id: UpdateId; readonly now: UnixS },
): Update {
  const terms = voucherInForce(membership.state, voucher, now);
  const node = newcomer(membership.state, { key, name, owner: terms.owner, tags: terms.tags });
  if (node === null) throw new Fault("unavailable", rangeFull.message, rangeFull);
  const createdAt = Math.max(now, membership.acceptedAt);
  const operation = { kind: "redeem_voucher", voucher, node } as const;
  const proposed = propose(membership, operation, { id, createdAt, lifetimeS: momentS });
  if (proposed.ok) return proposed.value;
  const { message, remedy } = explain(proposed.error);
  throw new Fault("membership_rejected", `the voucher does not let this host in: ${message}`, {
    remedy,
  });
}

function voucherInForce(state: State, key: SigningKey, now: UnixS): Voucher {
  const voucher = state.vouchers.get(key);
  if (voucher === undefined)
    throw refusal(
      state.retired.has(key)
        ? "this voucher is used up, or was taken back"
        : "this voucher is none of this network",
    );
  if (now <= voucher.expiresAt) return voucher;
  throw refusal(`this voucher expired at ${new Date(voucher.expiresAt * 1_000).toISOString()}`);
}

const refusal = (message: string): Fault =>
  new Fault("credential_invalid", message, {
    remedy: "ask an approver for another one: rustynet membership propose add-voucher",
  });
