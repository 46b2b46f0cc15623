/** proposal: over random chains and competing ones, what is called open and decided is what a log would take. */
import { expect, test } from "bun:test";
import { addSignature, type Envelope } from "../../src/crypto/envelope.ts";
import { append, type Membership } from "../../src/membership/membership.ts";
import { type Judged, openProposals, type Proposal } from "../../src/membership/proposal.ts";
import { propose } from "../../src/membership/propose.ts";
import type { Operation, Update } from "../../src/membership/update.ts";
import { forEachSeed, type Prng } from "../support/prng.ts";
import { anyOperation, anySigners, decidersOf, genesis } from "../support/random-operation.ts";
import { codeOf, Ledger, nowS, sealUpdate, signerOf, unwrap, updateId } from "../support/world.ts";

function anyLedger(prng: Prng): Ledger {
  const ledger = new Ledger({ ...genesis, threshold: prng.pick([1, 2]) }, ["approver", "guard"]);
  for (let step = 0; step < 8; step++) {
    const operation = anyOperation(prng, ledger.membership.state);
    const by = decidersOf(ledger.membership.state, operation);
    const next = append(ledger.membership, ledger.draft(operation, { by }), nowS);
    if (!next.ok) continue;
    ledger.history.push(next.value);
  }
  return ledger;
}

type Made = {
  readonly envelope: Envelope;
  readonly epoch: number;
  readonly id: string;
};

/** Updates that follow the log's end or one another, two of them the same change now and then. */
function anyProposals(prng: Prng, ledger: Ledger): readonly Made[] {
  const footings: Membership[] = [ledger.membership];
  const made: (Made & { readonly operation: Operation; readonly from: Membership })[] = [];
  for (let i = 0; i < 10; i++) {
    const again = made.length > 0 && prng.chance(0.1) ? prng.pick(made) : null;
    const from = again?.from ?? prng.pick(footings);
    const operation = again?.operation ?? anyStep(prng, from);
    const update = anyUpdate(prng, from, operation, ledger, i);
    if (update === null || made.some(({ id }) => id === update.id)) continue;
    const by = anySome(prng, anySigners(prng, from.state, operation));
    const envelope = sealUpdate(update, by);
    made.push({ envelope, epoch: update.epoch, id: update.id, operation, from });
    const [judged] = openProposals(from, [envelope], nowS);
    if (judged?.kind === "open") footings.push(judged.proposal.leadsTo);
  }
  return made.toSorted((left, right) => left.epoch - right.epoch);
}

/** A proposal is seldom signed by all at once. */
function anySome(prng: Prng, labels: readonly string[]): readonly string[] {
  const some = prng.chance(0.4) ? labels.filter(() => prng.chance(0.5)) : labels;
  return some.length > 0 ? some : labels;
}

const anyStep = (prng: Prng, { state }: Membership): Operation =>
  prng.chance(0.15) ? { kind: "checkpoint" } : anyOperation(prng, state);

/** Mostly as a client would make it; sometimes late, early, or under an id of the log. */
function anyUpdate(
  prng: Prng,
  from: Membership,
  operation: Operation,
  ledger: Ledger,
  i: number,
): Update | null {
  const used = [...ledger.membership.updates.values()];
  const id = used.length > 0 && prng.chance(0.05) ? prng.pick(used) : updateId(`proposal ${i}`);
  const createdAt = nowS - 50 + (prng.chance(0.1) ? prng.integer(300) : 0);
  const lifetimeS = prng.chance(0.1) ? 1 + prng.integer(60) : 3_600;
  const proposed = propose(from, operation, { id, createdAt, lifetimeS });
  return proposed.ok ? proposed.value : null;
}

const acceptedAt = ({ acceptedAt: last }: Membership): number => Math.max(nowS, last);
const taken = (membership: Membership, envelope: Envelope) =>
  append(membership, { acceptedAt: acceptedAt(membership), envelope }, nowS);

const envelopeOf = (judged: Judged): Envelope =>
  judged.kind === "open" ? judged.proposal.envelope : judged.envelope;

/** Every envelope that a log would take, now or after others of them. */
function takeable(membership: Membership, envelopes: readonly Envelope[]): Set<Envelope> {
  const found = new Set<Envelope>();
  const waiting = [membership];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop())
    for (const envelope of envelopes) {
      const outcome = taken(next, envelope);
      if (!outcome.ok) continue;
      found.add(envelope);
      waiting.push(outcome.value);
    }
  return found;
}

/** The proposals from the log's end to this one, of which each leads to the next. */
function wayTo(proposal: Proposal, open: readonly Proposal[], root: string): readonly Proposal[] {
  if (proposal.update.parent === root) return [proposal];
  const before = open.filter((one) => one.update.root === proposal.update.parent);
  const chosen = before.find(({ tally }) => tally.verdict === null) ?? before[0];
  if (chosen === undefined) throw new Error("an open proposal begins somewhere");
  return [...wayTo(chosen, open, root), proposal];
}

/** With everybody's signature who may be needed. */
function completed(membership: Membership, { envelope, update }: Proposal): Envelope {
  const deciders = decidersOf(membership.state, update.operation);
  const signed = new Set<string>(envelope.signatures.map(({ keyid }) => keyid));
  const { operation } = update;
  const leaver =
    operation.kind === "revoke_node" ? membership.state.nodes.get(operation.node) : undefined;
  if (leaver !== undefined && signed.has(leaver.key)) return envelope;
  return deciders.reduce((sealed, label) => addSignature(sealed, signerOf(label)), envelope);
}

test("what is open and decided is what a log takes, and what is open can be decided", () => {
  const counted = { takeable: 0, deep: 0, rash: 0, undecided: 0 };
  forEachSeed(300, (prng) => {
    const ledger = anyLedger(prng);
    const { membership } = ledger;
    const envelopes = anyProposals(prng, ledger).map(({ envelope }) => envelope);
    const judged = openProposals(membership, envelopes, nowS);
    expect(judged.map(envelopeOf)).toEqual([...envelopes]);
    const open = judged.flatMap((one) => (one.kind === "open" ? [one.proposal] : []));
    const ways = open.map((one) => wayTo(one, open, membership.root));
    const decided = ways.filter((way) => way.every(({ tally }) => tally.verdict === null));

    const takes = takeable(membership, envelopes);
    expect(new Set(decided.map((way) => way.at(-1)?.envelope))).toEqual(takes);
    for (const way of ways) {
      const end = way.reduce(
        (before, one) => unwrap(taken(before, completed(before, one))),
        membership,
      );
      expect(end.root).toBe(way.at(-1)?.update.root as typeof end.root);
    }
    counted.takeable += takes.size;
    counted.deep += ways.filter((way) => way.length > 1).length;
    counted.undecided += ways.length - decided.length;
    counted.rash += judged.filter(
      (one) => one.kind === "void" && one.why.code === "not_decided",
    ).length;
  });
  if (process.env["SIM_SEED"] !== undefined) return;
  for (const [what, count] of Object.entries(counted))
    expect([what, count > 10]).toEqual([what, true]);
});

test("a checkpoint that builds on what no quorum decided is void, whoever signed it", () => {
  const ledger = new Ledger(genesis, ["approver", "guard"]);
  const by = ["approver", "guard"];
  const first = ledger.draft(
    { kind: "set_threshold", threshold: 2 },
    { by: ["approver"] },
  ).envelope;
  const decided = addSignature(first, signerOf("guard"));
  const [judged] = openProposals(ledger.membership, [first], nowS);
  if (judged?.kind !== "open") throw new Error("it is open");
  const operation = { kind: "checkpoint" } as const;
  const terms = { id: updateId("c"), createdAt: nowS, lifetimeS: 60 };
  const rash = sealUpdate(unwrap(propose(judged.proposal.leadsTo, operation, terms)), by);
  const outcome = (envelopes: readonly Envelope[]): readonly string[] =>
    openProposals(ledger.membership, envelopes, nowS).map((one) =>
      one.kind === "void" ? one.why.code : codeOf({ ok: true, value: null }),
    );
  expect(outcome([first, rash])).toEqual(["accepted", "not_decided"]);
  expect(outcome([decided, rash])).toEqual(["accepted", "accepted"]);
  expect(outcome([first, decided, rash])).toEqual(["accepted", "accepted", "accepted"]);
  expect(outcome([decided, first, rash])).toEqual(["accepted", "accepted", "accepted"]);
});

test("of one change that was proposed twice, what follows is judged after the first that is decided", () => {
  const ledger = new Ledger(genesis, ["approver", "guard"]);
  const terms = { createdAt: nowS, lifetimeS: 60 };
  const made = (from: Membership, id: string, threshold: number, by = ["approver", "guard"]) => {
    const operation = { kind: "set_threshold", threshold } as const;
    return sealUpdate(unwrap(propose(from, operation, { ...terms, id: updateId(id) })), by);
  };
  const [left, right] = ["left", "right"].map((id) => made(ledger.membership, id, 2));
  if (left === undefined || right === undefined) throw new Error("there are two");
  const next = unwrap(taken(ledger.membership, left));
  // Ids are random: only a mistake or malice gives one to two changes, and then it waits for the log.
  const follower = made({ ...next, updates: ledger.membership.updates }, "left", 1);
  const outcome = (envelopes: readonly Envelope[]) =>
    openProposals(ledger.membership, envelopes, nowS).map((one) =>
      one.kind === "void" ? one.why.code : "open",
    );
  expect(outcome([left, right, follower])).toEqual(["open", "open", "update_repeated"]);
  expect(outcome([right, left, follower])).toEqual(["open", "open", "open"]);
});
