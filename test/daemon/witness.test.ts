/** witness: a node says what it was shown that does not fit, keeps the proof, and a trail that stays small. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { silentLog } from "../../src/base/log.ts";
import { AuditFile, collapseS, keptMax } from "../../src/daemon/audit-file.ts";
import { Belief } from "../../src/daemon/belief.ts";
import { conflictsMax } from "../../src/daemon/evidence.ts";
import { findingsOfConflicts, findingsOfHeads } from "../../src/daemon/log-findings.ts";
import { Witness } from "../../src/daemon/witness.ts";
import { compareHeads } from "../../src/trust/heads.ts";
import type { View } from "../../src/trust/view.ts";
import type { NodeAuditRecord } from "../../src/wire/local-api.ts";
import { codeOf, idOf, Ledger, nowS, updateId } from "../support/world.ts";
import {
  advertisementBy,
  enrollmentOf,
  HandClock,
  historyOf,
  mapText,
  openDirectory,
  openState,
} from "./world.ts";

const base = () => new Ledger().admit("me").admit("peer");
const ledger = base().admit("third");
const enrollment = enrollmentOf(ledger, "me");

let directory: ReturnType<typeof openDirectory>;
let clock: HandClock;
let belief: Belief;
let witness: Witness;

function open(): void {
  const state = openState(directory.path);
  belief = new Belief(state, clock, 3_600_000);
  belief.open(enrollment);
  witness = new Witness({ state, clock, log: silentLog });
}

beforeEach(() => {
  directory = openDirectory();
  clock = new HandClock();
  openState(directory.path).writeJoined(historyOf(ledger, 2), enrollment);
  open();
});
afterEach(() => directory[Symbol.dispose]());

const view = (): View => {
  if (belief.view === null) throw new Error("there is a view");
  return belief.view;
};

/** As following does with each map. */
function take(text: string): string {
  const before = view();
  const received = belief.receive(text);
  if (received.ok) witness.taken(before, received.value);
  else witness.refused(enrollment, before, text, received.error);
  return codeOf(received);
}

const trail = (): readonly NodeAuditRecord[] => openState(directory.path).audit.read();
const headCodes = () =>
  findingsOfHeads(view(), compareHeads(view(), view().advertisements.values())).map(
    ({ code }) => code,
  );

/** A map of what this node holds, with something that a peer said. */
const mapSaying = (head: { epoch: number; root: string }) =>
  mapText(ledger, "me", [], {
    advertisements: [advertisementBy("peer", ledger, { head: head as never })],
  });

test("a peer that stands on more of the log than the server shows is named, until it is shown", () => {
  const later = base().admit("third").revoke("third");
  const { state, root } = later.membership;
  expect(take(mapSaying({ epoch: state.epoch, root }))).toBe("accepted");
  expect(headCodes()).toEqual(["log_withheld"]);
  const [finding] = findingsOfHeads(view(), compareHeads(view(), view().advertisements.values()));
  expect(finding?.message).toContain("peer saw changes of the membership after epoch 3");
  expect(trail().at(-1)).toMatchObject({ event: "refused", code: "log_withheld" });
  expect(take(mapText(later, "me", [], { generation: 2 }))).toBe("accepted");
  expect(headCodes()).toEqual([]);
});

test("a peer that stands on another log of the same length is named", () => {
  expect(take(mapSaying({ epoch: 3, root: "ab".repeat(32) }))).toBe("accepted");
  expect(headCodes()).toEqual(["log_forked"]);
});

test("peers that stand where this node does, or were not heard since, are no finding", () => {
  const { root } = base().membership;
  expect(take(mapSaying({ epoch: 3, root: ledger.membership.root }))).toBe("accepted");
  expect(headCodes()).toEqual([]);
  const older = { ...mapHeads(2, root), generation: 2 };
  expect(take(mapText(ledger, "me", [], older))).toBe("accepted");
  expect(headCodes()).toEqual([]);
});

const mapHeads = (epoch: number, root: string) => ({
  advertisements: [
    advertisementBy("peer", ledger, { sequence: 2, head: { epoch, root: root as never } }),
  ],
});

/** What a server would show that has the approver's signature upon two changes of one state. */
const forks = [
  ["as long as ours", base().admit("fourth", {}, { id: updateId("fork") })],
  [
    "longer than ours",
    base()
      .admit("fourth", {}, { id: updateId("fork") })
      .admit("fifth"),
  ],
] as const;

test.each(forks)(
  "two changes that a quorum signed for one state are evidence: a log %s",
  (_, fork) => {
    expect(take(mapText(ledger, "me", ["peer"]))).toBe("accepted");
    const root = view().membership.root;
    expect(take(mapText(fork, "me", [], { generation: 2 }))).not.toBe("accepted");
    expect(view().membership.root, "the first stays in force").toBe(root);
    open();
    const [conflict, ...more] = witness.conflicts;
    expect(more).toEqual([]);
    expect(conflict).toMatchObject({ epoch: 3, state: "open", id: updateId("fork") });
    expect(conflict?.followed).toEqual(ledger.entries[2] as never);
    expect(conflict?.refused).toEqual(fork.entries[2] as never);
    const [finding] = findingsOfConflicts(view(), witness.conflicts);
    expect(finding?.message).toContain("node added: third");
    expect(finding?.message).toContain("node added: fourth");
    expect(finding?.remedy).toContain(`rustynet membership resolve ${updateId("fork")}`);
    expect(trail().some(({ code }) => code === "log_conflict")).toBe(true);
  },
);

test("a conflict stays a finding until somebody has looked into it, and the proof stays for good", () => {
  take(mapText(ledger, "me", ["peer"]));
  const [, fork] = forks[0];
  take(mapText(fork, "me", [], { generation: 2 }));
  expect(() => witness.resolve(updateId("another"), view())).toThrow("no conflict is called");
  witness.resolve(updateId("fork"), view());
  open();
  expect(findingsOfConflicts(view(), witness.conflicts)).toEqual([]);
  expect(witness.conflicts).toMatchObject([{ state: "resolved", refused: fork.entries[2] }]);
  expect(trail().at(-1)).toMatchObject({ event: "resolved" });
});

test("what too few signed, what follows nothing that we know, and the same entry again prove nothing", () => {
  take(mapText(ledger, "me", ["peer"]));
  const before = base();
  const unsigned = before.draft(
    { kind: "revoke_node", node: enrollment.node },
    { by: ["mallory"] },
  );
  const changes = { generation: 2, since: { epoch: 2, generation: 0 }, entries: [unsigned] };
  expect(
    take(
      mapText(ledger, "me", [], { ...changes, head: { epoch: 3, root: "cd".repeat(32) as never } }),
    ),
  ).toBe("log_forked");
  clock.pass(61);
  const elsewhere = new Ledger().admit("x").admit("y").admit("z");
  const unknown = { since: { epoch: 2, generation: 0 }, entries: elsewhere.entries.slice(2) };
  const late = { generation: 2, signedAt: clock.nowS() };
  expect(take(mapText(elsewhere, "me", [], { ...late, ...unknown }))).toBe("log_forked");
  clock.pass(61);
  // A node may leave by its own word, and says it anew when the log has moved on.
  const leaving = base().decide({ kind: "revoke_node", node: idOf("peer") }, { by: ["peer"] });
  const later = { generation: 2, signedAt: clock.nowS() };
  expect(take(mapText(leaving, "me", [], later))).toBe("log_forked");
  expect(witness.conflicts).toEqual([]);
});

test("a server that sends conflicts without end neither fills the disk nor keeps the node busy", () => {
  take(mapText(ledger, "me", ["peer"]));
  for (let i = 0; i < conflictsMax + 4; i++) {
    const fork = base().admit(`f${i}`, {}, { id: updateId(`fork ${i}`) });
    take(mapText(fork, "me", [], { generation: 2, signedAt: clock.nowS() }));
    // Within the same minute nobody looks again.
    const again = base().admit(`g${i}`, {}, { id: updateId(`again ${i}`) });
    take(mapText(again, "me", [], { generation: 2, signedAt: clock.nowS() }));
    clock.pass(61);
  }
  expect(witness.conflicts.map(({ id }) => id)).toEqual(
    Array.from({ length: conflictsMax }, (_, i) => updateId(`fork ${i}`)),
  );
});

test("what somebody has looked into makes room for what comes later", () => {
  take(mapText(ledger, "me", ["peer"]));
  const showFork = (name: string): void => {
    const fork = base().admit(name, {}, { id: updateId(`fork ${name}`) });
    take(mapText(fork, "me", [], { generation: 2, signedAt: clock.nowS() }));
    clock.pass(61);
  };
  for (let i = 0; i < conflictsMax; i++) showFork(`f${i}`);
  for (const i of [2, 1]) witness.resolve(updateId(`fork f${i}`), view());
  showFork("late");
  const ids = witness.conflicts.map(({ id }) => id);
  expect(ids).toHaveLength(conflictsMax);
  expect(ids.at(-1)).toBe(updateId("fork late"));
  expect([ids.includes(updateId("fork f1")), ids.includes(updateId("fork f2"))]).toEqual([
    false,
    true,
  ]);
});

test("each change that was taken is in the trail, in words, with who signed it", () => {
  take(mapText(ledger, "me", ["peer"]));
  expect(trail()).toMatchObject([
    {
      event: "applied",
      epoch: 3,
      code: "add_node",
      by: ["approver"],
      at: nowS,
      times: 1,
    },
  ]);
  expect(trail()[0]?.words[0]).toStartWith("node added: third");
});

test("the same refusal is written once an hour, with how often it came", () => {
  take(mapText(ledger, "me", ["peer"], { generation: 5 }));
  const refused = () => trail().filter(({ event }) => event === "refused");
  for (let i = 0; i < 1_000; i++) take(mapText(ledger, "me", [], { generation: 4 - (i % 3) }));
  expect(refused()).toMatchObject([{ code: "map_rejected:map_older", times: 1 }]);
  clock.pass(collapseS);
  take(mapText(ledger, "me", [], { generation: 4, signedAt: clock.nowS() }));
  expect(refused()).toMatchObject([{ times: 1 }, { code: "map_rejected:map_older", times: 1_000 }]);
});

test("the trail is bounded, and what was refused never drives out what was taken", () => {
  const file = new AuditFile(directory.path);
  const record = { epoch: 1, words: ["x"], by: [], times: 1 };
  for (let i = 0; i < 5; i++) file.write({ ...record, at: i, event: "applied", code: "add_node" });
  for (let i = 0; i < 5 * keptMax.refused; i++)
    file.write({ ...record, at: 10 + i, event: "refused", code: `code ${i}` });
  const records = new AuditFile(directory.path).read();
  expect(records.filter(({ event }) => event === "applied")).toHaveLength(5);
  const refused = records.filter(({ event }) => event === "refused");
  expect(refused.length).toBeLessThanOrEqual(2 * keptMax.refused);
  expect(refused.at(-1)?.code).toBe(`code ${5 * keptMax.refused - 1}`);
  expect(statSync(join(directory.path, "membership.audit")).size).toBeLessThan(100_000);
});
