/** operations: section 4.4 of docs/protocol.md, written from the document alone. */
import { type As, demand, fields, fromHex, hash, hex64, oneOf, type Read, spell } from "./text.ts";
import { active, Policy, type State, threshold, who } from "./state.ts";
import { ascending, contains, key, name, Node, nodeName, owner, Voucher } from "./types.ts";

export type Performed = {
  readonly after: State;
  readonly authority: boolean;
  readonly newcomer: string | null;
  /** Section 4.5: those whose word is enough, instead of a quorum's: these, and nobody else. */
  readonly instead?: readonly string[];
  /** Whether a quorum may sign it too. */
  readonly orQuorum?: boolean;
};
type Perform = (state: State, operation: unknown, acceptedAt: number) => Performed;

export function perform(state: State, operation: unknown, acceptedAt: number): Performed {
  const kind = typeof operation === "object" && operation !== null && "kind" in operation;
  const found = kind ? operations.get(String(operation.kind)) : undefined;
  demand(found !== undefined, "an unknown kind");
  return found(state, operation, acceptedAt);
}

const plain = (after: State): Performed => ({ after, authority: false, newcomer: null });

function demandFree(state: State, wanted: string): void {
  const roles = [
    ...[...state.nodes.values()].map((node) => node.key),
    ...state.approvers.map((one) => one.key),
    ...state.control,
    ...state.relays,
    ...state.retired,
    ...state.vouchers.keys(),
  ];
  demand(!roles.includes(wanted), "the key is not free");
}

function demandName(state: State, wanted: string): void {
  const holders = [...state.nodes.values()].filter(({ status }) => status !== "revoked");
  demand(!holders.some((node) => node.name === wanted), "the name is in use");
}

/** What is said of one node. `all` also of a revoked one. */
const ofNode =
  <const R extends Record<string, Read<unknown>>>(
    readers: R,
    change: (state: State, node: Node, given: { readonly [K in keyof R]: As<R[K]> }) => Node | null,
    all = false,
  ): Perform =>
  (state, operation) => {
    const given = fields({ kind: (kind) => kind, node: hex64, ...readers })(operation);
    const node = state.nodes.get(String(given.node));
    demand(node !== undefined, "unknown");
    demand(all || node.status !== "revoked", "revoked");
    const next = change(state, node, given);
    const nodes = new Map(state.nodes);
    if (next === null) nodes.delete(node.id);
    else nodes.set(node.id, next);
    const retired =
      next === null || next.key === node.key ? state.retired : [...state.retired, node.key];
    return plain({ ...state, nodes, retired });
  };

const addNode: Perform = (state, operation) => {
  const { node } = fields({ kind: oneOf("add_node"), node: Node })(operation);
  return plain(withNode(state, node));
};

function withNode(state: State, node: Node): State {
  demand(state.nodes.size < 50_000, "50 000 nodes");
  demand(!state.nodes.has(node.id), "known");
  demand(node.id === hash("rustynet/node-id/v1", fromHex(node.key)).toHex(), "not the key's id");
  demand(node.status === "active", "not active");
  demandName(state, node.name);
  for (const family of ["ipv4", "ipv6"] as const) {
    demand(contains(state.ranges[family], node[family]), "outside the ranges");
    const isTaken = [...state.nodes.values()].some((other) => other[family] === node[family]);
    demand(!isTaken, "the address is in use");
  }
  demandFree(state, node.key);
  return { ...state, nodes: new Map(state.nodes).set(node.id, node) };
}

const addVoucher: Perform = (state, operation) => {
  const { voucher } = fields({ kind: oneOf("add_voucher"), voucher: Voucher })(operation);
  demand(state.vouchers.size < 1_000, "1 000 vouchers");
  demandFree(state, voucher.key);
  return plain({ ...state, vouchers: new Map(state.vouchers).set(voucher.key, voucher) });
};

function withoutVoucher(state: State, gone: string): State {
  const vouchers = new Map(state.vouchers);
  demand(vouchers.delete(gone), "no such voucher");
  return { ...state, vouchers, retired: [...state.retired, gone] };
}

const revokeVoucher: Perform = (state, operation) => {
  const given = fields({ kind: oneOf("revoke_voucher"), key })(operation);
  return plain(withoutVoucher(state, given.key));
};

const redeemVoucher: Perform = (state, operation, acceptedAt) => {
  const kind = oneOf("redeem_voucher");
  const { voucher: wanted, node } = fields({ kind, voucher: key, node: Node })(operation);
  const voucher = state.vouchers.get(wanted);
  demand(voucher !== undefined, "no such voucher");
  demand(acceptedAt <= voucher.expiresAt, "the voucher has expired");
  demand(node.owner === voucher.owner, "another owner");
  demand(spell(node.tags) === spell(voucher.tags), "other tags");
  const admitted = withNode(state, node);
  const uses = voucher.uses - 1;
  const after =
    uses === 0
      ? withoutVoucher(admitted, wanted)
      : { ...admitted, vouchers: new Map(state.vouchers).set(wanted, { ...voucher, uses }) };
  return { ...plain(after), instead: [wanted, node.key] };
};

const revokeNode: Perform = (state, operation) => {
  const revoked = ofNode({}, (_, node) => ({ ...node, status: "revoked" }));
  const { node } = fields({ kind: (kind) => kind, node: hex64 })(operation);
  const own = state.nodes.get(node)?.key;
  const performed = revoked(state, operation, 0);
  return own === undefined ? performed : { ...performed, instead: [own], orQuorum: true };
};

const checkpoint: Perform = (state, operation) => {
  fields({ kind: oneOf("checkpoint") })(operation);
  return plain(state);
};

const addApprover: Perform = (state, operation) => {
  const { approver } = fields({ kind: oneOf("add_approver"), approver: fields(who) })(operation);
  demand(!active(state).some((one) => one.name === approver.name), "the name is in use");
  demand(active(state).length < 64, "64 approvers");
  demandFree(state, approver.key);
  const approvers = [...state.approvers, { ...approver, status: "active" as const }];
  return { after: { ...state, approvers }, authority: true, newcomer: approver.key };
};

function withoutApprover(state: State, gone: string) {
  const found = active(state).find((one) => one.key === gone);
  demand(found !== undefined, "no active approver");
  const approvers = state.approvers.map((one) =>
    one === found ? { ...one, status: "revoked" as const } : one,
  );
  return { found, approvers };
}

const rotateApprover: Perform = (state, operation) => {
  const given = fields({ kind: oneOf("rotate_approver"), approver: key, key })(operation);
  const { found, approvers } = withoutApprover(state, given.approver);
  demandFree(state, given.key);
  const after = { ...state, approvers: [...approvers, { ...found, key: given.key }] };
  return { after, authority: true, newcomer: given.key };
};

const demandReachable = (after: State): Performed => {
  demand(active(after).length >= after.threshold, "a threshold that nobody reaches");
  demand(
    active(after).some(({ role }) => role === "owner"),
    "no owner",
  );
  return { after, authority: true, newcomer: null };
};

const revokeApprover: Perform = (state, operation) => {
  const { approver } = fields({ kind: oneOf("revoke_approver"), approver: key })(operation);
  return demandReachable({ ...state, approvers: withoutApprover(state, approver).approvers });
};

const setThreshold: Perform = (state, operation) => {
  const given = fields({ kind: oneOf("set_threshold"), threshold })(operation);
  demand(given.threshold !== state.threshold, "the same");
  return demandReachable({ ...state, threshold: given.threshold });
};

const addKey =
  (which: "control" | "relays", authority: boolean): Perform =>
  (state, operation) => {
    const given = fields({ kind: (kind) => kind, key })(operation);
    demand(state[which].length < 16, "16 in the list");
    demandFree(state, given.key);
    const after = { ...state, [which]: [...state[which], given.key].sort() };
    return { after, authority, newcomer: null };
  };

const revokeKey =
  (which: "control" | "relays", least: number, authority: boolean): Perform =>
  (state, operation) => {
    const given = fields({ kind: (kind) => kind, key })(operation);
    demand(state[which].includes(given.key), "not in the list");
    demand(state[which].length > least, "the last one");
    const rest = state[which].filter((one) => one !== given.key);
    const after = { ...state, [which]: rest, retired: [...state.retired, given.key] };
    return { after, authority, newcomer: null };
  };

const pinPolicy: Perform = (state, operation) => {
  const { policy } = fields({ kind: oneOf("pin_policy"), policy: Policy })(operation);
  demand(spell(policy) !== spell(state.policy), "the same");
  return plain({ ...state, policy });
};

/** Section 4.4. */
const operations: ReadonlyMap<string, Perform> = new Map<string, Perform>([
  ["add_node", addNode],
  ["remove_node", ofNode({}, () => null, true)],
  ["revoke_node", revokeNode],
  [
    "restore_node",
    ofNode(
      {},
      (state, node) => {
        demand(node.status !== "active", "active");
        if (node.status === "revoked") demandName(state, node.name);
        return { ...node, status: "active" };
      },
      true,
    ),
  ],
  [
    "quarantine_node",
    ofNode({}, (_, node) => {
      demand(node.status !== "quarantined", "in quarantine");
      return { ...node, status: "quarantined" };
    }),
  ],
  [
    "rename_node",
    ofNode({ name: nodeName }, (state, node, given) => {
      demandName(state, given.name);
      return { ...node, name: given.name };
    }),
  ],
  [
    "retag_node",
    ofNode({ tags: ascending(name, 32) }, (_, node, { tags }) => {
      demand(spell(tags) !== spell(node.tags), "the same tags");
      return { ...node, tags };
    }),
  ],
  [
    "reown_node",
    ofNode({ owner }, (_, node, given) => {
      demand(given.owner !== node.owner, "the same owner");
      return { ...node, owner: given.owner };
    }),
  ],
  [
    "rotate_node_key",
    ofNode({ key }, (state, node, given) => {
      demandFree(state, given.key);
      return { ...node, key: given.key };
    }),
  ],
  ["add_approver", addApprover],
  ["rotate_approver", rotateApprover],
  ["revoke_approver", revokeApprover],
  ["set_threshold", setThreshold],
  ["add_control_key", addKey("control", true)],
  ["revoke_control_key", revokeKey("control", 1, true)],
  ["add_relay_key", addKey("relays", false)],
  ["revoke_relay_key", revokeKey("relays", 0, false)],
  ["pin_policy", pinPolicy],
  ["add_voucher", addVoucher],
  ["revoke_voucher", revokeVoucher],
  ["redeem_voucher", redeemVoucher],
  ["checkpoint", checkpoint],
]);
