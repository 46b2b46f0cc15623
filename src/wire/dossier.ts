/**
 * dossier is everything that an approver needs to decide, as one document: the log with its proof,
 * what is proposed, and who asks to join. The control server hands it out, and as a file it goes from
 * hand to hand; either way it is verified from the genesis root on (protocol.md section 6.7).
 */
import * as v from "valibot";
import { err, ok, type Result } from "../base/result.ts";
import { Envelope, openEnvelope } from "../crypto/envelope.ts";
import { append, found, type Membership } from "../membership/membership.ts";
import { type Judged, openProposals } from "../membership/proposal.ts";
import type { Rejection } from "../membership/rejection.ts";
import { restore, Snapshot } from "../membership/snapshot.ts";
import { Tags } from "../membership/state.ts";
import { LogEntry } from "../membership/update.ts";
import { CredentialId, type StateRoot, UpdateId } from "../model/ids.ts";
import { ApproverName, Owner } from "../model/names.ts";
import { UnixS } from "../model/time.ts";
import type { Head } from "./advertisement.ts";
import { EnrollmentRequest, enrollmentType } from "./enrollment.ts";

/** Who asks to join, in its own signed words, and what the credential that it showed would make it. */
export const JoinRequest = v.strictObject({
  request: Envelope,
  /** The control server's word: the approver who signs makes it true, or does not sign. */
  owner: Owner,
  tags: Tags,
  credential: CredentialId,
  askedAt: UnixS,
});
export type JoinRequest = v.InferOutput<typeof JoinRequest>;

/** An approver who is against a proposal: the server's word, for people to read. */
export const Objection = v.strictObject({
  proposal: UpdateId,
  approver: ApproverName,
  reason: v.string(),
});
export type Objection = v.InferOutput<typeof Objection>;

export const Dossier = v.strictObject({
  version: v.literal(1),
  genesis: Envelope,
  /** Where the entries begin; the genesis statement when there is no checkpoint yet. */
  snapshot: v.nullable(Snapshot),
  entries: v.array(LogEntry),
  /** Updates that are not in the log, ascending by epoch. */
  proposals: v.array(Envelope),
  objections: v.array(Objection),
  requests: v.array(JoinRequest),
});
export type Dossier = v.InferOutput<typeof Dossier>;

export type OpenedDossier = {
  readonly membership: Membership;
  readonly proposals: readonly Judged[];
  readonly objections: readonly Objection[];
  readonly requests: readonly OpenedRequest[];
};

/** A join request whose sender holds the key that it names. */
export type OpenedRequest = Omit<JoinRequest, "request"> & { readonly request: EnrollmentRequest };

export type DossierRejection =
  | { readonly code: "history_behind"; readonly epoch: number; readonly held: number }
  | { readonly code: "history_forked"; readonly epoch: number }
  | { readonly code: "genesis_refused"; readonly why: Rejection }
  | { readonly code: "snapshot_refused"; readonly why: Rejection }
  | { readonly code: "entry_refused"; readonly epoch: number; readonly why: Rejection };

/**
 * Verifies the log from `genesisRoot` on, and that it leads through `seen`, which the reader has verified
 * before. Proposals and requests that do not hold are told apart or left out.
 */
export function openDossier(
  dossier: Dossier,
  genesisRoot: StateRoot,
  now: UnixS,
  seen: Head | null = null,
): Result<OpenedDossier, DossierRejection> {
  const verified = openHistory(dossier, genesisRoot, now, seen);
  if (!verified.ok) return verified;
  const membership = verified.value;
  return ok({
    membership,
    proposals: openProposals(membership, dossier.proposals, now),
    objections: dossier.objections,
    requests: dossier.requests.flatMap((request) => openRequest(membership, request)),
  });
}

/** A log with its proof, as it is handed to somebody new. */
export type History = Pick<Dossier, "genesis" | "snapshot" | "entries">;

/** Where a history leads: from genesis, over the snapshot if there is one, through its entries. */
export function openHistory(
  history: History,
  genesisRoot: StateRoot,
  now: UnixS,
  seen: Head | null = null,
): Result<Membership, DossierRejection> {
  const begun = beginHistory(history, genesisRoot, now);
  if (!begun.ok) return begun;
  let membership = begun.value;
  let isForked = leadsPast(membership, seen);
  for (const entry of history.entries) {
    const next = append(membership, entry, now);
    if (!next.ok)
      return err({ code: "entry_refused", epoch: membership.state.epoch + 1, why: next.error });
    membership = next.value;
    isForked ||= leadsPast(membership, seen);
  }
  const { epoch } = membership.state;
  if (seen !== null && epoch < seen.epoch)
    return err({ code: "history_behind", epoch, held: seen.epoch });
  if (seen !== null && isForked) return err({ code: "history_forked", epoch: seen.epoch });
  return ok(membership);
}

/** Whether this is another state than was seen at its epoch. */
const leadsPast = ({ state, root }: Membership, seen: Head | null): boolean =>
  state.epoch === seen?.epoch && root !== seen.root;

/** Where the entries of a history begin. */
export function beginHistory(
  { genesis, snapshot }: History,
  genesisRoot: StateRoot,
  now: UnixS,
): Result<Membership, DossierRejection> {
  const founded = found(genesis, genesisRoot);
  if (!founded.ok) return err({ code: "genesis_refused", why: founded.error });
  const begun = snapshot === null ? founded : restore(founded.value, snapshot, now);
  return begun.ok ? begun : err({ code: "snapshot_refused", why: begun.error });
}

function openRequest(
  { state }: Membership,
  { request: envelope, ...terms }: JoinRequest,
): readonly OpenedRequest[] {
  const opened = openEnvelope(envelope, enrollmentType);
  if (!opened.ok) return [];
  const parsed = v.safeParse(EnrollmentRequest, opened.value.value);
  if (!parsed.success) return [];
  const request = parsed.output;
  const { signers } = opened.value;
  const isProven = signers.size === 1 && signers.has(request.key);
  return isProven && request.network === state.network ? [{ ...terms, request }] : [];
}
