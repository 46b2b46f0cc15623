/** desk-file gathers signatures in a dossier, as the control server does in its database. */
import { Fault } from "../base/fault.ts";
import { type Envelope } from "../crypto/envelope.ts";
import { explain } from "../membership/explain.ts";
import { openUpdate } from "../membership/membership.ts";
import type { Judged } from "../membership/proposal.ts";
import type { StateRoot } from "../model/ids.ts";
import type { Outcome } from "../wire/control-api.ts";
import { type Dossier, openDossier } from "../wire/dossier.ts";
import { wordDossierRefusal } from "./desk-refusal.ts";

/** The dossier with these updates, merged with what it has of them, and what they have come to. */
export function outcomesIn(
  dossier: Dossier,
  envelopes: readonly Envelope[],
  genesis: StateRoot,
  now: number,
): { readonly next: Dossier; readonly outcomes: readonly Outcome[] } {
  const proposals = envelopes.reduce(withProposal, dossier.proposals);
  const next = { ...dossier, proposals: proposals.toSorted((a, b) => epochOf(a) - epochOf(b)) };
  const opened = openDossier(next, genesis, now);
  if (!opened.ok) throw wordDossierRefusal(opened.error);
  const texts = new Set(envelopes.map(({ payload }) => payload));
  const outcomes = opened.value.proposals
    .filter((judged) => texts.has(envelopeOf(judged).payload))
    .flatMap(wordOutcome);
  return { next, outcomes };
}

const envelopeOf = (judged: Judged): Envelope =>
  judged.kind === "open" ? judged.proposal.envelope : judged.envelope;

function withProposal(proposals: readonly Envelope[], envelope: Envelope): Envelope[] {
  const known = proposals.find(({ payload }) => payload === envelope.payload);
  if (known === undefined) return [...proposals, envelope];
  const fresh = envelope.signatures.filter(
    ({ keyid }) => !known.signatures.some((each) => each.keyid === keyid),
  );
  const merged = { ...known, signatures: [...known.signatures, ...fresh] };
  return proposals.map((each) => (each === known ? merged : each));
}

function epochOf(envelope: Envelope): number {
  const opened = openUpdate(envelope);
  if (opened.ok) return opened.value.update.epoch;
  throw new Fault("request_malformed", explain(opened.error).message);
}

/** What the server would say of a proposal. In a file nothing is ever applied: it only can be. */
export function wordOutcome(judged: Judged): Outcome[] {
  if (judged.kind === "void") return [];
  const { update, tally, words } = judged.proposal;
  return [
    {
      ...{ id: update.id, epoch: update.epoch, state: "pending", words: [...words] },
      need: tally.need,
      signed: tally.signed.map(({ name }) => name),
      missing: tally.missing.map(({ name }) => name),
      expiresAt: update.expiresAt,
      why: tally.verdict === null ? null : explain(tally.verdict).message,
    },
  ];
}
