/** snapshot: section 4.6 of docs/protocol.md, written from the document alone. */
import { demandSigners, demandTimes, kindOf, openEntry } from "./membership.ts";
import { perform } from "./operations.ts";
import { Approver, Genesis, Policy, type Rest, rootOf, rootWith, type State } from "./state.ts";
import { demand, fields, hex64, list, type Read, spell } from "./text.ts";
import { ascending, counter, key, Node, Voucher } from "./types.ts";

const anything: Read<unknown> = (value) => value;
const many = Number.MAX_SAFE_INTEGER;

/** Fields that may be missing: each is read where it is there. */
function withSome<T>(
  names: readonly string[],
  reader: (there: readonly string[]) => Read<T>,
): Read<T> {
  return (value) => {
    const given = typeof value === "object" && value !== null ? Object.keys(value) : [];
    return reader(names.filter((name) => given.includes(name)))(value);
  };
}

const Rest: Read<Rest> = withSome(["retired", "vouchers"], (there) =>
  fields({
    control: ascending(key, 16),
    relays: ascending(key, 16),
    policy: Policy,
    nodes: hex64,
    ...Object.fromEntries(there.map((name) => [name, hex64])),
  }),
);

const Snapshot = fields({
  authority: list(fields({ entry: anything, rest: Rest }), many),
  checkpoint: anything,
  state: anything,
});

const inOrder =
  <T>(reader: Read<T>, idOf: (item: T) => string, most: number): Read<readonly T[]> =>
  (value) => {
    const items = list(reader, most)(value);
    ascending(hex64, most)(items.map(idOf));
    return items;
  };

/** The fields of 4.1 with three arrays beside them; approvers without a limit. */
function readState(value: unknown) {
  const { approvers, epoch, nodes, retired, vouchers, ...rest } = fields({
    ...Object.fromEntries(fixed.map((name) => [name, anything])),
    approvers: list(Approver, many),
    epoch: counter,
    nodes: inOrder(Node, ({ id }) => id, 50_000),
    retired: inOrder(key, (each) => each, many),
    vouchers: inOrder(Voucher, (voucher) => voucher.key, 1_000),
  })(value);
  const genesis = Genesis({ ...rest, approvers: [] });
  return { ...genesis, approvers, epoch, nodes, retired, vouchers };
}
const fixed = ["version", "network", "ranges", "threshold", "control", "relays", "policy"];

/** Where a snapshot leads to, by the state at the genesis. */
export function restore(genesis: State, given: unknown, now: number): State {
  const snapshot = Snapshot(given);
  let known = genesis;
  for (const { entry, rest } of snapshot.authority) known = follow(known, entry, rest, now);

  const opened = openEntry(snapshot.checkpoint);
  const { update, signers, acceptedAt } = opened;
  demand(kindOf(update.operation) === "checkpoint", "not a checkpoint");
  demand(update.network === genesis.network, "another network");
  demand(update.epoch > known.epoch, "older than who may sign");
  demandTimes(opened, known.acceptedAt, now);
  demandSigners(known, perform(known, update.operation, acceptedAt), signers);

  const { nodes, vouchers, ...rest } = readState(snapshot.state);
  for (const field of ["network", "ranges", "approvers", "threshold"] as const)
    demand(spell(rest[field]) === spell(known[field]), `other ${field}`);
  demand(rest.epoch === update.epoch, "another epoch");
  demandDistinct(nodes);
  const state: State = {
    ...rest,
    nodes: new Map(nodes.map((node) => [node.id, node])),
    vouchers: new Map(vouchers.map((voucher) => [voucher.key, voucher])),
    acceptedAt,
    updates: new Set([update.id]),
  };
  demand(rootOf(state) === update.root, "another root");
  demand(rootOf({ ...state, epoch: state.epoch - 1 }) === update.parent, "another parent");
  return state;
}

function follow(before: State, entry: unknown, rest: Rest, now: number): State {
  const opened = openEntry(entry);
  const { update, signers, acceptedAt } = opened;
  demand(
    ["add_approver", "rotate_approver", "revoke_approver", "set_threshold"].includes(
      String(kindOf(update.operation)),
    ),
    "does not change who may sign",
  );
  demand(update.network === before.network, "another network");
  demand(update.epoch > before.epoch, "out of order");
  demandTimes(opened, before.acceptedAt, now);
  const { control, relays } = rest;
  const state = { ...before, control, relays, epoch: update.epoch - 1 };
  demand(rootWith(state, rest) === update.parent, "does not follow from those who may sign");
  const performed = perform(state, update.operation, acceptedAt);
  demandSigners(state, performed, signers);
  const after = { ...performed.after, epoch: update.epoch, acceptedAt };
  demand(rootWith(after, rest) === update.root, "another root after it");
  return after;
}

function demandDistinct(nodes: readonly Node[]): void {
  const named = nodes.filter(({ status }) => status !== "revoked").map(({ name }) => name);
  const lists = [
    named,
    ...(["ipv4", "ipv6", "key"] as const).map((field) => nodes.map((node) => node[field])),
  ];
  for (const items of lists) demand(new Set(items).size === items.length, "shared by two nodes");
}
