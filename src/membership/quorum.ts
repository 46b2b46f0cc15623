/**
 * quorum decides whether those who signed may decide it. It counts approvers, not signatures: a key
 * counts once, and one that has no say refuses the whole.
 */
import type { SigningKey } from "../model/keys.ts";
import type { QuorumRejection } from "./rejection.ts";
import { activeApprovers, type State } from "./state.ts";
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
};

/** Whether an operation needs the old quorum and the new one, and an owner among the old. */
export const changesAuthority = ({ kind }: Operation): boolean => decidesWhoDecides[kind];

/** The key that an operation makes an approver's. It has to sign too: it is somebody's, then. */
export function newcomerOf(operation: Operation): SigningKey | null {
  if (operation.kind === "add_approver") return operation.approver.key;
  return operation.kind === "rotate_approver" ? operation.key : null;
}

/** Whether the approvers of the state before the change have decided it. */
export function refuseSigners(
  before: State,
  operation: Operation,
  signers: ReadonlySet<SigningKey>,
): QuorumRejection | null {
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
