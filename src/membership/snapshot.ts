/**
 * snapshot carries a whole state with the proof that a quorum vouched for it, so that nobody has to
 * replay history: the changes of who may sign, from genesis on, and the last checkpoint
 * (protocol.md section 4.6).
 */
import * as v from "valibot";
import { assert } from "../base/assert.ts";
import { equalBytes } from "../base/bytes.ts";
import { err, ok, type Result } from "../base/result.ts";
import { type CanonicalValue, encodeCanonical } from "../crypto/canonical.ts";
import type { UnixS } from "../model/time.ts";
import { documentOf, StateDocument, stateOf } from "./document.ts";
import {
  type AuthorityEntry,
  type Membership,
  nodeIdOf,
  type OpenedUpdate,
  openUpdate,
  refuseTime,
} from "./membership.ts";
import { changesApprovers, refuseSigners, refuseSuccessors } from "./quorum.ts";
import { reduce } from "./reducer.ts";
import type { Rejection, SnapshotField } from "./rejection.ts";
import { RootRest, rootOf, rootWith, type State, textKey } from "./state.ts";
import { Trie } from "./trie.ts";
import { LogEntry, type Update } from "./update.ts";

export const Snapshot = v.strictObject({
  /** Every entry before the checkpoint that changed who may sign, each with what it left alone. */
  authority: v.array(v.strictObject({ entry: LogEntry, rest: RootRest })),
  checkpoint: LogEntry,
  /** The state that the checkpoint leads to. */
  state: StateDocument,
});
export type Snapshot = v.InferOutput<typeof Snapshot>;

/** The last checkpoint with its proof; null while there is none. */
export function takeSnapshot({ authority, checkpoint }: Membership): Snapshot | null {
  if (checkpoint === null) return null;
  const { entry, state, authorityCount } = checkpoint;
  return {
    authority: authority.slice(0, authorityCount),
    checkpoint: entry,
    state: documentOf(state),
  };
}

/**
 * The membership at a checkpoint, as who replayed the whole log would hold it. `genesis` is the
 * membership at epoch 0. Which entries lie between is the quorum's word; that nobody else could sign
 * is verified from the genesis on.
 */
export function restore(
  genesis: Membership,
  { authority, checkpoint, state: document }: Snapshot,
  now: UnixS,
): Result<Membership, Rejection> {
  assert(genesis.state.epoch === 0, "who may sign is followed from the genesis on");
  const opened = openUpdate(checkpoint.envelope);
  if (!opened.ok) return opened;
  const { update } = opened.value;
  if (update.operation.kind !== "checkpoint")
    return err({ code: "not_a_checkpoint", epoch: update.epoch });
  const before = followAuthority(genesis, authority, now);
  if (!before.ok) return before;
  // Building the state is the costly part: whoever may not sign does not get so far.
  const refusal =
    refuseDocument(before.value, update, document) ??
    refuseCheckpoint(before.value, opened.value, checkpoint.acceptedAt, now);
  if (refusal !== null) return err(refusal);
  const state = stateOf(document);
  if (state === null) return err({ code: "snapshot_mismatch", field: "nodes" });
  const unvouched = refuseRoots(state, update);
  if (unvouched !== null) return err(unvouched);
  return ok({
    state,
    root: update.root,
    acceptedAt: checkpoint.acceptedAt,
    updates: Trie.empty<typeof update.id>().with(textKey(update.id), update.id),
    authority,
    checkpoint: { entry: checkpoint, state, authorityCount: authority.length },
  });
}

/** Who may sign after these entries, and when the last was taken in. The rest of the state is genesis's. */
export type Authority = Pick<Membership, "state" | "acceptedAt">;

/** Verifies a chain of entries that change who may sign, from genesis on. */
export function followAuthority(
  genesis: Authority,
  entries: readonly AuthorityEntry[],
  now: UnixS,
): Result<Authority, Rejection> {
  let authority = genesis;
  for (const entry of entries) {
    const next = followOne(authority, entry, now);
    if (!next.ok) return next;
    authority = next.value;
  }
  return ok(authority);
}

/**
 * One change of who may sign. Its two roots are those of exactly the approvers known so far, and of
 * those it makes: no change before it can be left out, and none of another history put in.
 */
function followOne(
  before: Authority,
  { entry, rest }: AuthorityEntry,
  now: UnixS,
): Result<Authority, Rejection> {
  const opened = openUpdate(entry.envelope);
  if (!opened.ok) return opened;
  const { update, signers } = opened.value;
  const { epoch, operation, network } = update;
  const expected = before.state.network;
  if (network !== expected) return err({ code: "network_mismatch", expected });
  if (epoch <= before.state.epoch || !changesApprovers(operation))
    return err({ code: "not_of_authority", epoch });
  const { control, relays } = rest;
  const state = { ...before.state, control, relays, epoch: epoch - 1 };
  const parent = rootWith(state, rest);
  if (update.parent !== parent) return err({ code: "parent_mismatch", expected: parent });
  const refusal =
    refuseTime(before, update, entry.acceptedAt, now) ?? refuseSigners(state, operation, signers);
  if (refusal !== null) return err(refusal);
  const after = reduce(state, operation, { nodeIdOf });
  if (!after.ok) return after;
  const outvoted = refuseSuccessors(after.value, operation, signers);
  if (outvoted !== null) return err(outvoted);
  const next = { ...after.value, epoch };
  const root = rootWith(next, rest);
  if (update.root !== root) return err({ code: "root_mismatch", expected: root });
  return ok({ state: next, acceptedAt: entry.acceptedAt });
}

/** An entry that was left out, or one of another history, would show in who may sign. */
function refuseDocument(
  { state: authority }: Authority,
  { network, epoch }: Update,
  document: StateDocument,
): Rejection | null {
  if (network !== authority.network)
    return { code: "network_mismatch", expected: authority.network };
  const mismatch = (field: SnapshotField): Rejection => ({ code: "snapshot_mismatch", field });
  if (document.epoch !== epoch || epoch <= authority.epoch) return mismatch("epoch");
  const fixed = ["network", "ranges", "threshold", "approvers"] as const;
  const changed = fixed.find((field) => !isSame(document[field], authority[field]));
  return changed === undefined ? null : mismatch(changed);
}

const isSame = (left: CanonicalValue, right: CanonicalValue): boolean =>
  equalBytes(encodeCanonical(left), encodeCanonical(right));

const refuseCheckpoint = (
  authority: Authority,
  { update, signers }: OpenedUpdate,
  acceptedAt: UnixS,
  now: UnixS,
): Rejection | null =>
  refuseTime(authority, update, acceptedAt, now) ??
  refuseSigners(authority.state, update.operation, signers);

/** A checkpoint changes nothing but the epoch: both of its roots are those of the one state. */
function refuseRoots(state: State, update: Update): Rejection | null {
  const parent = rootOf({ ...state, epoch: state.epoch - 1 });
  if (update.parent !== parent) return { code: "parent_mismatch", expected: parent };
  const root = rootOf(state);
  return update.root === root ? null : { code: "root_mismatch", expected: root };
}
