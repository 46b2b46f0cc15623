/** snapshot: what the vectors do not show: limits, crafted input, and what a lie costs the liar. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { documentOf, StateDocument, stateOf } from "../../src/membership/document.ts";
import { append, found } from "../../src/membership/membership.ts";
import { restore, Snapshot, takeSnapshot } from "../../src/membership/snapshot.ts";
import { rootOf } from "../../src/membership/state.ts";
import { approverOf, codeOf, genesisOf, Ledger, nowS, signerOf, unwrap } from "../support/world.ts";

const keyOf = (label: string) => signerOf(label).publicKey;
const checkpoint = { kind: "checkpoint" } as const;

function snapshotOf(ledger: Ledger): Snapshot {
  const snapshot = takeSnapshot(ledger.membership);
  if (snapshot === null) throw new Error("there is a checkpoint");
  return v.parse(Snapshot, JSON.parse(JSON.stringify(snapshot)));
}
const founded = ({ genesis, genesisRoot }: Ledger) => unwrap(found(genesis, genesisRoot));

test("without a checkpoint there is no snapshot", () => {
  expect(takeSnapshot(new Ledger().admit("web").membership)).toBeNull();
});

test("a list of approvers that outgrew the genesis by those revoked is restored", () => {
  const people = Array.from({ length: 64 }, (_, i) => `person-${i}`);
  const ledger = new Ledger(genesisOf({ approvers: people.map((one) => approverOf(one)) }), people)
    .decide(
      { kind: "rotate_approver", approver: keyOf("person-7"), key: keyOf("late") },
      { by: ["person-0", "late"] },
    )
    .decide(checkpoint, { by: ["late"] });
  const restored = unwrap(restore(founded(ledger), snapshotOf(ledger), nowS));
  expect(restored).toEqual(ledger.membership);
  expect(restored.state.approvers).toHaveLength(65);
});

test("a snapshot says what the last checkpoint vouched for, whatever came later", () => {
  const ledger = new Ledger().admit("web").decide(checkpoint);
  const before = snapshotOf(ledger);
  const { key, name, role } = approverOf("boris");
  ledger
    .decide({ kind: "add_approver", approver: { key, name, role } }, { by: ["approver", "boris"] })
    .revoke("web");
  expect(snapshotOf(ledger)).toEqual(before);
});

test("a restored membership takes what follows, and refuses the id of its checkpoint alone", () => {
  const ledger = new Ledger().admit("web").decide(checkpoint);
  const restored = unwrap(restore(founded(ledger), snapshotOf(ledger), nowS));
  const [admitted, vouched] = ledger.entries.map(({ envelope }) => envelope);
  const idOf = (payload = ""): never => JSON.parse(atob(payload)).id as never;
  const under = (id: never) =>
    codeOf(append(restored, ledger.draft({ kind: "checkpoint" }, { id }), nowS));
  expect(under(idOf(admitted?.payload))).toBe("accepted");
  expect(under(idOf(vouched?.payload))).toBe("update_repeated");
});

test("of what a stranger made up, no state is built", () => {
  const ledger = new Ledger().admit("web").decide(checkpoint);
  const snapshot = snapshotOf(ledger);
  const forged = new Ledger().admit("web").draft(checkpoint, { by: ["mallory"] });
  const state = { ...snapshot.state };
  // Whoever looks at a node of it, breaks.
  Object.defineProperty(state, "nodes", { get: () => expect.unreachable() });
  const outcome = restore(founded(ledger), { ...snapshot, checkpoint: forged, state }, nowS);
  expect(codeOf(outcome)).toBe("not_an_approver");
});

const grown = () => new Ledger().admit("web").admit("db").decide(checkpoint);

test.each([
  ["__proto__", '{"__proto__":{"version":1},"version":1,'],
  ["constructor", '{"constructor":1,"version":1,'],
  ["toString", '{"toString":1,"version":1,'],
])("a field called %s is a field that is not known", (_name, head) => {
  const text = JSON.stringify(snapshotOf(grown()).state);
  expect(v.safeParse(StateDocument, JSON.parse(text)).success).toBe(true);
  const body = text.replace('"version":1,', "").slice(1);
  expect(v.safeParse(StateDocument, JSON.parse(head + body)).success).toBe(false);
});

test.each([
  ["nodes", 50_001],
  ["vouchers", 1_001],
] as const)("a state of too many %s is refused unseen", (field, count) => {
  const { state } = snapshotOf(grown());
  // Whoever looks into one of them, breaks.
  const unseen = new Proxy({}, { get: () => expect.unreachable() });
  const crowded = { ...state, [field]: Array.from({ length: count }, () => unseen) };
  expect(v.safeParse(StateDocument, crowded).success).toBe(false);
});

test("a state whose epoch is the last there is has a root, and no epoch is fractional or negative", () => {
  const { state } = snapshotOf(grown());
  for (const epoch of [0, 2 ** 48])
    expect(stateOf(v.parse(StateDocument, { ...state, epoch }))?.epoch).toBe(epoch);
  for (const epoch of [-1, 0.5, 2 ** 48 + 1, "1", Number.NaN])
    expect(v.safeParse(StateDocument, { ...state, epoch }).success).toBe(false);
});

test("a state that lost its indexes would have another shape: they come back whole", () => {
  const { state } = grown().membership;
  const again = stateOf(v.parse(StateDocument, documentOf(state)));
  expect(again).toEqual(state);
  expect(again === null ? "" : rootOf(again)).toBe(rootOf(state));
});
