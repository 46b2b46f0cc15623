/** vouchers: admitting machines for which a quorum has signed in advance, each use once. */
import { err, ok, type Result } from "../../base/result.ts";
import type { SigningKey } from "../../model/keys.ts";
import { refuseKey, retireKey } from "../keys.ts";
import type { OperationRejection } from "../rejection.ts";
import { type Node, type State, type Voucher, vouchersMax } from "../state.ts";
import { addNode, type Oracle } from "./nodes.ts";

type Reduced = Result<State, OperationRejection>;

export function addVoucher(state: State, voucher: Voucher): Reduced {
  if (state.vouchers.size >= vouchersMax)
    return err({ code: "too_many_vouchers", limit: vouchersMax });
  const refusal = refuseKey(state, voucher.key);
  if (refusal !== null) return err(refusal);
  return ok({ ...state, vouchers: state.vouchers.with(voucher.key, voucher) });
}

export function revokeVoucher(state: State, key: SigningKey): Reduced {
  if (!state.vouchers.has(key)) return err({ code: "voucher_unknown", key });
  return ok(withoutVoucher(state, key));
}

/** The node is what the quorum said it may be, or it does not come in by this. */
export function redeemVoucher(state: State, key: SigningKey, node: Node, oracle: Oracle): Reduced {
  const voucher = state.vouchers.get(key);
  if (voucher === undefined) return err({ code: "voucher_unknown", key });
  if (node.owner !== voucher.owner || node.tags.join() !== voucher.tags.join())
    return err({ code: "voucher_for_others", key });
  const added = addNode(state, node, oracle);
  return added.ok ? ok(spend(added.value, voucher)) : added;
}

function spend(state: State, voucher: Voucher): State {
  const uses = voucher.uses - 1;
  if (uses === 0) return withoutVoucher(state, voucher.key);
  return { ...state, vouchers: state.vouchers.with(voucher.key, { ...voucher, uses }) };
}

/** What was used up or taken back is in the hands of who knows whom, and comes back in no role. */
const withoutVoucher = (state: State, key: SigningKey): State =>
  retireKey({ ...state, vouchers: state.vouchers.without(key) }, key);
