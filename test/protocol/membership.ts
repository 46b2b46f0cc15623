/** membership: sections 4.1, 4.3 and 4.5 of docs/protocol.md, written from the document alone. */
import { demand, Envelope, fields, hex64, integer, openEnvelope } from "./text.ts";
import { perform } from "./operations.ts";
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

/** Section 4.3. */
export function append(state: State, given: unknown, now: number): State {
  const { acceptedAt, envelope } = Entry(given);
  const { signers, value } = openEnvelope(envelope, "membership-update.v1");
  const update = Update(value);
  demand(update.network === state.network, "another network");
  demand(update.epoch === state.epoch + 1, "another epoch");
  demand(update.parent === rootOf(state), "another parent");
  demand(!state.updates.has(update.id), "an id again");
  const lifetime = update.expiresAt - update.createdAt;
  demand(lifetime > 0 && lifetime <= 30 * 86_400, "a lifetime");
  demand(update.createdAt <= acceptedAt + 90, "accepted before it was made");
  demand(acceptedAt <= update.expiresAt, "accepted too late");
  demand(acceptedAt >= state.acceptedAt, "accepted before the one before");
  demand(acceptedAt <= now + 90, "accepted in the future");
  const { after, authority, newcomer } = perform(state, update.operation);
  demandQuorum(state, after, signers, authority, newcomer);
  const updates = new Set(state.updates).add(update.id);
  const next = { ...after, epoch: update.epoch, acceptedAt, updates };
  demand(rootOf(next) === update.root, "another root after it");
  return next;
}

/** Section 4.5. */
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
