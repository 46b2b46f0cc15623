/** vectors-misauthority: snapshots in which who may sign is not who the log says. */
import type { AuthorityEntry } from "../src/membership/membership.ts";
import type { Snapshot } from "../src/membership/snapshot.ts";
import { restOf, type State } from "../src/membership/state.ts";
import type { LogEntry, Operation } from "../src/membership/update.ts";
import { NetworkId, PolicyHash } from "../src/model/ids.ts";
import { approverOf, genesisOf, Ledger, type Terms } from "../test/support/world.ts";
import { candidateOf, council, keyOf } from "./vectors-governance.ts";
import {
  by,
  drafted,
  draftedAuthority,
  handOver,
  handOverBy,
  honest,
  quorum,
  refuse,
  snapshotOf,
  type Vector,
} from "./vectors-snapshot-parts.ts";
import { checkpoint, handedOn } from "./vectors-snapshots.ts";
import * as v from "valibot";

export const misauthorized = (): Record<string, Vector> => ({
  ...misplacedAuthority(),
  ...missignedAuthority(),
});

/** Who may sign, with something left out, put in, or in another order. */
function misplacedAuthority(): Record<string, Vector> {
  const without = (expect: string, ...gone: readonly number[]): Vector =>
    of(expect, (authority) => authority.filter((_entry, i) => !gone.includes(i)));
  const of = (
    expect: string,
    change: (authority: Snapshot["authority"]) => readonly (AuthorityEntry | undefined)[],
  ): Vector => refuse(expect, handedOn(), { ...honest(), authority: change(honest().authority) });
  const elsewhere = new Ledger(
    { ...genesisOf(), ...councilTerms(), network: v.parse(NetworkId, "ab".repeat(16)) },
    ["anna", "boris", "chandra"],
  );
  const foreign = draftedAuthority(elsewhere, handOver, handOverBy);
  const admission = handedOn().entries[0];
  return {
    "the-first-change-of-who-may-sign-left-out": without("parent_mismatch", 0),
    "a-revocation-left-out": without("parent_mismatch", 1),
    "the-last-change-of-who-may-sign-left-out": without("snapshot_mismatch: threshold", 3),
    "every-change-of-who-may-sign-left-out": without("snapshot_mismatch: threshold", 0, 1, 2, 3),
    "changes-of-who-may-sign-out-of-order": of("parent_mismatch", ([a, b, ...others]) => [
      b,
      a,
      ...others,
    ]),
    "a-change-of-who-may-sign-twice": of("not_of_authority", ([a, ...others]) => [a, a, ...others]),
    "a-change-of-who-may-sign-in-another-network": of("network_mismatch", ([, ...others]) => [
      foreign,
      ...others,
    ]),
    "an-admission-among-the-changes-of-who-may-sign": of("not_of_authority", (authority) => [
      { entry: admission as LogEntry, rest: restOf(handedOn().history[0]?.state as State) },
      ...authority,
    ]),
    "a-control-key-among-the-changes-of-who-may-sign": withControlKey(),
    "a-change-of-who-may-sign-from-a-fork": fork(),
    "a-revoked-key-beside-one-that-came-later": stolenKey(),
    "another-rest-than-was-signed": of("parent_mismatch", ([first, ...others]) => [
      first && { ...first, rest: { ...first.rest, nodes: "ab".repeat(32) } },
      ...others,
    ]),
    "a-rest-with-another-control-key": of("parent_mismatch", ([first, ...others]) => [
      first && { ...first, rest: { ...first.rest, control: [keyOf("mallory")] } },
      ...others,
    ]),
    "a-rest-with-retired-keys-that-were-none": of("parent_mismatch", ([first, ...others]) => [
      first && { ...first, rest: { ...first.rest, retired: "00".repeat(32) } },
      ...others,
    ]),
  };
}

const councilTerms = () => {
  const guardian = { role: "guardian" } as const;
  const approvers = [
    approverOf("anna"),
    approverOf("boris", guardian),
    approverOf("chandra", guardian),
  ];
  return { threshold: 2, approvers };
};

function withControlKey(): Vector {
  const ledger = council();
  const { state } = ledger.membership;
  ledger.decide({ kind: "add_control_key", key: keyOf("control-2") }, quorum);
  const [entry] = ledger.entries;
  const snapshot = snapshotOf(ledger.decide(checkpoint, quorum));
  return refuse("not_of_authority", ledger, {
    ...snapshot,
    authority: [{ entry, rest: restOf(state) }],
  });
}

/** Both follow the genesis, and people signed both; only one of them was ever taken in. */
function fork(): Vector {
  const spare = draftedAuthority(
    council(),
    { kind: "add_approver", approver: candidateOf("dana") },
    by("anna", "chandra", "dana"),
  );
  const ledger = council()
    .admit("web", {}, quorum)
    .decide({ kind: "set_threshold", threshold: 3 }, by("anna", "boris", "chandra"));
  const snapshot = snapshotOf(ledger.decide(checkpoint, by("anna", "boris", "chandra")));
  return refuse("parent_mismatch", ledger, {
    ...snapshot,
    authority: [spare, ...snapshot.authority],
  });
}

/**
 * Chandra's key is stolen and revoked; dana comes, and her key is stolen too. Neither in the log before
 * nor after could the two decide anything. They leave the revocation out, and sign a checkpoint.
 */
function stolenKey(): Vector {
  const joins = { kind: "add_approver", approver: candidateOf("dana") } as const;
  const ledger = council()
    .decide({ kind: "revoke_approver", approver: keyOf("chandra") }, quorum)
    .decide(joins, by("anna", "boris", "dana"));
  const authority = ledger.membership.authority.slice(1);
  const pretended = council()
    .decide(joins, by("anna", "boris", "dana"))
    .decide(
      {
        kind: "pin_policy",
        policy: { kind: "document", hash: v.parse(PolicyHash, "ab".repeat(32)) },
      },
      quorum,
    );
  return refuse("parent_mismatch", ledger, {
    ...drafted(pretended, by("chandra", "dana")),
    authority,
  });
}

/** Changes of who may sign that too few, or the wrong people, have signed. */
function missignedAuthority(): Record<string, Vector> {
  const signed = (expect: string, operation: Operation, terms: Terms): Vector => {
    const ledger = council().admit("web", {}, quorum);
    const change = draftedAuthority(ledger, operation, terms);
    return refuse(expect, ledger, {
      ...snapshotOf(council().decide(checkpoint, quorum)),
      authority: [change],
    });
  };
  const joins = { kind: "add_approver", approver: candidateOf("dana") } as const;
  return {
    "a-change-of-who-may-sign-by-one-of-two": signed(
      "too_few_signatures",
      handOver,
      by("anna", "anna-2"),
    ),
    "a-change-of-who-may-sign-by-a-stranger-too": signed(
      "not_an_approver",
      handOver,
      by("anna", "boris", "anna-2", "mallory"),
    ),
    "a-change-of-who-may-sign-by-a-node": signed("not_an_approver", handOver, by("web", "anna-2")),
    "a-change-of-who-may-sign-without-an-owner": signed(
      "owner_did_not_sign",
      joins,
      by("boris", "chandra", "dana"),
    ),
    "a-change-of-who-may-sign-without-the-new-key": signed("key_unproven", joins, quorum),
    "a-change-of-who-may-sign-by-too-few-of-those-to-come": signed(
      "too_few_successors",
      { kind: "set_threshold", threshold: 3 },
      quorum,
    ),
    "a-change-of-who-may-sign-that-does-not-apply": signed(
      "threshold_unreachable",
      { kind: "set_threshold", threshold: 4 },
      by("anna", "boris", "chandra"),
    ),
    "an-approver-under-the-control-key": signed(
      "key_in_use",
      { kind: "add_approver", approver: candidateOf("dana", { key: keyOf("control") }) },
      by("anna", "boris", "control"),
    ),
    "a-change-of-who-may-sign-with-another-root": signed("root_mismatch", joins, {
      ...by("anna", "boris", "dana"),
      lie: (update) => ({ ...update, root: update.parent }),
    }),
  };
}
