/** vectors-snapshot-parts: what true and false snapshots are put together from. */
import { documentOf } from "../src/membership/document.ts";
import { advance, type AuthorityEntry } from "../src/membership/membership.ts";
import { type Snapshot, takeSnapshot } from "../src/membership/snapshot.ts";
import { restOf } from "../src/membership/state.ts";
import type { Operation } from "../src/membership/update.ts";
import { type Ledger, nowS, type Terms, unwrap } from "../test/support/world.ts";
import { keyOf } from "./vectors-governance.ts";
import { allThree, checkpoint, full, handedOn } from "./vectors-snapshots.ts";

export const by = (...labels: readonly string[]): Terms => ({ by: labels });
export const quorum = by("anna", "boris");

export const refuse = (expect: string, { genesis, genesisRoot }: Ledger, snapshot: unknown) => ({
  expect,
  genesis,
  genesisRoot,
  now: nowS,
  snapshot,
});
export type Vector = ReturnType<typeof refuse>;

export function snapshotOf(ledger: Ledger): Snapshot {
  const snapshot = takeSnapshot(ledger.membership);
  if (snapshot === null) throw new Error("a snapshot needs a checkpoint");
  return snapshot;
}

/** The snapshot of what comes next in a ledger, whoever signed it and whatever it is. */
export function drafted(ledger: Ledger, terms: Terms, operation: Operation = checkpoint): Snapshot {
  const { state, authority } = ledger.membership;
  const next = unwrap(advance(state, operation)).state;
  const entry = ledger.draft(operation, terms);
  return { authority: [...authority], checkpoint: entry, state: documentOf(next) };
}

/** A change of who may sign as it would stand in a snapshot, without having been taken. */
export const draftedAuthority = (
  ledger: Ledger,
  operation: Operation,
  terms: Terms,
): AuthorityEntry => ({
  entry: ledger.draft(operation, terms),
  rest: restOf(ledger.membership.state),
});

export const honest = (): Snapshot => snapshotOf(handedOn().decide(checkpoint, allThree));
export const rich = (): Snapshot => snapshotOf(full().decide(checkpoint, quorum));

export const handOver = {
  kind: "rotate_approver",
  approver: keyOf("anna"),
  key: keyOf("anna-2"),
} as const;
export const handOverBy = by("anna", "boris", "anna-2");
