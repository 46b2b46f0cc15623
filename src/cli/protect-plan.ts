/**
 * protect-plan decides how one approver becomes several without a moment in which nobody could decide:
 * what is done, what waits for whom, and what comes next. It reads the state and does nothing.
 */
import type { Membership } from "../membership/membership.ts";
import type { Proposal } from "../membership/proposal.ts";
import { activeApprovers, type Approver } from "../membership/state.ts";
import type { Operation } from "../membership/update.ts";
import type { ApproverName } from "../model/names.ts";
import type { ApproverCard } from "../wire/approver-card.ts";

/** What is asked for: these people beside those there are, so many of whom have to sign. */
export type Protection = {
  readonly cards: readonly ApproverCard[];
  readonly threshold: number;
  /** The approver whose key lies on the control server's host, if that is to end. */
  readonly leaving: ApproverName | null;
};

export type Step = {
  readonly what: string;
  /** `next` can be proposed now; `later` follows the steps before it. */
  readonly state: "done" | "waits" | "next" | "later";
  /** Who has not signed what waits. */
  readonly missing: readonly ApproverName[];
  /** Null once it is done. */
  readonly operation: Operation | null;
};

type Wanted = Pick<Step, "what" | "operation">;

/** In the order in which they are taken: everybody gets a say before more than one has to agree. */
export function planProtection(
  membership: Membership,
  open: readonly Proposal[],
  protection: Protection,
): readonly Step[] {
  const { cards, threshold, leaving } = protection;
  const { state } = membership;
  const keys = new Set(activeApprovers(state).map(({ key }) => key));
  const additions = cards.map((card): Wanted => ({
    what: `${card.name} gets a say, as an owner`,
    operation: keys.has(card.key)
      ? null
      : { kind: "add_approver", approver: { ...card, role: "owner" } },
  }));
  const raising: Wanted = {
    what: `from then on ${threshold} have to sign`,
    operation: state.threshold === threshold ? null : { kind: "set_threshold", threshold },
  };
  // A checkpoint of a state with this threshold was decided by so many: they can.
  const isRehearsed = membership.checkpoint?.state.threshold === threshold;
  const rehearsal: Wanted = {
    what: `rehearsal: ${threshold} sign a checkpoint, which changes nothing`,
    operation: isRehearsed ? null : { kind: "checkpoint" },
  };
  return inOrder([...additions, raising, rehearsal, ...departure(membership, leaving)], open);
}

function departure({ state }: Membership, leaving: ApproverName | null): readonly Wanted[] {
  if (leaving === null) return [];
  const host = activeApprovers(state).find(({ name }) => name === leaving);
  const what = `the key on the control server, which is ${leaving}'s, decides nothing any more`;
  return [
    {
      what,
      operation: host === undefined ? null : { kind: "revoke_approver", approver: host.key },
    },
  ];
}

/** Additions may wait side by side; whatever follows begins once all before it is done. */
function inOrder(wanted: readonly Wanted[], open: readonly Proposal[]): readonly Step[] {
  let isAllDone = true;
  return wanted.map(({ what, operation }) => {
    if (operation === null) return { what, operation, state: "done", missing: [] };
    const proposal = open.find(({ update }) => isSame(update.operation, operation));
    const isFree = isAllDone || operation.kind === "add_approver";
    isAllDone = false;
    const state = proposal !== undefined ? "waits" : isFree ? "next" : "later";
    return { what, operation, state, missing: missingOf(proposal, operation) };
  });
}

const isSame = (left: Operation, right: Operation): boolean =>
  JSON.stringify(left) === JSON.stringify(right);

/** Whose word counts for it: a newcomer proves the key with it, and is the one to be asked first. */
function missingOf(proposal: Proposal | undefined, operation: Operation): readonly ApproverName[] {
  if (proposal === undefined) return [];
  const isUnproven = proposal.tally.verdict?.code === "key_unproven";
  if (isUnproven && operation.kind === "add_approver") return [operation.approver.name];
  return proposal.tally.missing.map(({ name }) => name);
}

/** Who is there once all is done. */
export function approversAfter(
  membership: Membership,
  { cards, leaving }: Protection,
): readonly Pick<Approver, "key" | "name" | "role">[] {
  const present = activeApprovers(membership.state).filter(({ name }) => name !== leaving);
  const known = new Set(present.map(({ key }) => key));
  const fresh = cards.filter(({ key }) => !known.has(key));
  return [...present, ...fresh.map((card) => ({ ...card, role: "owner" as const }))];
}

/** What the network could do after the loss of any one key, rehearsed for each of them. */
export type Loss = {
  readonly name: ApproverName;
  readonly left: readonly ApproverName[];
  /** Whether the others can still decide, also on who decides. */
  readonly canDecide: boolean;
};

export function rehearseLosses(
  approvers: readonly Pick<Approver, "key" | "name" | "role">[],
  threshold: number,
): readonly Loss[] {
  return approvers.map(({ key, name }) => {
    const left = approvers.filter((each) => each.key !== key);
    const hasOwner = left.some(({ role }) => role === "owner");
    const canDecide = left.length >= threshold && hasOwner;
    return { name, left: left.map((each) => each.name), canDecide };
  });
}
