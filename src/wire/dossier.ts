/**
 * dossier is everything that an approver needs to decide, as one document: the log with its proof,
 * what is proposed, and who asks to join. The control server hands it out, and as a file it goes from
 * hand to hand; either way it is verified from the genesis root on (protocol.md section 6.5).
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
import { CredentialId, type StateRoot } from "../model/ids.ts";
import { Owner } from "../model/names.ts";
import { UnixS } from "../model/time.ts";
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

export const Dossier = v.strictObject({
  version: v.literal(1),
  genesis: Envelope,
  /** Where the entries begin; the genesis statement when there is no checkpoint yet. */
  snapshot: v.nullable(Snapshot),
  entries: v.array(LogEntry),
  /** Updates that are not in the log, ascending by epoch. */
  proposals: v.array(Envelope),
  requests: v.array(JoinRequest),
});
export type Dossier = v.InferOutput<typeof Dossier>;

export type OpenedDossier = {
  readonly membership: Membership;
  readonly proposals: readonly Judged[];
  readonly requests: readonly OpenedRequest[];
};

/** A join request whose sender holds the key that it names. */
export type OpenedRequest = Omit<JoinRequest, "request"> & { readonly request: EnrollmentRequest };

export type DossierRejection =
  | { readonly code: "genesis_refused"; readonly why: Rejection }
  | { readonly code: "snapshot_refused"; readonly why: Rejection }
  | { readonly code: "entry_refused"; readonly epoch: number; readonly why: Rejection };

/** Verifies the log from `genesisRoot` on. Proposals and requests that do not hold are told apart or left out. */
export function openDossier(
  dossier: Dossier,
  genesisRoot: StateRoot,
  now: UnixS,
): Result<OpenedDossier, DossierRejection> {
  const verified = openHistory(dossier, genesisRoot, now);
  if (!verified.ok) return verified;
  const membership = verified.value;
  return ok({
    membership,
    proposals: openProposals(membership, dossier.proposals, now),
    requests: dossier.requests.flatMap((request) => openRequest(membership, request)),
  });
}

/** Where a history leads: from genesis, over the snapshot if there is one, through its entries. */
export function openHistory(
  { genesis, snapshot, entries }: Pick<Dossier, "genesis" | "snapshot" | "entries">,
  genesisRoot: StateRoot,
  now: UnixS,
): Result<Membership, DossierRejection> {
  const founded = found(genesis, genesisRoot);
  if (!founded.ok) return err({ code: "genesis_refused", why: founded.error });
  const begun = snapshot === null ? founded : restore(founded.value, snapshot, now);
  if (!begun.ok) return err({ code: "snapshot_refused", why: begun.error });
  let membership = begun.value;
  for (const entry of entries) {
    const next = append(membership, entry, now);
    if (!next.ok)
      return err({ code: "entry_refused", epoch: membership.state.epoch + 1, why: next.error });
    membership = next.value;
  }
  return ok(membership);
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
