/**
 * quorum decides whether those who signed may decide it. It counts approvers, not signatures: a key
 * counts once, and one that has no say refuses the whole.
 */
import type { SigningKey } from "../model/keys.ts";
import type { QuorumRejection } from "./rejection.ts";
import { activeApprovers, type Approver, type State } from "./state.ts";
import type { Operation } from "./update.ts";

/** Who may sign, how many it takes, whose maps are believed: a new kind does not compile undecided. */
const decidesWhoDecides: Readonly<Record<Operation["kind"], boolean>> = {
  add_node: false,
  remove_node: false,
  revoke_node: false,
  restore_node: false,
  quarantine_node: false,
  rename_node: false,
  retag_node: false,
  reown_node: false,
  rotate_node_key: false,
  add_approver: true,
  rotate_approver: true,
  revoke_approver: true,
  set_threshold: true,
  add_control_key: true,
  revoke_control_key: true,
  add_relay_key: false,
  revoke_relay_key: false,
  pin_policy: false,
  add_voucher: false,
  revoke_voucher: false,
  redeem_voucher: false,
  checkpoint: false,
};

/** Whether an operation needs the old quorum and the new one, and an owner among the old. */
export const changesAuthority = ({ kind }: Operation): boolean => decidesWhoDecides[kind];

/** Whether an operation says who may sign from then on, and how many of them it takes. */
export const changesApprovers = ({ kind }: Operation): boolean =>
  kind === "add_approver" ||
  kind === "rotate_approver" ||
  kind === "revoke_approver" ||
  kind === "set_threshold";

/** The key that an operation makes an approver's. It has to sign too: it is somebody's, then. */
export function newcomerOf(operation: Operation): SigningKey | null {
  if (operation.kind === "add_approver") return operation.approver.key;
  return operation.kind === "rotate_approver" ? operation.key : null;
}

/** Whether those who may decide it in the state before the change have decided it. */
export function refuseSigners(
  before: State,
  operation: Operation,
  signers: ReadonlySet<SigningKey>,
): QuorumRejection | null {
  if (operation.kind === "redeem_voucher")
    return refuseRedeemers([operation.voucher, operation.node.key], signers);
  if (takesItselfOut(before, operation, signers)) return null;
  const active = activeApprovers(before);
  const newcomer = newcomerOf(operation);
  const known = new Set(active.map(({ key }) => key));
  const stranger = [...signers].find((key) => !known.has(key) && key !== newcomer);
  if (stranger !== undefined) return { code: "not_an_approver", key: stranger };
  const [have, need] = [count(signers, known), before.threshold];
  if (have < need) return { code: "too_few_signatures", have, need };
  const isOwners = active.some(({ key, role }) => role === "owner" && signers.has(key));
  if (changesAuthority(operation) && !isOwners) return { code: "owner_did_not_sign" };
  if (newcomer !== null && !signers.has(newcomer)) return { code: "key_unproven", key: newcomer };
  return null;
}

/** The quorum has signed already, for whoever holds the voucher; the node's key proves that it is held. */
function refuseRedeemers(
  needed: readonly SigningKey[],
  signers: ReadonlySet<SigningKey>,
): QuorumRejection | null {
  const stranger = [...signers].find((key) => !needed.includes(key));
  if (stranger !== undefined) return { code: "not_an_approver", key: stranger };
  const absent = needed.find((key) => !signers.has(key));
  return absent === undefined ? null : { code: "voucher_unproven", key: absent };
}

/** A node may leave by its own word. It can bring nobody else out, and not itself back in. */
function takesItselfOut(
  before: State,
  operation: Operation,
  signers: ReadonlySet<SigningKey>,
): boolean {
  if (operation.kind !== "revoke_node" || signers.size !== 1) return false;
  const key = before.nodes.get(operation.node)?.key;
  return key !== undefined && signers.has(key);
}

/** How far a change has come among those who have a say in it. */
export type Tally = {
  /** Active approvers of the state before, by whether they have signed, in the state's order. */
  readonly signed: readonly Approver[];
  readonly missing: readonly Approver[];
  readonly need: number;
  /** Null once it is decided; else the first thing that is missing. */
  readonly verdict: QuorumRejection | null;
};

/** Counts what there is, of a change that need not be decided yet. */
export function tally(
  before: State,
  after: State,
  operation: Operation,
  signers: ReadonlySet<SigningKey>,
): Tally {
  const active = activeApprovers(before);
  return {
    signed: active.filter(({ key }) => signers.has(key)),
    missing: active.filter(({ key }) => !signers.has(key)),
    need: before.threshold,
    verdict:
      refuseSigners(before, operation, signers) ?? refuseSuccessors(after, operation, signers),
  };
}

/** Whether the approvers of the state after the change could have decided it too. */
export function refuseSuccessors(
  after: State,
  operation: Operation,
  signers: ReadonlySet<SigningKey>,
): QuorumRejection | null {
  if (!changesAuthority(operation)) return null;
  const have = count(signers, new Set(activeApprovers(after).map(({ key }) => key)));
  const need = after.threshold;
  return have < need ? { code: "too_few_successors", have, need } : null;
}

const count = (signers: ReadonlySet<SigningKey>, known: ReadonlySet<SigningKey>): number =>
  [...signers].filter((key) => known.has(key)).length;
