/** The control API as data: what each call takes, gives and needs, and nothing of how it is served. */
import * as v from "valibot";
import { Envelope } from "../crypto/envelope.ts";
import { Node } from "../membership/state.ts";
import { Operation, updateLifetimeMaxS } from "../membership/update.ts";
import { CredentialId, NetworkId, NodeId, StateRoot, UpdateId } from "../model/ids.ts";
import { TlsPin } from "../model/keys.ts";
import { ApproverName, NodeName, Owner, Tag } from "../model/names.ts";
import { Counter, UnixS } from "../model/time.ts";
import { Dossier } from "./dossier.ts";
import {
  EnrollmentInput,
  EnrollmentOutput,
  VoucherHistoryInput,
  VoucherHistoryOutput,
  VoucherRedeemInput,
} from "./enrollment.ts";
import { Head } from "./advertisement.ts";
import { ControlUrl } from "./join-token.ts";

/**
 * Who may call. `anyone` reaches the port; a `member` signs with the identity key of an active node,
 * an `approver` with an approver key that is in force; an `operator` is root, or the service's own
 * user, at the socket on the control server's host. An operator may make an approver's calls: what
 * these carry is signed by approvers, whoever brings it.
 */
export type Authority = "anyone" | "member" | "approver" | "operator";

export type Call = {
  readonly method: "get" | "post";
  readonly path: `/v1/${string}`;
  readonly needs: Authority;
  readonly input: v.GenericSchema;
  readonly output: v.GenericSchema;
};

export const credentialLifetimeMaxS = 90 * 86_400;

export const CredentialState = v.picklist(["created", "used", "expired", "revoked"]);

export const Credential = v.strictObject({
  id: CredentialId,
  owner: Owner,
  tags: v.array(Tag),
  state: CredentialState,
  usesMax: Counter,
  uses: Counter,
  createdAt: UnixS,
  expiresAt: UnixS,
  createdBy: v.string(),
});
export type Credential = v.InferOutput<typeof Credential>;

/** A node as the control server knows it: the log's record, and what only it can say. */
export const NodeReport = v.strictObject({
  node: Node,
  presence: v.picklist(["online", "offline", "never"]),
  lastSeenAt: v.nullable(UnixS),
  /** The map generation that the node says it has applied. */
  appliedGeneration: v.nullable(Counter),
  os: v.nullable(v.string()),
  software: v.nullable(v.string()),
});
export type NodeReport = v.InferOutput<typeof NodeReport>;

export const AuditRecord = v.strictObject({
  sequence: Counter,
  at: UnixS,
  actor: v.string(),
  event: v.string(),
  subject: v.string(),
  detail: v.string(),
  /** SHA-256 over the record before and this one: a changed or missing row breaks the chain. */
  hash: v.string(),
});
export type AuditRecord = v.InferOutput<typeof AuditRecord>;

/** Printable text of a person, to be shown to others. */
export const Reason = v.pipe(
  v.string(),
  v.regex(/^[\x20-\x7e]{1,200}$/, "not 1 to 200 printable letters"),
);

/**
 * What became of an update that was sent in. `pending` waits for signatures; `applied` is in the log;
 * `superseded` was made for a state that another change has followed meanwhile; `conflicting` is that
 * too, and a quorum had signed both: somebody has to look into it.
 */
export const ProposalState = v.picklist([
  "pending",
  "applied",
  "rejected",
  "expired",
  "superseded",
  "conflicting",
]);
export type ProposalState = v.InferOutput<typeof ProposalState>;

export const Outcome = v.strictObject({
  id: UpdateId,
  epoch: Counter,
  state: ProposalState,
  words: v.array(v.string()),
  need: Counter,
  signed: v.array(ApproverName),
  missing: v.array(ApproverName),
  expiresAt: UnixS,
  /** Why it is not decided yet, or not any more: a refusal in words. Null once it is applied. */
  why: v.nullable(v.string()),
});
export type Outcome = v.InferOutput<typeof Outcome>;

const Outcomes = v.object({ outcomes: v.array(Outcome), head: Head });

/** A node after a change. It is as before while the change is a proposal that waits for others. */
const NodeChange = v.object({ node: Node, head: Head, outcome: v.nullable(Outcome) });

/** As many as are looked at in one go. */
export const proposalsMax = 200;

const nothing = v.strictObject({});
/** A node by its name, or by its id or at least 8 digits of its beginning. */
const NodeReference = v.pipe(v.string(), v.minLength(1), v.maxLength(64));

export const calls = {
  health: {
    method: "get",
    path: "/v1/health",
    needs: "anyone",
    input: nothing,
    output: v.object({ status: v.literal("ok"), version: v.string() }),
  },
  enroll: {
    method: "post",
    path: "/v1/enroll",
    needs: "anyone",
    input: EnrollmentInput,
    output: EnrollmentOutput,
  },
  advertise: {
    method: "post",
    path: "/v1/advertisement",
    needs: "member",
    input: v.strictObject({ envelope: Envelope }),
    output: v.object({ generation: Counter }),
  },
  /** By the node's own word where it gives it: a `revoke_node` that it has signed. */
  leave: {
    method: "post",
    path: "/v1/leave",
    needs: "member",
    input: v.strictObject({ update: v.optional(Envelope) }),
    output: v.object({ epoch: Counter }),
  },
  voucherHistory: {
    method: "post",
    path: "/v1/vouchers/history",
    needs: "anyone",
    input: VoucherHistoryInput,
    output: VoucherHistoryOutput,
  },
  voucherRedeem: {
    method: "post",
    path: "/v1/vouchers/redeem",
    needs: "anyone",
    input: VoucherRedeemInput,
    output: EnrollmentOutput,
  },
  membershipShow: {
    method: "get",
    path: "/v1/membership",
    needs: "approver",
    input: nothing,
    output: Dossier,
  },
  /** Updates with whatever signatures they have; those that they lack may come later. */
  proposalSubmit: {
    method: "post",
    path: "/v1/proposals",
    needs: "approver",
    input: v.strictObject({
      envelopes: v.pipe(v.array(Envelope), v.minLength(1), v.maxLength(proposalsMax)),
    }),
    output: Outcomes,
  },
  /** Also says of two that conflict that somebody has looked into it. */
  proposalReject: {
    method: "post",
    path: "/v1/proposals/reject",
    needs: "approver",
    input: v.strictObject({ id: UpdateId, reason: Reason }),
    output: Outcomes,
  },
  proposalList: {
    method: "get",
    path: "/v1/proposals",
    needs: "approver",
    input: nothing,
    output: Outcomes,
  },
  requestReject: {
    method: "post",
    path: "/v1/requests/reject",
    needs: "approver",
    input: v.strictObject({ node: NodeId, reason: Reason }),
    output: v.object({ node: NodeId }),
  },
  /** Adds the signature of the approver key on this host to what others have proposed. */
  proposalSign: {
    method: "post",
    path: "/v1/proposals/sign",
    needs: "operator",
    input: v.strictObject({
      ids: v.pipe(v.array(UpdateId), v.minLength(1), v.maxLength(proposalsMax)),
    }),
    output: Outcomes,
  },
  /**
   * Signs with the approver key on this host, if there is one: alone where that is enough. The first
   * operation follows the proposal that leads to `upon`, or else the log; each other the one before it.
   */
  operationDecide: {
    method: "post",
    path: "/v1/operations",
    needs: "operator",
    input: v.strictObject({
      operations: v.pipe(v.array(Operation), v.minLength(1), v.maxLength(proposalsMax)),
      upon: v.optional(StateRoot),
      lifetimeS: v.pipe(Counter, v.minValue(60), v.maxValue(updateLifetimeMaxS)),
    }),
    output: Outcomes,
  },
  networkShow: {
    method: "get",
    path: "/v1/network",
    needs: "operator",
    input: nothing,
    output: v.object({
      network: NetworkId,
      genesis: StateRoot,
      url: ControlUrl,
      pin: TlsPin,
      /** The name of the approver whose key is on this host; null when there is none in force. */
      approver: v.nullable(ApproverName),
      head: Head,
      generation: Counter,
      nodes: Counter,
      connected: Counter,
    }),
  },
  credentialCreate: {
    method: "post",
    path: "/v1/credentials",
    needs: "operator",
    input: v.strictObject({
      owner: Owner,
      tags: v.pipe(v.array(Tag), v.maxLength(32)),
      lifetimeS: v.pipe(Counter, v.minValue(1), v.maxValue(credentialLifetimeMaxS)),
      usesMax: v.pipe(Counter, v.minValue(1), v.maxValue(1_000)),
    }),
    output: v.object({ credential: Credential, token: v.string() }),
  },
  credentialList: {
    method: "get",
    path: "/v1/credentials",
    needs: "operator",
    input: nothing,
    output: v.object({ credentials: v.array(Credential) }),
  },
  credentialRevoke: {
    method: "post",
    path: "/v1/credentials/revoke",
    needs: "operator",
    input: v.strictObject({ id: CredentialId }),
    output: v.object({ credential: Credential }),
  },
  nodeList: {
    method: "get",
    path: "/v1/nodes",
    needs: "operator",
    input: nothing,
    output: v.object({ nodes: v.array(NodeReport) }),
  },
  nodeRevoke: {
    method: "post",
    path: "/v1/nodes/revoke",
    needs: "operator",
    input: v.strictObject({ node: NodeReference }),
    output: NodeChange,
  },
  nodeRename: {
    method: "post",
    path: "/v1/nodes/rename",
    needs: "operator",
    input: v.strictObject({ node: NodeReference, name: NodeName }),
    output: NodeChange,
  },
  auditList: {
    method: "get",
    path: "/v1/audit",
    needs: "operator",
    input: nothing,
    output: v.object({ records: v.array(AuditRecord), intact: v.boolean() }),
  },
} as const satisfies Record<string, Call>;

export type CallName = keyof typeof calls;
export type Input<N extends CallName> = v.InferOutput<(typeof calls)[N]["input"]>;
export type Output<N extends CallName> = v.InferOutput<(typeof calls)[N]["output"]>;

/** The map stream: a WebSocket, opened by a request that a member signed. */
export const mapStreamPath = "/v1/map";

/** What every refusal looks like, over every socket. */
export const Refusal = v.object({
  code: v.string(),
  message: v.string(),
  remedy: v.optional(v.string()),
});
export type Refusal = v.InferOutput<typeof Refusal>;
