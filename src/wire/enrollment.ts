/** enrollment is how a machine with a join token becomes a node (protocol.md section 6.2). */
import * as v from "valibot";
import { Envelope } from "../crypto/envelope.ts";
import { LogEntry } from "../membership/update.ts";
import { NetworkId, NodeId, Nonce } from "../model/ids.ts";
import { SigningKey } from "../model/keys.ts";
import { NodeName } from "../model/names.ts";
import { UnixS } from "../model/time.ts";
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

export const EnrollmentOutput = v.variant("status", [
  v.strictObject({
    status: v.literal("admitted"),
    node: NodeId,
    genesis: Envelope,
    entries: v.array(LogEntry),
  }),
]);
export type EnrollmentOutput = v.InferOutput<typeof EnrollmentOutput>;
