/**
 * update is one signed change of the membership as it travels and rests: the operation, the two roots
 * it stands between, and the envelope that carries the approvers' signatures (protocol.md section 4.3).
 */
import * as v from "valibot";
import { Envelope } from "../crypto/envelope.ts";
import { NetworkId, NodeId, StateRoot, UpdateId } from "../model/ids.ts";
import { SigningKey } from "../model/keys.ts";
import { NodeName, Owner } from "../model/names.ts";
import { Counter, UnixS } from "../model/time.ts";
import { Approver, Node, PolicyPin, Tags, Threshold, Voucher } from "./state.ts";

export const genesisType = "application/vnd.rustynet.membership-genesis.v1+json";
export const updateType = "application/vnd.rustynet.membership-update.v1+json";

/** An update that nobody has applied by its expiry is void; and no expiry is further away than this. */
export const updateLifetimeMaxS = 30 * 86_400;

/** A key that is to become an approver's, and active at once. */
export const Candidate = v.omit(Approver, ["status"]);
export type Candidate = v.InferOutput<typeof Candidate>;

/** Operations that only name a node, and those that only name a key. */
const ofNode = <const K extends string>(kind: K) =>
  v.strictObject({ kind: v.literal(kind), node: NodeId });
const ofKey = <const K extends string>(kind: K) =>
  v.strictObject({ kind: v.literal(kind), key: SigningKey });

/** A kind that is not listed here is refused, never skipped: it might be the one that expels a node. */
export const Operation = v.variant(
  "kind",
  [
    v.strictObject({ kind: v.literal("add_node"), node: Node }),
    ofNode("remove_node"),
    ofNode("revoke_node"),
    ofNode("restore_node"),
    ofNode("quarantine_node"),
    v.strictObject({ kind: v.literal("rename_node"), node: NodeId, name: NodeName }),
    v.strictObject({ kind: v.literal("retag_node"), node: NodeId, tags: Tags }),
    v.strictObject({ kind: v.literal("reown_node"), node: NodeId, owner: Owner }),
    v.strictObject({ kind: v.literal("rotate_node_key"), node: NodeId, key: SigningKey }),
    v.strictObject({ kind: v.literal("add_approver"), approver: Candidate }),
    v.strictObject({ kind: v.literal("rotate_approver"), approver: SigningKey, key: SigningKey }),
    v.strictObject({ kind: v.literal("revoke_approver"), approver: SigningKey }),
    v.strictObject({ kind: v.literal("set_threshold"), threshold: Threshold }),
    ofKey("add_control_key"),
    ofKey("revoke_control_key"),
    ofKey("add_relay_key"),
    ofKey("revoke_relay_key"),
    v.strictObject({ kind: v.literal("pin_policy"), policy: PolicyPin }),
    v.strictObject({ kind: v.literal("add_voucher"), voucher: Voucher }),
    ofKey("revoke_voucher"),
    v.strictObject({ kind: v.literal("redeem_voucher"), voucher: SigningKey, node: Node }),
    v.strictObject({ kind: v.literal("checkpoint") }),
  ],
  "a kind of operation that this version does not know",
);
export type Operation = v.InferOutput<typeof Operation>;

/** The node that an operation is about; null when it is about the network. */
export function subjectOf(operation: Operation): NodeId | null {
  if (!("node" in operation)) return null;
  return typeof operation.node === "string" ? operation.node : operation.node.id;
}

export const Update = v.strictObject({
  network: NetworkId,
  id: UpdateId,
  epoch: v.pipe(Counter, v.minValue(1)),
  parent: StateRoot,
  root: StateRoot,
  createdAt: UnixS,
  expiresAt: UnixS,
  operation: Operation,
});
export type Update = v.InferOutput<typeof Update>;

/**
 * An update in the log. `acceptedAt` is when the control server took it in: it lets history be judged
 * by the clock of its own day. The quorum does not sign it; a later update confirms it.
 */
export const LogEntry = v.strictObject({ acceptedAt: UnixS, envelope: Envelope });
export type LogEntry = v.InferOutput<typeof LogEntry>;
