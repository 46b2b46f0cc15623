/** rejection lists every reason for which a change of the membership is refused. */
import type { EnvelopeRejection } from "../crypto/envelope.ts";
import type { NetworkId, NodeId, StateRoot, UpdateId } from "../model/ids.ts";
import type { IpAddress } from "../model/ip.ts";
import type { SigningKey } from "../model/keys.ts";
import type { ApproverName, NodeName } from "../model/names.ts";
import type { UnixS } from "../model/time.ts";

/** Why an operation does not apply to a state, whoever signs it. */
export type OperationRejection =
  | { readonly code: "already_a_member"; readonly node: NodeId }
  | { readonly code: "not_a_member"; readonly node: NodeId }
  | { readonly code: "already_revoked"; readonly node: NodeId }
  | { readonly code: "already_quarantined"; readonly node: NodeId }
  | { readonly code: "already_active"; readonly node: NodeId }
  | { readonly code: "not_admitted_active"; readonly node: NodeId }
  | { readonly code: "identity_mismatch"; readonly node: NodeId }
  | { readonly code: "name_in_use"; readonly name: NodeName }
  | { readonly code: "address_in_use"; readonly address: IpAddress }
  | { readonly code: "address_out_of_range"; readonly address: IpAddress }
  | { readonly code: "too_many_nodes"; readonly limit: number }
  | { readonly code: "key_in_use"; readonly key: SigningKey }
  | { readonly code: "key_retired"; readonly key: SigningKey }
  | { readonly code: "approver_unknown"; readonly key: SigningKey }
  | { readonly code: "approver_already_revoked"; readonly key: SigningKey }
  | { readonly code: "approver_name_in_use"; readonly name: ApproverName }
  | { readonly code: "too_many_approvers"; readonly limit: number }
  | { readonly code: "last_approver"; readonly key: SigningKey }
  | { readonly code: "owner_missing" }
  | { readonly code: "threshold_unreachable"; readonly have: number; readonly need: number }
  | { readonly code: "authority_unknown"; readonly key: SigningKey }
  | { readonly code: "last_control_key"; readonly key: SigningKey }
  | { readonly code: "too_many_authorities"; readonly limit: number }
  | { readonly code: "too_many_vouchers"; readonly limit: number }
  | { readonly code: "voucher_unknown"; readonly key: SigningKey }
  | { readonly code: "voucher_for_others"; readonly key: SigningKey }
  | { readonly code: "nothing_changes" };

/** Why those who signed are not those who may decide it. */
export type QuorumRejection =
  | { readonly code: "not_an_approver"; readonly key: SigningKey }
  | { readonly code: "too_few_signatures"; readonly have: number; readonly need: number }
  | { readonly code: "too_few_successors"; readonly have: number; readonly need: number }
  | { readonly code: "owner_did_not_sign" }
  | { readonly code: "key_unproven"; readonly key: SigningKey }
  | { readonly code: "voucher_unproven"; readonly key: SigningKey };

/** Why a statement does not belong in this log. */
export type Rejection =
  | OperationRejection
  | QuorumRejection
  | { readonly code: "envelope_refused"; readonly why: EnvelopeRejection }
  | { readonly code: "payload_unknown"; readonly issue: string }
  | { readonly code: "network_mismatch"; readonly expected: NetworkId }
  | { readonly code: "root_mismatch"; readonly expected: StateRoot }
  | { readonly code: "parent_mismatch"; readonly expected: StateRoot }
  | { readonly code: "epoch_mismatch"; readonly expected: number }
  | { readonly code: "approver_repeated" }
  | { readonly code: "update_repeated"; readonly id: UpdateId }
  | { readonly code: "lifetime_invalid" }
  | { readonly code: "not_yet_valid"; readonly createdAt: UnixS }
  | { readonly code: "expired"; readonly expiresAt: UnixS }
  | { readonly code: "out_of_order"; readonly after: UnixS }
  | { readonly code: "voucher_expired"; readonly expiresAt: UnixS }
  | { readonly code: "not_a_checkpoint"; readonly epoch: number }
  | { readonly code: "not_of_authority"; readonly epoch: number }
  | { readonly code: "not_decided"; readonly epoch: number }
  | { readonly code: "snapshot_mismatch"; readonly field: SnapshotField };

/** What of a snapshot's state is told apart before its root is computed. */
export type SnapshotField = "network" | "ranges" | "epoch" | "approvers" | "threshold" | "nodes";
