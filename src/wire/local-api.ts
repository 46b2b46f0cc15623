/** The daemon's local API as data: what the command line may ask, and what the answers look like. */
import * as v from "valibot";
import { NetworkId, NodeId, StateRoot, UpdateId } from "../model/ids.ts";
import { Endpoint, IpAddress, Ipv4Address, Ipv6Address } from "../model/ip.ts";
import { InterfaceName, NodeName, Owner, Tag } from "../model/names.ts";
import { Counter, UnixS } from "../model/time.ts";
import { Approvals } from "./enrollment.ts";

/** Two roles by peer credentials: who may look, and who may change. */
export type LocalAuthority = "read" | "change";

/** A finding about this host, with the way out. */
export const Finding = v.object({
  code: v.string(),
  message: v.string(),
  remedy: v.optional(v.string()),
});
export type Finding = v.InferOutput<typeof Finding>;

/**
 * logged_out: no network yet. waiting: asked to join, and the approvers have not decided yet.
 * stopped: a network, or a request to join one, and told to be down. joining: up, and no map
 * verified yet. running: the host is as the last verified map says. closed: trust ran out or was
 * broken, nothing passes. restricted: the host lacks something or an apply failed, nothing passes.
 */
export const DaemonState = v.picklist([
  "logged_out",
  "waiting",
  "stopped",
  "joining",
  "running",
  "closed",
  "restricted",
]);
export type DaemonState = v.InferOutput<typeof DaemonState>;

const Member = v.object({
  node: NodeId,
  name: NodeName,
  owner: Owner,
  tags: v.array(Tag),
  ipv4: Ipv4Address,
  ipv6: Ipv6Address,
});

export const PeerReport = v.object({
  ...Member.entries,
  /** `denied`: a member whom policy keeps apart from this node. `silent`: never advertised itself. */
  reach: v.picklist(["direct", "connecting", "silent", "denied"]),
  endpoint: v.nullable(Endpoint),
  lastHandshakeAt: v.nullable(UnixS),
  receivedBytes: v.number(),
  sentBytes: v.number(),
  presence: v.picklist(["online", "offline", "unknown"]),
  lastSeenAt: v.nullable(UnixS),
  os: v.nullable(v.string()),
});
export type PeerReport = v.InferOutput<typeof PeerReport>;

/** A request to join that others decide on. */
export const JoinReport = v.object({
  url: v.string(),
  network: NetworkId,
  name: NodeName,
  /** Of this node's identity key: whoever approves it sees the same. */
  fingerprint: v.string(),
  askedAt: UnixS,
  wanted: v.picklist(["up", "down"]),
  /** Null until the control server was asked since the daemon started. */
  approvals: v.nullable(Approvals),
  /** The same in words, the time that is left included. */
  words: v.nullable(v.string()),
  /** Why the last attempt to ask failed. It is tried again. */
  problem: v.nullable(Finding),
});
export type JoinReport = v.InferOutput<typeof JoinReport>;

export const Status = v.object({
  version: v.string(),
  state: DaemonState,
  /** Why the state is not `running`. */
  reason: v.nullable(Finding),
  network: v.nullable(NetworkId),
  /** What this host waits for before it is in a network; null when it does not. */
  request: v.nullable(JoinReport),
  self: v.nullable(Member),
  tunnel: v.nullable(
    v.object({
      backend: v.string(),
      why: v.string(),
      interface: InterfaceName,
      listenPort: v.number(),
      leaseS: v.nullable(v.number()),
    }),
  ),
  control: v.nullable(
    v.object({
      url: v.string(),
      state: v.picklist(["connected", "connecting", "refused", "off"]),
      since: UnixS,
      reason: v.nullable(Finding),
    }),
  ),
  trust: v.nullable(
    v.object({
      epoch: Counter,
      root: StateRoot,
      generation: Counter,
      signedAt: UnixS,
      holdUntil: UnixS,
    }),
  ),
  /** What is wrong or unusual though the daemon goes on. */
  findings: v.array(Finding),
  peers: v.array(PeerReport),
});
export type Status = v.InferOutput<typeof Status>;

/** What a node has seen of the membership. */
export const NodeAuditRecord = v.object({
  at: UnixS,
  event: v.picklist(["joined", "applied", "refused", "resolved"]),
  /** Where the log stood: with an applied change, after it. */
  epoch: Counter,
  /** The kind of the change, or why it was not believed. */
  code: v.string(),
  words: v.array(v.string()),
  /** Who signed the change, by name where the membership has one. */
  by: v.array(v.string()),
  /** How often, since it was written down the last time. */
  times: Counter,
});
export type NodeAuditRecord = v.InferOutput<typeof NodeAuditRecord>;

export type LocalCall = {
  readonly method: "get" | "post";
  readonly path: `/v1/${string}`;
  readonly needs: LocalAuthority;
  readonly input: v.GenericSchema;
  readonly output: v.GenericSchema;
};

const nothing = v.strictObject({});

export const localCalls = {
  status: { method: "get", path: "/v1/status", needs: "read", input: nothing, output: Status },
  whois: {
    method: "get",
    path: "/v1/whois",
    needs: "read",
    input: v.strictObject({ ip: IpAddress }),
    output: PeerReport,
  },
  /**
   * Joins with a token, or comes back up without one. Answers once the intent is on disk; where
   * approvers decide, with the state `waiting`, and the daemon asks on by itself.
   */
  up: {
    method: "post",
    path: "/v1/up",
    needs: "change",
    input: v.strictObject({ token: v.optional(v.string()), name: v.optional(NodeName) }),
    output: Status,
  },
  /** What this node has seen of the membership, oldest first. */
  auditList: {
    method: "get",
    path: "/v1/audit",
    needs: "read",
    input: nothing,
    output: v.object({ records: v.array(NodeAuditRecord) }),
  },
  /** Somebody has looked into two changes that a quorum signed for one state. The evidence stays. */
  membershipResolve: {
    method: "post",
    path: "/v1/membership/resolve",
    needs: "change",
    input: v.strictObject({ id: UpdateId }),
    output: Status,
  },
  down: { method: "post", path: "/v1/down", needs: "change", input: nothing, output: Status },
  logout: {
    method: "post",
    path: "/v1/logout",
    needs: "change",
    /** `local` forgets the network even though the control server cannot be told. */
    input: v.strictObject({ scope: v.picklist(["everywhere", "local"]) }),
    output: Status,
  },
} as const satisfies Record<string, LocalCall>;

export type LocalCallName = keyof typeof localCalls;
export type LocalInput<N extends LocalCallName> = v.InferOutput<(typeof localCalls)[N]["input"]>;
export type LocalOutput<N extends LocalCallName> = v.InferOutput<(typeof localCalls)[N]["output"]>;

export const localSocketDefault = "/run/rustynet/daemon.sock";
export const controlSocketDefault = "/run/rustynet-control/operator.sock";
