/**
 * proposal judges updates that are not in the log yet: what each would change, who has signed it and
 * whose word is missing. Proposals build on one another, so that people can sign many in one go.
 */
import { err, ok, type Result } from "../base/result.ts";
import type { Envelope } from "../crypto/envelope.ts";
import type { StateRoot } from "../model/ids.ts";
import type { UnixS } from "../model/time.ts";
import { describeOperation } from "./describe.ts";
import {
  advance,
  type Membership,
  openUpdate,
  refusePlace,
  refuseTime,
  succeedBy,
} from "./membership.ts";
import { tally, type Tally } from "./quorum.ts";
import type { Rejection } from "./rejection.ts";
import type { Update } from "./update.ts";

export type Proposal = {
  readonly envelope: Envelope;
  readonly update: Update;
  /** What it changes, in words, by the state that it follows. */
  readonly words: readonly string[];
  readonly tally: Tally;
  /** The membership if it and those before it are taken in. */
  readonly leadsTo: Membership;
};

/** What an update says that is to follow `membership`, signed by enough people or not. */
export function openProposal(
  membership: Membership,
  envelope: Envelope,
  now: UnixS,
): Result<Proposal, Rejection> {
  const opened = openUpdate(envelope);
  if (!opened.ok) return opened;
  const { update, signers } = opened.value;
  const acceptedAt = Math.max(now, membership.acceptedAt);
  const refusal =
    refusePlace(membership, update) ?? refuseTime(membership, update, acceptedAt, acceptedAt);
  if (refusal !== null) return err(refusal);
  const next = advance(membership.state, update.operation);
  if (!next.ok) return next;
  if (next.value.root !== update.root)
    return err({ code: "root_mismatch", expected: next.value.root });
  const counted = tally(membership.state, next.value.state, update.operation, signers);
  // Nobody's word may ride along: whoever may not sign refuses the whole, however many others did.
  if (counted.verdict?.code === "not_an_approver") return err(counted.verdict);
  return ok({
    envelope,
    update,
    words: describeOperation(membership.state, update.operation),
    tally: counted,
    leadsTo: succeedBy(membership, { acceptedAt, envelope }, update, next.value),
  });
}

export type Judged =
  | { readonly kind: "open"; readonly proposal: Proposal }
  | { readonly kind: "void"; readonly envelope: Envelope; readonly why: Rejection };

/**
 * Judges proposals, each after the one that it builds on. `envelopes` ascend by epoch. Several may
 * follow the same state: one of them at most will be taken in, and with it those that build on it.
 */
export function openProposals(
  membership: Membership,
  envelopes: readonly Envelope[],
  now: UnixS,
): readonly Judged[] {
  const states = new Map<StateRoot, Membership>([[membership.root, membership]]);
  return envelopes.map((envelope) => {
    const opened = openUpdate(envelope);
    if (!opened.ok) return { kind: "void", envelope, why: opened.error };
    const before = states.get(opened.value.update.parent) ?? membership;
    const judged = openProposal(before, envelope, now);
    if (!judged.ok) return { kind: "void", envelope, why: judged.error };
    states.set(judged.value.update.root, judged.value.leadsTo);
    return { kind: "open", proposal: judged.value };
  });
}
