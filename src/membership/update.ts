/**
 * update is one signed change of the membership as it travels and rests: the operation, the two roots
 * it stands between, and the envelope that carries the approvers' signatures (protocol.md section 4.3).
 */
import * as v from "valibot";
import { Envelope } from "../crypto/envelope.ts";
import { NetworkId, NodeId, StateRoot, UpdateId } from "../model/ids.ts";
import { NodeName } from "../model/names.ts";
import { Counter, UnixS } from "../model/time.ts";
import { Node } from "./state.ts";

export const genesisType = "application/vnd.rustynet.membership-genesis.v1+json";
export const updateType = "application/vnd.rustynet.membership-update.v1+json";

/** An update that nobody has applied by its expiry is void; and no expiry is further away than this. */
export const updateLifetimeMaxS = 30 * 86_400;

/** A kind that is not listed here is refused, never skipped: it might be the one that expels a node. */
export const Operation = v.variant("kind", [
  v.strictObject({ kind: v.literal("add_node"), node: Node }),
  v.strictObject({ kind: v.literal("revoke_node"), node: NodeId }),
  v.strictObject({ kind: v.literal("rename_node"), node: NodeId, name: NodeName }),
]);
export type Operation = v.InferOutput<typeof Operation>;

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
