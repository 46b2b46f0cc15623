/** The control API as data: what each call takes, gives and needs, and nothing of how it is served. */
import * as v from "valibot";
import { Envelope } from "../crypto/envelope.ts";
import { Node } from "../membership/state.ts";
import { CredentialId, NetworkId, StateRoot } from "../model/ids.ts";
import { NodeName, Owner, Tag } from "../model/names.ts";
import { Counter, UnixS } from "../model/time.ts";
import { EnrollmentInput, EnrollmentOutput } from "./enrollment.ts";
import { Head } from "./advertisement.ts";

/**
 * Who may call. `anyone` reaches the port; a `member` signs with the identity key of an active node;
 * an `operator` is root, or the service's own user, at the socket on the control server's host.
 */
export type Authority = "anyone" | "member" | "operator";

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
  leave: {
    method: "post",
    path: "/v1/leave",
    needs: "member",
    input: nothing,
    output: v.object({ epoch: Counter }),
  },
  networkShow: {
    method: "get",
    path: "/v1/network",
    needs: "operator",
    input: nothing,
    output: v.object({
      network: NetworkId,
      genesis: StateRoot,
      url: v.string(),
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
    output: v.object({ node: Node, head: Head }),
  },
  nodeRename: {
    method: "post",
    path: "/v1/nodes/rename",
    needs: "operator",
    input: v.strictObject({ node: NodeReference, name: NodeName }),
    output: v.object({ node: Node, head: Head }),
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
