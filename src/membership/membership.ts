/**
 * membership decides who belongs to the network. `found` verifies the beginning, `append` one more
 * entry; each verifies and applies in one step, so that no unverified way into a state exists.
 */
import * as v from "valibot";
import { encodeHex } from "../base/bytes.ts";
import { err, ok, type Result } from "../base/result.ts";
import { type Envelope, openEnvelope } from "../crypto/envelope.ts";
import { hashOf } from "../crypto/hash.ts";
import { firstIssueOnly, wordIssue } from "../model/issue.ts";
import { NodeId, type StateRoot, type UpdateId } from "../model/ids.ts";
import type { SigningKey } from "../model/keys.ts";
import { skewMaxS, type UnixS } from "../model/time.ts";
import { changesApprovers, refuseSigners, refuseSuccessors } from "./quorum.ts";
import { reduce } from "./reducer.ts";
import type { OperationRejection, Rejection } from "./rejection.ts";
import {
  activeApprovers,
  Genesis,
  genesisState,
  restOf,
  rootOf,
  type RootRest,
  type State,
  succeed,
  textKey,
} from "./state.ts";
import { Trie } from "./trie.ts";
import {
  genesisType,
  type LogEntry,
  type Operation,
  Update,
  updateLifetimeMaxS,
  updateType,
} from "./update.ts";

export type Membership = {
  readonly state: State;
  readonly root: StateRoot;
  /** When the last entry was taken in: the log never goes back in time. 0 at genesis. */
  readonly acceptedAt: UnixS;
  /** The ids of all updates since the last checkpoint, that one's included, by the hash of their text. */
  readonly updates: Trie<UpdateId>;
  /** The entries that changed who may sign, from genesis on, in order. */
  readonly authority: readonly AuthorityEntry[];
  /** The last checkpoint, and the state that it vouches for; null before the first. */
  readonly checkpoint: Checkpoint | null;
};

/** A change of who may sign, with the rest of what its parent stands for: it is verified without the log. */
export type AuthorityEntry = { readonly entry: LogEntry; readonly rest: RootRest };

export type Checkpoint = {
  readonly entry: LogEntry;
  readonly state: State;
  /** How many of the entries that changed who may sign come before it. */
  readonly authorityCount: number;
};

/** The id under which an identity key is first admitted. */
export const nodeIdOf = (key: SigningKey): NodeId =>
  v.parse(NodeId, encodeHex(hashOf("rustynet/node-id/v1", Uint8Array.fromHex(key))));

/**
 * Verifies a genesis statement against the root that the caller was told. Every approver it names
 * has signed it, so that no key is in force that nobody holds.
 */
export function found(envelope: Envelope, expected: StateRoot): Result<Membership, Rejection> {
  const opened = openEnvelope(envelope, genesisType);
  if (!opened.ok) return err({ code: "envelope_refused", why: opened.error });
  const parsed = v.safeParse(Genesis, opened.value.value, firstIssueOnly);
  if (!parsed.success) return err({ code: "payload_unknown", issue: wordIssue(parsed.issues) });
  const state = genesisState(parsed.output);
  const refusal = refuseFounders(state, opened.value.signers);
  if (refusal !== null) return err(refusal);
  const root = rootOf(state);
  if (root !== expected) return err({ code: "root_mismatch", expected });
  return ok({
    state,
    root,
    acceptedAt: 0,
    updates: Trie.empty(),
    authority: [],
    checkpoint: null,
  });
}

function refuseFounders(state: State, signers: ReadonlySet<SigningKey>): Rejection | null {
  const keys = new Set(state.approvers.map((approver) => approver.key));
  const names = new Set(state.approvers.map((approver) => approver.name));
  if (keys.size !== state.approvers.length || names.size !== state.approvers.length)
    return { code: "approver_repeated" };
  const active = activeApprovers(state);
  if (active.length < state.threshold)
    return { code: "threshold_unreachable", have: active.length, need: state.threshold };
  if (!active.some((approver) => approver.role === "owner")) return { code: "owner_missing" };
  const stranger = [...signers].find((key) => !keys.has(key));
  if (stranger !== undefined) return { code: "not_an_approver", key: stranger };
  const have = signers.size;
  return have === keys.size ? null : { code: "too_few_signatures", have, need: keys.size };
}

/** The membership after one more entry, or why the entry does not belong in this log. */
export function append(
  membership: Membership,
  entry: LogEntry,
  now: UnixS,
): Result<Membership, Rejection> {
  const opened = openUpdate(entry.envelope);
  if (!opened.ok) return opened;
  const { update, signers } = opened.value;
  const refusal =
    refusePlace(membership, update) ??
    refuseTime(membership, update, entry.acceptedAt, now) ??
    refuseSigners(membership.state, update.operation, signers);
  if (refusal !== null) return err(refusal);

  const next = advance(membership.state, update.operation);
  if (!next.ok) return next;
  const outvoted = refuseSuccessors(next.value.state, update.operation, signers);
  if (outvoted !== null) return err(outvoted);
  if (next.value.root !== update.root)
    return err({ code: "root_mismatch", expected: next.value.root });
  return ok(succeedBy(membership, entry, update, next.value));
}

export type OpenedUpdate = {
  readonly update: Update;
  readonly signers: ReadonlySet<SigningKey>;
};

/** What an envelope says and who signed it; not whether they may, nor whether it applies. */
export function openUpdate(envelope: Envelope): Result<OpenedUpdate, Rejection> {
  const opened = openEnvelope(envelope, updateType);
  if (!opened.ok) return err({ code: "envelope_refused", why: opened.error });
  const parsed = v.safeParse(Update, opened.value.value, firstIssueOnly);
  if (!parsed.success) return err({ code: "payload_unknown", issue: wordIssue(parsed.issues) });
  return ok({ update: parsed.output, signers: opened.value.signers });
}

/** The membership after an update that was verified, or as if it had been. */
export function succeedBy(
  membership: Membership,
  entry: LogEntry,
  { id, operation }: Update,
  next: Advanced,
): Membership {
  const isCheckpoint = operation.kind === "checkpoint";
  // Ids are told apart since the last checkpoint: who begins there must come to the same verdicts.
  const known = isCheckpoint ? Trie.empty<UpdateId>() : membership.updates;
  return {
    ...next,
    acceptedAt: entry.acceptedAt,
    updates: known.with(textKey(id), id),
    authority: changesApprovers(operation)
      ? [...membership.authority, { entry, rest: restOf(membership.state) }]
      : membership.authority,
    checkpoint: isCheckpoint
      ? { entry, state: next.state, authorityCount: membership.authority.length }
      : membership.checkpoint,
  };
}

export type Advanced = { readonly state: State; readonly root: StateRoot };

/** The state and root that an operation leads to: what a proposer signs, and a verifier compares. */
export function advance(state: State, operation: Operation): Result<Advanced, OperationRejection> {
  const next = reduce(state, operation, { nodeIdOf });
  if (!next.ok) return next;
  const succeeded = succeed(next.value);
  return ok({ state: succeeded, root: rootOf(succeeded) });
}

/** Whether an update follows what there is: of this network, from this state on, by an id of its own. */
export function refusePlace(
  { state, root, updates }: Membership,
  update: Update,
): Rejection | null {
  if (update.network !== state.network)
    return { code: "network_mismatch", expected: state.network };
  if (update.epoch !== state.epoch + 1)
    return { code: "epoch_mismatch", expected: state.epoch + 1 };
  if (update.parent !== root) return { code: "parent_mismatch", expected: root };
  // The chain of roots keeps replays out. An id that stands for two changes would mislead people.
  if (updates.has(textKey(update.id))) return { code: "update_repeated", id: update.id };
  return null;
}

/** Whether an update may be taken in at `acceptedAt`, by the clock of the verifier. */
export function refuseTime(
  membership: Pick<Membership, "acceptedAt" | "state">,
  { createdAt, expiresAt, operation }: Update,
  acceptedAt: UnixS,
  now: UnixS,
): Rejection | null {
  if (expiresAt <= createdAt || expiresAt - createdAt > updateLifetimeMaxS)
    return { code: "lifetime_invalid" };
  if (createdAt > acceptedAt + skewMaxS || acceptedAt > now + skewMaxS)
    return { code: "not_yet_valid", createdAt };
  if (acceptedAt > expiresAt) return { code: "expired", expiresAt };
  if (acceptedAt < membership.acceptedAt)
    return { code: "out_of_order", after: membership.acceptedAt };
  if (operation.kind !== "redeem_voucher") return null;
  const voucher = membership.state.vouchers.get(operation.voucher);
  return voucher === undefined || acceptedAt <= voucher.expiresAt
    ? null
    : { code: "voucher_expired", expiresAt: voucher.expiresAt };
}
