/**
 * snapshot carries a whole state with the proof that a quorum vouched for it, so that nobody has to
 * replay history: the changes of who may sign, from genesis on, and the last checkpoint
 * (protocol.md section 4.6).
 */
import * as v from "valibot";
import { err, ok, type Result } from "../base/result.ts";
import { encodeCanonical } from "../crypto/canonical.ts";
import { equalBytes } from "../base/bytes.ts";
import { SigningKey } from "../model/keys.ts";
import { Counter, type UnixS } from "../model/time.ts";
import { type Membership, nodeIdOf, openUpdate, refuseTime } from "./membership.ts";
import { changesApprovers, refuseSigners, refuseSuccessors } from "./quorum.ts";
import { reduce } from "./reducer.ts";
import type { Rejection } from "./rejection.ts";
import {
  Approver,
  Genesis,
  genesisState,
  Node,
  rootOf,
  type State,
  textKey,
  Voucher,
  withNode,
} from "./state.ts";
import { Trie } from "./trie.ts";
import { LogEntry } from "./update.ts";

/** A state as one document: what the root stands for, each set in ascending order. */
export const StateDocument = v.strictObject({
  ...Genesis.entries,
  // Revoked ones stay in the list: there may be more than a network begins with.
  approvers: v.array(Approver),
  epoch: Counter,
  nodes: v.array(Node),
  retired: v.array(SigningKey),
  vouchers: v.array(Voucher),
});
export type StateDocument = v.InferOutput<typeof StateDocument>;

export const Snapshot = v.strictObject({
  /** Every entry up to the checkpoint that changed who may sign. */
  authority: v.array(LogEntry),
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
  const opened = openUpdate(checkpoint.envelope);
  if (!opened.ok) return opened;
  const { update, signers } = opened.value;
  const { network } = genesis.state;
  if (update.operation.kind !== "checkpoint")
    return err({ code: "not_a_checkpoint", epoch: update.epoch });
  if (update.network !== network) return err({ code: "network_mismatch", expected: network });

  const before = followAuthority(genesis, authority, now);
  if (!before.ok) return before;
  const state = stateOf(document);
  const refusal =
    refuseDocument(before.value, update.epoch, state) ??
    refuseTime(before.value, update, checkpoint.acceptedAt, now) ??
    refuseSigners(before.value.state, update.operation, signers);
  if (refusal !== null) return err(refusal);
  const parent = rootOf({ ...state, epoch: state.epoch - 1 });
  if (update.parent !== parent) return err({ code: "parent_mismatch", expected: parent });
  const root = rootOf(state);
  if (update.root !== root) return err({ code: "root_mismatch", expected: root });
  return ok({
    state,
    root,
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
  entries: readonly LogEntry[],
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

function followOne(before: Authority, entry: LogEntry, now: UnixS): Result<Authority, Rejection> {
  const opened = openUpdate(entry.envelope);
  if (!opened.ok) return opened;
  const { update, signers } = opened.value;
  const { epoch, operation } = update;
  const { network } = before.state;
  if (update.network !== network) return err({ code: "network_mismatch", expected: network });
  if (epoch <= before.state.epoch || !changesApprovers(operation))
    return err({ code: "not_of_authority", epoch });
  const refusal =
    refuseTime(before, update, entry.acceptedAt, now) ??
    refuseSigners(before.state, operation, signers);
  if (refusal !== null) return err(refusal);
  const after = reduce(before.state, operation, { nodeIdOf });
  if (!after.ok) return after;
  const outvoted = refuseSuccessors(after.value, operation, signers);
  if (outvoted !== null) return err(outvoted);
  return ok({ state: { ...after.value, epoch }, acceptedAt: entry.acceptedAt });
}

/** An entry that was left out, or one of another history, would show in who may sign. */
function refuseDocument(
  { state: authority }: Authority,
  epoch: Counter,
  state: State,
): Rejection | null {
  if (state.epoch !== epoch || epoch <= authority.epoch)
    return { code: "snapshot_mismatch", field: "epoch" };
  if (state.threshold !== authority.threshold)
    return { code: "snapshot_mismatch", field: "threshold" };
  const isSame = equalBytes(encodeCanonical(state.approvers), encodeCanonical(authority.approvers));
  return isSame ? null : { code: "snapshot_mismatch", field: "approvers" };
}

function documentOf(state: State): StateDocument {
  const { network, ranges, threshold, approvers, control, relays, policy, epoch } = state;
  return {
    version: 1,
    network,
    ranges,
    threshold,
    approvers: [...approvers],
    control: [...control],
    relays: [...relays],
    policy,
    epoch,
    nodes: [...state.nodes.values()],
    retired: [...state.retired.values()],
    vouchers: [...state.vouchers.values()],
  };
}

/** Whether it is a state that the rules lead to is not known here: the root is compared. */
function stateOf({ nodes, retired, vouchers, epoch, ...rest }: StateDocument): State {
  let state: State = { ...genesisState(rest), epoch };
  for (const node of nodes) state = withNode(state, node);
  return {
    ...state,
    retired: trieOf(retired, (key) => key),
    vouchers: trieOf(vouchers, ({ key }) => key),
  };
}

function trieOf<V>(values: readonly V[], keyOf: (value: V) => string): Trie<V> {
  let trie = Trie.empty<V>();
  for (const value of values) trie = trie.with(keyOf(value), value);
  return trie;
}
