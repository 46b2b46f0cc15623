/** snapshot: over random histories, who begins at a checkpoint holds what who replayed all holds, for good. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { append, type Membership } from "../../src/membership/membership.ts";
import { restore, Snapshot, takeSnapshot } from "../../src/membership/snapshot.ts";
import { documentOf, StateDocument, stateOf } from "../../src/membership/document.ts";
import type { LogEntry, Operation } from "../../src/membership/update.ts";
import { forEachSeed, type Prng } from "../support/prng.ts";
import { anyOperation, anySigners, genesis } from "../support/random-operation.ts";
import { codeOf, Ledger, nowS, unwrap, updateId } from "../support/world.ts";

/** Few, so that some come again. */
const ids = Array.from({ length: 40 }, (_, i) => updateId(`${i}`));

/** What might come next, in or out of order, whoever signed it. */
function anyEntry(prng: Prng, ledger: Ledger): LogEntry {
  const { state, acceptedAt: last } = ledger.membership;
  const operation: Operation = prng.chance(0.15)
    ? { kind: "checkpoint" }
    : anyOperation(prng, state);
  const acceptedAt = prng.chance(0.05) ? nowS - prng.integer(300) : Math.max(last, nowS - 200) + 1;
  return ledger.draft(operation, {
    by: anySigners(prng, state, operation),
    createdAt: acceptedAt - prng.integer(60),
    acceptedAt,
    id: prng.pick(ids),
  });
}

function anyLedger(prng: Prng, steps: number): Ledger {
  const ledger = new Ledger(genesis, ["approver", "guard"]);
  for (let step = 0; step < steps; step++) {
    const entry = anyEntry(prng, ledger);
    const next = append(ledger.membership, entry, nowS);
    if (!next.ok) continue;
    ledger.entries.push(entry);
    ledger.history.push(next.value);
  }
  return ledger;
}

/** As it comes out of a file or a message. */
const travelled = (snapshot: Snapshot): Snapshot =>
  v.parse(Snapshot, JSON.parse(JSON.stringify(snapshot)));

/** What is held at the end by who began at the last checkpoint that was there at some time. */
function restored(ledger: Ledger, atSomeTime: Membership): Membership | null {
  const snapshot = takeSnapshot(atSomeTime);
  const [founded] = ledger.history;
  if (snapshot === null || founded === undefined) return null;
  let membership = unwrap(restore(founded, travelled(snapshot), nowS));
  const { epoch } = membership.state;
  expectSame(membership, ledger.history[epoch]);
  for (const entry of ledger.entries.slice(epoch))
    membership = unwrap(append(membership, entry, nowS));
  return membership;
}

/** `toEqual` would say how they differ, and takes most of the time doing so. */
function expectSame<T>(left: T, right: T | undefined): void {
  if (!Bun.deepEquals(left, right, true)) expect(left).toEqual(right as T);
}

test("who restores and who replays hold the same, and take and refuse the same from then on", () => {
  const [reached, counted] = [new Set<string>(), { restored: 0, authority: 0 }];
  forEachSeed(400, (prng) => {
    const ledger = anyLedger(prng, 14);
    const early = restored(ledger, prng.pick(ledger.history));
    if (early !== null) expectSame(early, ledger.membership);
    const membership = restored(ledger, ledger.membership);
    if (membership === null) return;
    expectSame(membership, ledger.membership);
    counted.restored++;
    if (membership.authority.length > 0) counted.authority++;
    for (let i = 0; i < 4; i++) {
      const entry = anyEntry(prng, ledger);
      const [left, right] = [membership, ledger.membership].map((one) => append(one, entry, nowS));
      expectSame(left, right);
      reached.add(left === undefined ? "" : codeOf(left));
    }
  });
  // Seeds that never had a checkpoint, or never a refusal, would prove little.
  if (process.env["SIM_SEED"] !== undefined) return;
  expect(counted.restored).toBeGreaterThan(200);
  expect(counted.authority).toBeGreaterThan(80);
  for (const code of ["accepted", "update_repeated", "not_an_approver", "voucher_unknown"])
    expect([code, reached.has(code)]).toEqual([code, true]);
});

test("a state comes out of its document as it went in, and the document is its only one", () => {
  forEachSeed(300, (prng) => {
    const { state } = anyLedger(prng, 10).membership;
    const document = documentOf(state);
    const parsed = v.parse(StateDocument, JSON.parse(JSON.stringify(document)));
    expect(stateOf(parsed)).toEqual(state);
    expect(documentOf(state)).toEqual(document);
  });
});

/** Changes any part of a snapshot, or takes it from another history of the same network. */
function tampered(prng: Prng, snapshot: Snapshot, other: Snapshot): unknown {
  const { authority, checkpoint, state } = snapshot;
  const drop = <T>(items: readonly T[]): readonly T[] => {
    const gone = prng.integer(Math.max(1, items.length));
    return items.filter((_item, i) => i !== gone);
  };
  return prng.pick<unknown>([
    { ...snapshot, authority: drop(authority) },
    { ...snapshot, authority: authority.toReversed() },
    { ...snapshot, authority: [...authority, ...authority.slice(-1)] },
    { ...snapshot, authority: other.authority },
    { ...snapshot, checkpoint: other.checkpoint },
    { ...snapshot, checkpoint: { ...checkpoint, acceptedAt: nowS + 1_000 } },
    { ...snapshot, state: other.state },
    { ...snapshot, state: { ...state, nodes: drop(state.nodes) } },
    { ...snapshot, state: { ...state, nodes: state.nodes.toReversed() } },
    { ...snapshot, state: { ...state, nodes: [...state.nodes, ...state.nodes.slice(-1)] } },
    { ...snapshot, state: { ...state, retired: drop(state.retired) } },
    { ...snapshot, state: { ...state, vouchers: drop(state.vouchers) } },
    { ...snapshot, state: { ...state, approvers: drop(state.approvers) } },
    { ...snapshot, state: { ...state, epoch: prng.pick([0, 1, 2 ** 48, state.epoch + 1]) } },
    { ...snapshot, state: { ...state, threshold: 1 + prng.integer(3) } },
    { ...snapshot, state: { ...state, nodes: other.state.nodes } },
  ]);
}

test("a snapshot that was tampered with is refused, or leads where the true one leads", () => {
  const outcomes = new Map<string, number>();
  forEachSeed(150, (prng) => {
    const [ledger, elsewhere] = [anyLedger(prng, 12), anyLedger(prng, 8)];
    const [snapshot, other] = [ledger, elsewhere].map(({ membership }) => takeSnapshot(membership));
    const [founded] = ledger.history;
    if (!snapshot || !other || founded === undefined) return;
    for (let i = 0; i < 3; i++) {
      const parsed = v.safeParse(Snapshot, tampered(prng, snapshot, other));
      const outcome = parsed.success ? restore(founded, parsed.output, nowS) : null;
      const code = outcome === null ? "malformed" : codeOf(outcome);
      outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
      if (outcome?.ok !== true) continue;
      const truths = [ledger, elsewhere].map(({ history }) => history[outcome.value.state.epoch]);
      expect(truths.some((truth) => truth?.root === outcome.value.root)).toBe(true);
      expect(truths.some((truth) => Bun.deepEquals(truth, outcome.value))).toBe(true);
    }
  });
  if (process.env["SIM_SEED"] !== undefined) return;
  for (const code of ["malformed", "parent_mismatch", "snapshot_mismatch", "not_of_authority"])
    expect([code, (outcomes.get(code) ?? 0) > 0]).toEqual([code, true]);
});
