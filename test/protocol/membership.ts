/** membership: sections 4.1, 4.3 and 4.5 of docs/protocol.md, written from the document alone. */
import { type As, demand, Envelope, fields, hex64, integer, openEnvelope } from "./text.ts";
import { perform, type Performed } from "./operations.ts";
import { active, Genesis, rootOf, type State } from "./state.ts";
import { id128, time } from "./types.ts";

/** Section 4.1. */
export function found(given: unknown, root: string): State {
  const { signers, value } = openEnvelope(given, "membership-genesis.v1");
  const genesis = Genesis(value);
  const { approvers } = genesis;
  for (const field of ["key", "name"] as const)
    demand(new Set(approvers.map((one) => one[field])).size === approvers.length, `${field} twice`);
  demand(active(genesis).length >= genesis.threshold, "a threshold that nobody reaches");
  demand(
    active(genesis).some(({ role }) => role === "owner"),
    "no owner",
  );
  const all = approvers.every((one) => signers.has(one.key));
  demand(all && signers.size === approvers.length, "not signed by its approvers");
  const rest = {
    epoch: 0,
    nodes: new Map(),
    retired: [],
    vouchers: new Map(),
    acceptedAt: 0,
    updates: new Set<string>(),
  };
  const state: State = { ...genesis, ...rest };
  demand(rootOf(state) === root, "another root");
  return state;
}

const Entry = fields({ acceptedAt: time, envelope: Envelope });
const Update = fields({
  network: id128,
  id: id128,
  epoch: integer(1, 2 ** 48),
  parent: hex64,
  root: hex64,
  createdAt: time,
  expiresAt: time,
  operation: (value: unknown) => value,
});

export type Opened = {
  readonly update: As<typeof Update>;
  readonly signers: ReadonlySet<string>;
  readonly acceptedAt: number;
};

export function openEntry(given: unknown): Opened {
  const { acceptedAt, envelope } = Entry(given);
  const { signers, value } = openEnvelope(envelope, "membership-update.v1");
  return { update: Update(value), signers, acceptedAt };
}

/** Section 4.3, what it says of times. `after` is the `acceptedAt` of the entry before. */
export function demandTimes({ update, acceptedAt }: Opened, after: number, now: number): void {
  const lifetime = update.expiresAt - update.createdAt;
  demand(lifetime > 0 && lifetime <= 30 * 86_400, "a lifetime");
  demand(update.createdAt <= acceptedAt + 90, "accepted before it was made");
  demand(acceptedAt <= update.expiresAt, "accepted too late");
  demand(acceptedAt >= after, "accepted before the one before");
  demand(acceptedAt <= now + 90, "accepted in the future");
}

/** Section 4.3. */
export function append(state: State, given: unknown, now: number): State {
  const opened = openEntry(given);
  const { update, signers, acceptedAt } = opened;
  demand(update.network === state.network, "another network");
  demand(update.epoch === state.epoch + 1, "another epoch");
  demand(update.parent === rootOf(state), "another parent");
  demand(!state.updates.has(update.id), "an id again");
  demandTimes(opened, state.acceptedAt, now);
  const performed = perform(state, update.operation, acceptedAt);
  demandSigners(state, performed, signers);
  const known = kindOf(update.operation) === "checkpoint" ? [] : state.updates;
  const updates = new Set(known).add(update.id);
  const next = { ...performed.after, epoch: update.epoch, acceptedAt, updates };
  demand(rootOf(next) === update.root, "another root after it");
  return next;
}

export const kindOf = (operation: unknown): unknown =>
  typeof operation === "object" && operation !== null && "kind" in operation
    ? operation.kind
    : undefined;

/** Section 4.5. */
export function demandSigners(
  before: State,
  { after, authority, newcomer, instead, orQuorum = false }: Performed,
  signers: ReadonlySet<string>,
): void {
  const areThese =
    instead !== undefined &&
    new Set(instead).size === signers.size &&
    instead.every((each) => signers.has(each));
  if (areThese) return;
  demand(instead === undefined || orQuorum, "not signed by those whose word it is");
  demandQuorum(before, after, signers, authority, newcomer);
}

function demandQuorum(
  before: State,
  after: State,
  signers: ReadonlySet<string>,
  authority: boolean,
  newcomer: string | null,
): void {
  const old = active(before).filter((one) => signers.has(one.key));
  demand(old.length >= before.threshold, "too few");
  const strangers = [...signers].filter((one) => !old.some((each) => each.key === one));
  demand(
    strangers.every((one) => one === newcomer),
    "a stranger signed",
  );
  demand(newcomer === null || signers.has(newcomer), "the new key did not sign");
  if (!authority) return;
  demand(
    old.some(({ role }) => role === "owner"),
    "no owner signed",
  );
  const young = active(after).filter((one) => signers.has(one.key));
  demand(young.length >= after.threshold, "too few of those to come");
}
