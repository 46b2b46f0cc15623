/**
 * enrollment lets a machine in that shows the secret of a credential and proves that it holds the key
 * it names (protocol.md section 6.2). One credential lets in as many as it has uses, and no more.
 */
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import { openEnvelope } from "../crypto/envelope.ts";
import { advance, nodeIdOf } from "../membership/membership.ts";
import { newcomer, rangeFull } from "../membership/newcomer.ts";
import { type Node, nodeWithKey, type State } from "../membership/state.ts";
import type { NodeId } from "../model/ids.ts";
import { skewMaxS, type UnixS } from "../model/time.ts";
import {
  admissionOf,
  credentialIdOf,
  credentialWithSecret,
  insertAdmission,
  type StoredCredential,
  useCredential,
} from "../store/control-store-credentials.ts";
import { requestOf } from "../store/control-store-requests.ts";
import { spendNonce } from "../store/control-store-nonces.ts";
import type { Transaction } from "../store/control-store.ts";
import type { Input, Output } from "../wire/control-api.ts";
import { EnrollmentRequest, enrollmentType } from "../wire/enrollment.ts";
import type { LimiterDecision } from "./abuse.ts";
import { commitOperation, decidesAlone, refusedUpdate } from "./changes.ts";
import type { Caller, Control } from "./control.ts";
import { expireDue } from "./credentials.ts";
import { spellHistory } from "./history.ts";
import { replayed } from "./replays.ts";
import { type Spelled, spelledWith } from "./spelled.ts";
import { approvalsFor, queueRequest, refuseRejected } from "./requests.ts";

export async function enroll(
  control: Control,
  input: Input<"enroll">,
  caller: Caller,
): Promise<Output<"enroll"> | Spelled<Output<"enroll">>> {
  const { abuse, clock, log } = control;
  let identity = "";
  try {
    admitCaller(control, caller);
    const request = openRequest(control, input.request);
    identity = request.key;
    if (!(await hasShown(control, request, input.secret)))
      admit(abuse.admitIdentity(identity, clock.monotonicMs()));
    await expireDue(control);
    const admission = await control.store.transact((transaction) =>
      admitNode(control, transaction, input, request),
    );
    abuse.succeeded(caller.address);
    if (admission.status === "waiting") return admission;
    return spelledWith(admission, spellHistory(control.network));
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    // A secret that never was is a guess; one that has been used or ran out is only late.
    if (error instanceof UnknownSecret) abuse.failed(caller.address, clock.monotonicMs());
    const fields = { address: caller.address, identity, endpoint: "enroll", failure: error.code };
    log.warning("enrollment_refused", { ...fields, decision: error.message });
    throw error;
  }
}

class UnknownSecret extends Fault {
  constructor() {
    super("credential_invalid", "this control server has no such credential", {
      remedy: "make a new one with rustynet credential create, and copy all of it",
    });
  }
}

/** Whether a machine only asks how far it is, with the secret that it has shown before: no guess. */
async function hasShown(
  { store }: Control,
  { key }: EnrollmentRequest,
  secret: string,
): Promise<boolean> {
  const request = await store.transact((transaction) => requestOf(transaction, nodeIdOf(key)));
  return request !== null && request.credential === credentialIdOf(secret);
}

/** Throws `rate_limited` when too many come from there. */
export function admitCaller({ abuse, clock }: Control, { address }: Caller): void {
  admit(abuse.admitAddress(address, clock.monotonicMs()));
}

function admit(decision: LimiterDecision): void {
  if (decision.kind === "allowed") return;
  const wait = `try again in ${decision.retryAfterS} s`;
  throw new Fault("rate_limited", `too many attempts (${decision.kind})`, { remedy: wait });
}

/** Reads the request and refuses what its sender did not sign, for us, now. */
function openRequest(control: Control, envelope: Input<"enroll">["request"]): EnrollmentRequest {
  // Before the arithmetic: 64 signatures cost as much as 64 requests, and anybody may send them.
  if (envelope.signatures.length !== 1)
    throw new Fault("signature_invalid", "the request has more signatures than that of its key");
  const opened = openEnvelope(envelope, enrollmentType);
  if (!opened.ok)
    throw new Fault("signature_invalid", `the enrollment request: ${opened.error.code}`);
  const parsed = v.safeParse(EnrollmentRequest, opened.value.value);
  if (!parsed.success) throw new Fault("request_malformed", v.summarize(parsed.issues));
  const request = parsed.output;
  const { signers } = opened.value;
  if (signers.size !== 1 || !signers.has(request.key))
    throw new Fault("signature_invalid", "the request is not signed with the key it names");
  if (request.network !== control.network.state.network) {
    throw new Fault("network_mismatch", "the request is for another network", {
      remedy: "use a token that this control server made",
    });
  }
  refuseSkew(request.issuedAt, control.clock.nowS());
  return request;
}

export function refuseSkew(issuedAt: UnixS, now: UnixS): void {
  const offS = issuedAt - now;
  if (Math.abs(offS) <= skewMaxS) return;
  const which = offS > 0 ? "ahead of" : "behind";
  throw new Fault(
    "clock_skew",
    `the sender's clock is ${Math.abs(offS)} s ${which} this server's`,
    {
      remedy: "set both clocks, for example by enabling systemd-timesyncd",
    },
  );
}

/** Lets the machine in where this host may, and puts it in the queue where approvers have to. */
async function admitNode(
  control: Control,
  transaction: Transaction,
  { secret, request: envelope }: Input<"enroll">,
  request: EnrollmentRequest,
): Promise<Admitted | Waiting> {
  const known = nodeWithKey(control.network.state, request.key);
  const id = known?.id ?? nodeIdOf(request.key);
  const waiting = known === undefined ? await requestOf(transaction, id) : null;
  const isAskingAgain = waiting !== null && waiting.credential === credentialIdOf(secret);
  if (isAskingAgain) refuseRejected(waiting);
  const isWaiting = isAskingAgain && waiting.state === "pending";
  const credential =
    known === undefined && !isWaiting
      ? await useCredential(transaction, secret, control.clock.nowS())
      : await credentialShown(transaction, secret, known);
  if (credential === null) throw refusalOf(await credentialWithSecret(transaction, secret));
  const { key, nonce, issuedAt: createdAt } = request;
  const spent = await spendNonce(transaction, { key, nonce, createdAt });
  if (spent !== "fresh") throw replayed();
  if (known !== undefined) return { status: "admitted", node: known.id };

  if (decidesAlone(control)) {
    await admitAtOnce(control, transaction, id, request, credential);
    return { status: "admitted", node: id };
  }
  if (!isWaiting) {
    // Refused now rather than by each approver in turn: the key may have been given up for good.
    const { state } = control.network;
    const node = nodeFor(state, request, credential);
    const next = advance(state, { kind: "add_node", node });
    if (!next.ok) throw refusedUpdate(next.error);
    await queueRequest(control, transaction, id, credential.id, envelope);
  }
  const approvals = approvalsFor(control, id);
  return { status: "waiting", node: id, approvals };
}

type Admitted = { readonly status: "admitted"; readonly node: NodeId };
type Waiting = Extract<Output<"enroll">, { status: "waiting" }>;

async function admitAtOnce(
  control: Control,
  transaction: Transaction,
  id: NodeId,
  request: EnrollmentRequest,
  credential: StoredCredential,
): Promise<void> {
  const node = nodeFor(control.network.state, request, credential);
  const detail = JSON.stringify({ name: node.name, owner: node.owner, credential: credential.id });
  const reason = { actor: `credential:${credential.id}`, event: "node_admitted", detail } as const;
  await commitOperation(control, transaction, { kind: "add_node", node }, reason);
  await insertAdmission(transaction, id, credential.id, control.clock.nowS());
}

/**
 * The credential of a machine that asks again. One that waits has shown it before. A member has lost
 * the answer, or all but its key: it gets the answer if it shows the credential that let it in, or one
 * that still could.
 */
async function credentialShown(
  transaction: Transaction,
  secret: string,
  node: Node | undefined,
): Promise<StoredCredential | null> {
  const credential = await credentialWithSecret(transaction, secret);
  if (credential === null || node === undefined) return credential;
  if (node.status === "revoked") {
    throw new Fault("revoked", "this identity was expelled and does not come back", {
      remedy: "rustynet logout --local makes a new identity; join with a new token",
    });
  }
  const isItsOwn = (await admissionOf(transaction, node.id)) === credentialIdOf(secret);
  return isItsOwn || credential.state === "created" ? credential : null;
}

function refusalOf(credential: StoredCredential | null): Fault {
  if (credential === null) return new UnknownSecret();
  const state = credential.state === "created" ? "expired" : credential.state;
  return new Fault("credential_invalid", `the credential is ${state}`, {
    remedy: "make a new one with rustynet credential create",
  });
}

function nodeFor(
  state: State,
  { key, name }: EnrollmentRequest,
  { owner, tags }: StoredCredential,
): Node {
  const node = newcomer(state, { key, name, owner, tags });
  if (node === null) throw new Fault("unavailable", rangeFull.message, rangeFull);
  return node;
}
