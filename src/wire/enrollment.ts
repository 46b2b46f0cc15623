/** enrollment is how a machine with a join token becomes a node (protocol.md section 6.2). */
import * as v from "valibot";
import { Envelope } from "../crypto/envelope.ts";
import { Snapshot } from "../membership/snapshot.ts";
import { approversMax } from "../membership/state.ts";
import { LogEntry } from "../membership/update.ts";
import { NetworkId, NodeId, Nonce } from "../model/ids.ts";
import { SigningKey } from "../model/keys.ts";
import { ApproverName, NodeName } from "../model/names.ts";
import { Counter, UnixS } from "../model/time.ts";
import { EnrollmentSecret } from "./join-token.ts";

export const enrollmentType = "application/vnd.rustynet.enrollment.v1+json";

/** Signed with the very key it names, which proves that the sender holds it. */
export const EnrollmentRequest = v.strictObject({
  network: NetworkId,
  key: SigningKey,
  /** The name that the node would like; it gets a numbered one when somebody has it. */
  name: NodeName,
  nonce: Nonce,
  issuedAt: UnixS,
});
export type EnrollmentRequest = v.InferOutput<typeof EnrollmentRequest>;

export const EnrollmentInput = v.strictObject({ secret: EnrollmentSecret, request: Envelope });
export type EnrollmentInput = v.InferOutput<typeof EnrollmentInput>;

/** A log with its proof: from the genesis statement, over the last checkpoint if there is one. */
const history = {
  genesis: Envelope,
  snapshot: v.nullable(Snapshot),
  entries: v.array(LogEntry),
};

/** Whose word an admission waits for: approvers by name, in the order of the membership. */
export const Approvals = v.strictObject({
  need: Counter,
  signed: v.pipe(v.array(ApproverName), v.maxLength(approversMax)),
  missing: v.pipe(v.array(ApproverName), v.maxLength(approversMax)),
  /** When what has been signed so far is void; null while nobody has proposed the admission. */
  expiresAt: v.nullable(UnixS),
});
export type Approvals = v.InferOutput<typeof Approvals>;

export const EnrollmentOutput = v.variant("status", [
  v.strictObject({ status: v.literal("admitted"), node: NodeId, ...history }),
  /** Asking again with the same key and secret says how far it is; nothing is used up by that. */
  v.strictObject({ status: v.literal("waiting"), node: NodeId, approvals: Approvals }),
]);
export type EnrollmentOutput = v.InferOutput<typeof EnrollmentOutput>;
export type Admission = Extract<EnrollmentOutput, { status: "admitted" }>;

/**
 * What who holds a voucher asks with: the log, to write the admission upon. The request is signed by
 * the voucher's key too, so that the log is shown to nobody who could not join.
 */
export const VoucherHistoryInput = v.strictObject({ request: Envelope });
export const VoucherHistoryOutput = v.strictObject(history);
export type History = v.InferOutput<typeof VoucherHistoryOutput>;

/** A `redeem_voucher` that follows the log as it stands, signed by voucher and node. */
export const VoucherRedeemInput = v.strictObject({ update: Envelope });
