/** describe: what a person reads before signing, for every operation, and what no words may hide. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { describeOperation } from "../../src/membership/describe.ts";
import { Operation } from "../../src/membership/update.ts";
import {
  approverOf,
  genesisOf,
  idOf,
  Ledger,
  recordOf,
  signerOf,
  voucherOf,
} from "../support/world.ts";

const keyOf = (label: string) => signerOf(label).publicKey;
const ledger = new Ledger(
  genesisOf({
    threshold: 2,
    approvers: [
      approverOf("anna"),
      approverOf("boris"),
      approverOf("chandra", { role: "guardian" }),
    ],
  }),
  ["anna", "boris", "chandra"],
).admit("web", { tags: ["dev", "prod"] }, { by: ["anna", "boris"] });
const { state } = ledger.membership;
const [web, mallory] = [idOf("web"), idOf("mallory")];
const [boris, chandra, key] = ["boris", "chandra", "new"].map(keyOf);
const mail = recordOf(ledger.membership, "mail", { owner: "bob" });
const webText = `web (${web.slice(0, 16)}, owner alice, active)`;
const deciding = "decides who decides: the old quorum, the new quorum and an owner must sign";
const hash = "ab".repeat(32);

const cases: readonly (readonly [operation: Record<string, unknown>, lines: readonly string[]])[] =
  [
    [
      { kind: "add_node", node: mail },
      [
        `node added: mail (${mail.id.slice(0, 16)})`,
        "owner: bob",
        "tags: none",
        "addresses: 100.64.0.2, fd75:7f19:6437::6440:2",
        `identity key: ${mail.key}`,
      ],
    ],
    [
      { kind: "remove_node", node: web },
      [`node removed: ${webText}`, "its record goes; name, addresses and key are free again"],
    ],
    [
      { kind: "revoke_node", node: web },
      [`node revoked: ${webText}`, "nobody talks to it any more; its name is free again"],
    ],
    [
      { kind: "restore_node", node: web },
      [`node restored: ${webText}`, "it is an active member again, under the same key"],
    ],
    [
      { kind: "quarantine_node", node: web },
      [`node quarantined: ${webText}`, "it reaches nobody until it is restored"],
    ],
    [
      { kind: "rename_node", node: web, name: "www" },
      [`node renamed: ${webText}`, "name: web -> www"],
    ],
    [
      { kind: "retag_node", node: web, tags: ["admin", "prod"] },
      [
        `node retagged: ${webText}`,
        "tags: dev, prod -> admin, prod",
        "tag added: admin",
        "tag dropped: dev",
      ],
    ],
    [
      { kind: "reown_node", node: web, owner: "bob" },
      [`node given to another owner: ${webText}`, "owner: alice -> bob"],
    ],
    [
      { kind: "rotate_node_key", node: web, key },
      [
        `node given another identity key: ${webText}`,
        `key: ${keyOf("web")} -> ${key}`,
        "the old key is never believed again",
      ],
    ],
    [
      { kind: "add_approver", approver: { key, name: "dora", role: "guardian" } },
      [
        "approver added: dora, guardian",
        `approver key: ${key}`,
        "quorum: 2 of 3 -> 2 of 4",
        deciding,
      ],
    ],
    [
      { kind: "rotate_approver", approver: boris, key },
      [
        "approver given another key: boris, owner, active",
        `key: ${boris} -> ${key}`,
        "the old key is never believed again",
        deciding,
      ],
    ],
    [
      { kind: "revoke_approver", approver: chandra },
      [
        "approver revoked for good: chandra, guardian, active",
        `approver key: ${chandra}`,
        "quorum: 2 of 3 -> 2 of 2",
        deciding,
      ],
    ],
    [{ kind: "set_threshold", threshold: 1 }, ["quorum: 2 of 3 -> 1 of 3", deciding]],
    [
      { kind: "add_control_key", key },
      [`control key added: ${key}`, "it may sign maps for every node", deciding],
    ],
    [
      { kind: "revoke_control_key", key },
      [`control key revoked for good: ${key}`, "no map that it signs is believed", deciding],
    ],
    [{ kind: "add_relay_key", key }, [`relay key added: ${key}`]],
    [{ kind: "revoke_relay_key", key }, [`relay key revoked for good: ${key}`]],
    [
      { kind: "pin_policy", policy: { kind: "document", hash } },
      [`policy: nodes of one owner reach each other -> the document with hash ${hash}`],
    ],
    [
      {
        kind: "add_voucher",
        voucher: voucherOf("new", { tags: ["dev"], expiresAt: 1_790_000_000 }),
      },
      [
        "voucher added: 2 machines may join without anybody signing again",
        "owner: alice",
        "tags: dev",
        "until: 2026-09-21T14:13:20.000Z",
        `voucher key: ${key}`,
      ],
    ],
    [
      { kind: "add_voucher", voucher: voucherOf("new", { uses: 1, expiresAt: 253_402_300_799 }) },
      [
        "voucher added: 1 machine may join without anybody signing again",
        "owner: alice",
        "tags: none",
        "until: 9999-12-31T23:59:59.000Z",
        `voucher key: ${key}`,
      ],
    ],
    [
      { kind: "revoke_voucher", key },
      [`voucher taken back: ${key}`, "nobody joins by it any more"],
    ],
    [
      { kind: "redeem_voucher", voucher: key, node: mail },
      [
        `node added: mail (${mail.id.slice(0, 16)})`,
        "owner: bob",
        "tags: none",
        "addresses: 100.64.0.2, fd75:7f19:6437::6440:2",
        `identity key: ${mail.key}`,
        `by the voucher ${key}`,
      ],
    ],
    [
      { kind: "checkpoint" },
      [
        "checkpoint: the whole state at epoch 1, with 1 node",
        "who joins from then on believes it without the log before it",
      ],
    ],
  ];

const named = cases.map(
  ([operation, lines]) => [String(operation["kind"]), operation, lines] as const,
);

test.each(named)("%s is told in these words", (_kind, operation, lines) => {
  expect(describeOperation(state, v.parse(Operation, operation))).toEqual([...lines]);
});

test("every operation has its words here", () => {
  const kinds = Operation.options.map(({ entries }) => entries.kind.literal as string);
  expect([...new Set(named.map(([kind]) => kind))].sort()).toEqual(kinds.sort());
});

test("what the network does not know is called so, by its whole id", () => {
  const lines = describeOperation(state, { kind: "revoke_node", node: mallory });
  expect(lines[0]).toBe(`node revoked: ${mallory}, which is no node of this network`);
  const approver = keyOf("mallory");
  expect(describeOperation(state, { kind: "revoke_approver", approver })).toEqual([
    "approver revoked for good: a key that is no approver's",
    `approver key: ${approver}`,
    "quorum: 2 of 3 -> 2 of 3",
    deciding,
  ]);
});

test("a line is one line, and no key is shortened", () => {
  for (const [operation, lines] of cases) {
    const said = JSON.stringify(operation);
    expect(lines.join("").includes("\n")).toBe(false);
    if (said.includes(`${key}`)) expect(lines.join(" ")).toContain(`${key}`);
  }
});
