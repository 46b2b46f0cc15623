/**
 * proposal judges updates that are not in the log yet: what each would change, who has signed it and
 * whose word is missing. Proposals build on one another, so that people can sign many in one go.
 */
import { err, ok, type Result } from "../base/result.ts";
import type { Envelope } from "../crypto/envelope.ts";
import type { StateRoot } from "../model/ids.ts";
import type { Counter, UnixS } from "../model/time.ts";
import { describeOperation } from "./describe.ts";
import {
  advance,
  type Membership,
  type OpenedUpdate,
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
  return opened.ok ? weigh(membership, envelope, opened.value, now) : opened;
}

function weigh(
  membership: Membership,
  envelope: Envelope,
  { update, signers }: OpenedUpdate,
  now: UnixS,
): Result<Proposal, Rejection> {
  const acceptedAt = Math.max(now, membership.acceptedAt);
  const refusal =
    refusePlace(membership, update) ?? refuseTime(membership, update, acceptedAt, now);
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

/** Where a proposal may begin: the log's end, or where another proposal would lead. */
type Footing = {
  readonly membership: Membership;
  /** The first change on the way there that no quorum has decided; null when all of them are. */
  readonly undecided: Counter | null;
};

/**
 * Judges proposals, each after the one that it builds on. `envelopes` ascend by epoch. Several may
 * follow the same state: one of them at most will be taken in, and with it those that build on it. Where
 * two are the same change, what follows is judged after the first of them that is decided.
 */
export function openProposals(
  membership: Membership,
  envelopes: readonly Envelope[],
  now: UnixS,
): readonly Judged[] {
  const end: Footing = { membership, undecided: null };
  const footings = new Map<StateRoot, Footing>([[membership.root, end]]);
  return envelopes.map((envelope) => {
    const opened = openUpdate(envelope);
    if (!opened.ok) return { kind: "void", envelope, why: opened.error };
    const footing = footings.get(opened.value.update.parent) ?? end;
    const judged = judge(footing, envelope, opened.value, now);
    if (!judged.ok) return { kind: "void", envelope, why: judged.error };
    const { update } = judged.value;
    const next = footingAfter(footing, judged.value);
    // The same change may have been proposed twice. What follows needs one of the two decided.
    const known = footings.get(update.root);
    if (known === undefined || known.undecided !== null) footings.set(update.root, next);
    return { kind: "open", proposal: judged.value };
  });
}

function judge(
  { membership, undecided }: Footing,
  envelope: Envelope,
  opened: OpenedUpdate,
  now: UnixS,
): Result<Proposal, Rejection> {
  const { kind } = opened.update.operation;
  const weighed = weigh(membership, envelope, opened, now);
  // Who believes a checkpoint asks for no signature below it: one would stand for all those missing.
  const isRash = weighed.ok && kind === "checkpoint" && undecided !== null;
  return isRash ? err({ code: "not_decided", epoch: undecided }) : weighed;
}

const footingAfter = ({ undecided }: Footing, { update, tally, leadsTo }: Proposal): Footing => ({
  membership: leadsTo,
  undecided: undecided ?? (tally.verdict === null ? null : update.epoch),
});
