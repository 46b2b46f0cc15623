/** quorum: over all sets of signers, who may decide what, against a rule that counts by hand. */
import { describe, expect, test } from "bun:test";
import { advance, append } from "../../src/membership/membership.ts";
import { changesApprovers, changesAuthority, tally } from "../../src/membership/quorum.ts";
import { Operation } from "../../src/membership/update.ts";
import type { PolicyHash } from "../../src/model/ids.ts";
import {
  approverOf,
  codeOf,
  genesisOf,
  idOf,
  Ledger,
  nowS,
  recordOf,
  signerOf,
  unwrap,
  voucherOf,
} from "../support/world.ts";

const keyOf = (label: string) => signerOf(label).publicKey;
const guardian = { role: "guardian" } as const;

/** Anna and boris are owners, chandra a guardian, dora is revoked; two of three decide. */
const founded = () =>
  new Ledger(
    genesisOf({
      threshold: 2,
      approvers: [
        approverOf("anna"),
        approverOf("boris"),
        approverOf("chandra", guardian),
        approverOf("dora", { status: "revoked" }),
      ],
      control: [keyOf("control"), keyOf("control-2")].sort(),
    }),
    ["anna", "boris", "chandra", "dora"],
  )
    .admit("web", {}, { by: ["anna", "boris"] })
    .admit("db", {}, { by: ["anna", "boris"] })
    .decide({ kind: "add_voucher", voucher: voucherOf("voucher") }, { by: ["anna", "boris"] });

const { key, name, role } = approverOf("emil", guardian);
type Case = {
  readonly operation: Operation;
  readonly after: readonly string[];
  readonly need: number;
  readonly newcomer?: string;
};
const same = { after: ["anna", "boris", "chandra"], need: 2 };
const constitutional: readonly Case[] = [
  {
    operation: { kind: "add_approver", approver: { key, name, role } },
    after: ["anna", "boris", "chandra", "emil"],
    need: 2,
    newcomer: "emil",
  },
  {
    operation: { kind: "rotate_approver", approver: keyOf("anna"), key },
    after: ["boris", "chandra", "emil"],
    need: 2,
    newcomer: "emil",
  },
  {
    operation: { kind: "revoke_approver", approver: keyOf("anna") },
    after: ["boris", "chandra"],
    need: 2,
  },
  { operation: { kind: "set_threshold", threshold: 3 }, ...same, need: 3 },
  { operation: { kind: "set_threshold", threshold: 1 }, ...same, need: 1 },
  { operation: { kind: "add_control_key", key }, ...same },
  { operation: { kind: "revoke_control_key", key: keyOf("control") }, ...same },
];
const ordinary: readonly Operation[] = [
  { kind: "quarantine_node", node: idOf("web") },
  { kind: "rotate_node_key", node: idOf("web"), key: keyOf("web-2") },
  { kind: "add_relay_key", key },
  { kind: "pin_policy", policy: { kind: "document", hash: "ab".repeat(32) as PolicyHash } },
  { kind: "add_voucher", voucher: voucherOf("emil") },
  { kind: "revoke_voucher", key: keyOf("voucher") },
  { kind: "checkpoint" },
];

const everybody = ["anna", "boris", "chandra", "dora", "emil", "control"];
const subsets = Array.from({ length: 2 ** everybody.length - 1 }, (_, i) =>
  everybody.filter((_label, bit) => (((i + 1) >> bit) & 1) === 1),
);
const before = ["anna", "boris", "chandra"];
const isAllowed = (by: readonly string[], { after, need, newcomer }: Case): boolean =>
  by.every((label) => before.includes(label) || label === newcomer) &&
  by.filter((label) => before.includes(label)).length >= 2 &&
  by.filter((label) => after.includes(label)).length >= need &&
  (by.includes("anna") || by.includes("boris")) &&
  (newcomer === undefined || by.includes(newcomer));

const outcome = (ledger: Ledger, operation: Operation, by: readonly string[]): string =>
  codeOf(append(ledger.membership, ledger.draft(operation, { by }), nowS));

describe("whoever signs, it is decided exactly when both quorums, an owner and the newcomer did:", () => {
  const ledger = founded();
  test.each(constitutional.map((one) => [one.operation.kind, one] as const))("%s", (_kind, one) => {
    for (const by of subsets)
      expect([by, outcome(ledger, one.operation, by) === "accepted"]).toEqual([
        by,
        isAllowed(by, one),
      ]);
  });

  test.each(ordinary.map((operation) => [operation.kind, operation] as const))(
    "%s needs two of the three, and no owner",
    (_kind, operation) => {
      for (const by of subsets) {
        const isQuorum = by.length >= 2 && by.every((label) => before.includes(label));
        expect([by, outcome(ledger, operation, by) === "accepted"]).toEqual([by, isQuorum]);
      }
    },
  );
});

describe("whose own words are enough, over all sets of signers:", () => {
  const ledger = founded();
  const around = ["anna", "boris", "chandra", "web", "db", "mail", "voucher", "control"];
  const sets = Array.from({ length: 2 ** around.length - 1 }, (_, i) =>
    around.filter((_label, bit) => (((i + 1) >> bit) & 1) === 1),
  );
  const isQuorum = (by: readonly string[]): boolean =>
    by.length >= 2 && by.every((label) => before.includes(label));
  const node = recordOf(ledger.membership, "mail");
  const cases: readonly (readonly [string, Operation, (by: readonly string[]) => boolean])[] = [
    [
      "a node may leave by its key alone",
      { kind: "revoke_node", node: idOf("web") },
      (by) => isQuorum(by) || by.join() === "web",
    ],
    [
      "a voucher is redeemed by its key and the node's, both, and nobody's else",
      { kind: "redeem_voucher", voucher: keyOf("voucher"), node },
      (by) => by.join() === "mail,voucher",
    ],
    ["nothing else: quarantine", { kind: "quarantine_node", node: idOf("web") }, isQuorum],
    ["nothing else: remove", { kind: "remove_node", node: idOf("web") }, isQuorum],
    ["nothing else: add", { kind: "add_node", node }, isQuorum],
    ["nothing else: take back", { kind: "revoke_voucher", key: keyOf("voucher") }, isQuorum],
    ["nothing else: vouch for all", { kind: "checkpoint" }, isQuorum],
  ];
  test.each(cases)("%s", (_what, operation, isEnough) => {
    for (const by of sets)
      expect([by, outcome(ledger, operation, by) === "accepted"]).toEqual([by, isEnough(by)]);
  });
});

const tallies: readonly (readonly [string, Operation, readonly string[], unknown])[] = [
  [
    "nobody",
    { kind: "checkpoint" },
    [],
    { signed: "", missing: "anna boris chandra", code: "too_few_signatures" },
  ],
  [
    "one of two",
    { kind: "checkpoint" },
    ["chandra"],
    { signed: "chandra", missing: "anna boris", code: "too_few_signatures" },
  ],
  [
    "two of two",
    { kind: "checkpoint" },
    ["chandra", "anna"],
    { signed: "anna chandra", missing: "boris", code: null },
  ],
  [
    "a stranger",
    { kind: "checkpoint" },
    ["anna", "boris", "web"],
    { signed: "anna boris", missing: "chandra", code: "not_an_approver" },
  ],
  [
    "guardians alone",
    { kind: "add_control_key", key: keyOf("k") },
    ["chandra"],
    { signed: "chandra", missing: "anna boris", code: "too_few_signatures" },
  ],
  [
    "too few of those to come",
    { kind: "set_threshold", threshold: 3 },
    ["anna", "boris"],
    { signed: "anna boris", missing: "chandra", code: "too_few_successors" },
  ],
  [
    "all of those to come",
    { kind: "set_threshold", threshold: 3 },
    before,
    { signed: "anna boris chandra", missing: "", code: null },
  ],
  [
    "the node itself",
    { kind: "revoke_node", node: idOf("web") },
    ["web"],
    { signed: "", missing: "anna boris chandra", code: null },
  ],
];

test.each(tallies)("with %s the tally says so", (_who, operation, by, expected) => {
  const { state } = founded().membership;
  const after = unwrap(advance(state, operation)).state;
  const { signed, missing, need, verdict } = tally(state, after, operation, new Set(by.map(keyOf)));
  const names = (approvers: readonly { readonly name: string }[]) =>
    approvers.map((approver) => approver.name).join(" ");
  const told = { signed: names(signed), missing: names(missing), code: verdict?.code ?? null };
  expect(told as unknown).toEqual(expected);
  expect(need).toBe(2);
});

test("which operations decide who decides is written down here too", () => {
  const kinds = Operation.options.map(({ entries }) => entries.kind.literal);
  const deciding = kinds.filter((kind) => changesAuthority({ kind } as Operation));
  expect(deciding).toEqual([
    "add_approver",
    "rotate_approver",
    "revoke_approver",
    "set_threshold",
    "add_control_key",
    "revoke_control_key",
  ]);
  const naming = kinds.filter((kind) => changesApprovers({ kind } as Operation));
  expect(naming).toEqual(["add_approver", "rotate_approver", "revoke_approver", "set_threshold"]);
  expect(kinds).toHaveLength(22);
});

const people = Array.from({ length: 64 }, (_, i) => `person-${i}`);
const crowd = (threshold: number) =>
  new Ledger(genesisOf({ threshold, approvers: people.map((one) => approverOf(one)) }), people);

test("with 64 approvers who must all sign, one can still be rotated", () => {
  const operation = { kind: "rotate_approver", approver: keyOf("person-7"), key } as const;
  const ledger = crowd(64).decide(operation, { by: [...people, "emil"] });
  const active = ledger.membership.state.approvers.filter(({ status }) => status === "active");
  expect([active.length, active.at(-1)?.name as string]).toEqual([64, "person-7"]);
});

test("revoked approvers fill no list: the 65th, and many more, can follow them", () => {
  const by = (...labels: readonly string[]) => ({ by: ["person-0", ...labels] });
  const ledger = crowd(1);
  for (let i = 1; i < 10; i++) {
    const newcomer = approverOf(`later-${i}`);
    ledger.decide({ kind: "revoke_approver", approver: keyOf(`person-${i}`) }, by()).decide(
      {
        kind: "add_approver",
        approver: { key: newcomer.key, name: newcomer.name, role: "owner" },
      },
      by(`later-${i}`),
    );
  }
  expect(ledger.membership.state.approvers).toHaveLength(73);
});

test("with 16 control keys each can be revoked but the last", () => {
  const labels = Array.from({ length: 16 }, (_, i) => `control-${i}`);
  const ledger = new Ledger(genesisOf({ control: labels.map(keyOf).sort() }));
  for (const label of labels.slice(1))
    ledger.decide({ kind: "revoke_control_key", key: keyOf(label) });
  expect(ledger.membership.state.control).toEqual([keyOf("control-0")]);
  expect(ledger.membership.state.retired.size).toBe(15);
});
