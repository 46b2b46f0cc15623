/** vectors-missnapped: snapshots that must not be believed, by whoever put them together, and why. */
import { documentOf } from "../src/membership/document.ts";
import { advance, type AuthorityEntry } from "../src/membership/membership.ts";
import { type Snapshot, takeSnapshot } from "../src/membership/snapshot.ts";
import { restOf, type State } from "../src/membership/state.ts";
import type { LogEntry, Operation } from "../src/membership/update.ts";
import { NetworkId } from "../src/model/ids.ts";
import {
  approverOf,
  genesisOf,
  idOf,
  Ledger,
  nowS,
  type Terms,
  unwrap,
} from "../test/support/world.ts";
import { candidateOf, council, keyOf } from "./vectors-governance.ts";
import { allThree, checkpoint, full, handedOn } from "./vectors-snapshots.ts";
import * as v from "valibot";

const by = (...labels: readonly string[]): Terms => ({ by: labels });
const quorum = by("anna", "boris");

const refuse = (expect: string, { genesis, genesisRoot }: Ledger, snapshot: unknown) => ({
  expect,
  genesis,
  genesisRoot,
  now: nowS,
  snapshot,
});
type Vector = ReturnType<typeof refuse>;

function snapshotOf(ledger: Ledger): Snapshot {
  const snapshot = takeSnapshot(ledger.membership);
  if (snapshot === null) throw new Error("a snapshot needs a checkpoint");
  return snapshot;
}

/** The snapshot of what comes next in a ledger, whoever signed it and whatever it is. */
function drafted(ledger: Ledger, terms: Terms, operation: Operation = checkpoint): Snapshot {
  const { state, authority } = ledger.membership;
  const next = unwrap(advance(state, operation)).state;
  const entry = ledger.draft(operation, terms);
  return { authority: [...authority], checkpoint: entry, state: documentOf(next) };
}

/** A change of who may sign as it would stand in a snapshot, without having been taken. */
const draftedAuthority = (ledger: Ledger, operation: Operation, terms: Terms): AuthorityEntry => ({
  entry: ledger.draft(operation, terms),
  rest: restOf(ledger.membership.state),
});

const honest = (): Snapshot => snapshotOf(handedOn().decide(checkpoint, allThree));
const rich = (): Snapshot => snapshotOf(full().decide(checkpoint, quorum));

export const invalidSnapshots = (): Record<string, Vector> => ({
  ...misplacedAuthority(),
  ...missignedAuthority(),
  ...wrongCheckpoints(),
  ...wrongTimes(),
  ...changedStates(),
  ...misspelled(),
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

const handOver = {
  kind: "rotate_approver",
  approver: keyOf("anna"),
  key: keyOf("anna-2"),
} as const;
const handOverBy = by("anna", "boris", "anna-2");
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
      { kind: "pin_policy", policy: { kind: "document", hash: "ab".repeat(32) as never } },
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

function wrongCheckpoints(): Record<string, Vector> {
  const signed = (expect: string, terms: Terms): Vector =>
    refuse(expect, handedOn(), drafted(handedOn(), terms));
  const changed = (expect: string, lie: NonNullable<Terms["lie"]>): Vector =>
    signed(expect, { ...allThree, lie });
  const quarantine = { kind: "quarantine_node", node: idOf("db") } as const;
  const early = council().decide(checkpoint, quorum);
  const late = snapshotOf(early);
  early.decide(handOver, handOverBy);
  return {
    "a-checkpoint-that-is-a-quarantine": refuse(
      "not_a_checkpoint",
      handedOn(),
      drafted(handedOn(), allThree, quarantine),
    ),
    "a-checkpoint-by-two-of-three": signed("too_few_signatures", by("anna-2", "boris")),
    "a-checkpoint-by-a-revoked-approver-too": signed(
      "not_an_approver",
      by("anna-2", "boris", "dana", "chandra"),
    ),
    "a-checkpoint-by-a-key-that-was-rotated-away": signed(
      "not_an_approver",
      by("anna", "boris", "dana"),
    ),
    "a-checkpoint-by-a-stranger": signed("not_an_approver", by("mallory")),
    "a-checkpoint-by-the-control-key": signed("not_an_approver", by("control")),
    "a-checkpoint-by-a-node": signed("not_an_approver", by("db")),
    "a-checkpoint-of-another-network": changed("network_mismatch", (update) => ({
      ...update,
      network: "ab".repeat(16),
    })),
    "a-checkpoint-at-another-epoch": changed("snapshot_mismatch: epoch", (update) => ({
      ...update,
      epoch: update.epoch + 1,
    })),
    "a-checkpoint-at-epoch-0": changed("payload_unknown", (update) => ({ ...update, epoch: 0 })),
    "a-checkpoint-that-follows-from-another-state": changed("parent_mismatch", (update) => ({
      ...update,
      parent: update.root,
    })),
    "a-checkpoint-that-leads-to-another-state": changed("root_mismatch", (update) => ({
      ...update,
      root: update.parent,
    })),
    "a-checkpoint-older-than-the-changes-of-who-may-sign": refuse(
      "snapshot_mismatch: epoch",
      early,
      {
        ...late,
        authority: early.membership.authority,
      },
    ),
    "a-checkpoint-that-was-changed-after-signing": refuse(
      "envelope_refused: signature_invalid",
      handedOn(),
      {
        ...honest(),
        checkpoint: {
          ...honest().checkpoint,
          envelope: {
            ...honest().checkpoint.envelope,
            payload: drafted(handedOn(), { ...allThree, createdAt: nowS - 99 }).checkpoint.envelope
              .payload,
          },
        },
      },
    ),
    "a-snapshot-of-another-genesis": refuse("parent_mismatch", new Ledger(), honest()),
  };
}

const tooLate = { createdAt: nowS - 61, lifetimeS: 60, acceptedAt: nowS } as const;

function wrongTimes(): Record<string, Vector> {
  const at = (expect: string, terms: Terms): Vector =>
    refuse(expect, handedOn(), drafted(handedOn(), { ...allThree, ...terms }));
  const movedTo = (expect: string, which: number, acceptedAt: number): Vector =>
    refuse(expect, handedOn(), {
      ...honest(),
      authority: honest().authority.map(({ entry, rest }, i) => ({
        entry: i === which ? { ...entry, acceptedAt } : entry,
        rest,
      })),
    });
  return {
    "a-checkpoint-that-was-accepted-in-the-future": at("not_yet_valid", {
      createdAt: nowS,
      acceptedAt: nowS + 91,
    }),
    "a-checkpoint-that-was-made-after-it-was-accepted": at("not_yet_valid", {
      createdAt: nowS + 91,
      acceptedAt: nowS,
    }),
    "a-checkpoint-that-was-accepted-after-it-expired": at("expired", tooLate),
    "a-checkpoint-that-was-accepted-before-the-change-before-it": at("out_of_order", {
      createdAt: nowS - 101,
    }),
    "a-checkpoint-for-more-than-30-days": at("lifetime_invalid", { lifetimeS: 30 * 86_400 + 1 }),
    "a-checkpoint-that-never-held": at("lifetime_invalid", { lifetimeS: 0 }),
    "a-change-of-who-may-sign-accepted-in-the-future": movedTo("not_yet_valid", 3, nowS + 91),
    "a-change-of-who-may-sign-accepted-after-it-expired": refuse("expired", council(), {
      ...snapshotOf(council().decide(checkpoint, quorum)),
      authority: [draftedAuthority(council(), handOver, { ...handOverBy, ...tooLate })],
    }),
    "a-change-of-who-may-sign-accepted-before-the-one-before": movedTo(
      "out_of_order",
      2,
      nowS - 101,
    ),
  };
}

type Document = Snapshot["state"];
const changing = (expect: string, change: (state: Document) => Record<string, unknown>): Vector =>
  refuse(expect, full(), { ...rich(), state: { ...rich().state, ...change(rich().state) } });

/** A state that differs in one thing from the one that was vouched for. */
function changedStates(): Record<string, Vector> {
  const changed = (change: (state: Document) => Record<string, unknown>): Vector =>
    changing("parent_mismatch", change);
  const firstNode = (changes: (nodes: Document["nodes"]) => object): Vector =>
    changing("snapshot_mismatch: nodes", ({ nodes: [first, ...others] }) => ({
      nodes: [{ ...first, ...changes(others) }, ...others],
    }));
  return {
    "a-state-with-a-node-left-out": changed(({ nodes }) => ({ nodes: nodes.slice(1) })),
    "a-state-with-a-node-of-another-owner": changed(({ nodes: [first, ...others] }) => ({
      nodes: [{ ...first, owner: "mallory" }, ...others],
    })),
    "a-state-with-a-revoked-node-restored": changed(({ nodes }) => ({
      nodes: nodes.map((node) =>
        node.status === "revoked" ? { ...node, status: "active", name: "back" } : node,
      ),
    })),
    "a-state-with-a-retired-key-left-out": changed(({ retired }) => ({
      retired: retired.slice(1),
    })),
    "a-state-without-retired-keys": changed(() => ({ retired: [] })),
    "a-state-with-a-voucher-left-out": changed(() => ({ vouchers: [] })),
    "a-state-with-a-voucher-of-more-uses": changed(({ vouchers: [first] }) => ({
      vouchers: [{ ...first, uses: 1_000 }],
    })),
    "a-state-with-another-control-key": changed(() => ({ control: [keyOf("mallory")] })),
    "a-state-without-relays": changed(() => ({ relays: [] })),
    "a-state-with-another-policy": changed(() => ({ policy: { kind: "same_owner" } })),
    "a-state-with-an-approver-more": changing("snapshot_mismatch: approvers", ({ approvers }) => ({
      approvers: [...approvers, approverOf("mallory")],
    })),
    "a-state-with-an-approver-left-out": changing("snapshot_mismatch: approvers", (state) => ({
      approvers: state.approvers.slice(1),
    })),
    "a-state-with-approvers-in-another-order": changing(
      "snapshot_mismatch: approvers",
      (state) => ({
        approvers: state.approvers.toReversed(),
      }),
    ),
    "a-state-with-an-approver-of-another-role": changing(
      "snapshot_mismatch: approvers",
      (state) => ({
        approvers: state.approvers.map((one) => ({ ...one, role: "owner" })),
      }),
    ),
    "a-state-with-another-threshold": changing("snapshot_mismatch: threshold", () => ({
      threshold: 1,
    })),
    "a-state-at-another-epoch": changing("snapshot_mismatch: epoch", ({ epoch }) => ({
      epoch: epoch - 1,
    })),
    "a-state-of-another-network": changing("snapshot_mismatch: network", () => ({
      network: "ab".repeat(16),
    })),
    "a-state-with-other-ranges": changing("snapshot_mismatch: ranges", ({ ranges }) => ({
      ranges: { ...ranges, ipv4: "10.0.0.0/8" },
    })),
    "a-state-with-two-nodes-of-one-name": firstNode((others) => ({
      name: others.find(({ status }) => status === "active")?.name,
      status: "active",
    })),
    "a-state-with-two-nodes-at-one-ipv4-address": firstNode(([other]) => ({ ipv4: other?.ipv4 })),
    "a-state-with-two-nodes-at-one-ipv6-address": firstNode(([other]) => ({ ipv6: other?.ipv6 })),
    "a-state-with-two-nodes-under-one-key": firstNode(([other]) => ({ key: other?.key })),
  };
}

/** A second spelling of a set, and what has not the form at all. */
function misspelled(): Record<string, Vector> {
  const changed = (change: (state: Document) => Record<string, unknown>): Vector =>
    changing("malformed", change);
  const altered = (change: (snapshot: Snapshot) => object): Vector =>
    refuse("malformed", full(), { ...rich(), ...change(rich()) });
  return {
    "a-state-with-nodes-out-of-order": changed(({ nodes }) => ({ nodes: nodes.toReversed() })),
    "a-state-with-a-node-twice": changed(({ nodes: [first, ...others] }) => ({
      nodes: [first, first, ...others],
    })),
    "a-state-with-retired-keys-out-of-order": changed(({ retired }) => ({
      retired: retired.toReversed(),
    })),
    "a-state-with-a-retired-key-twice": changed(({ retired: [first, ...others] }) => ({
      retired: [first, first, ...others],
    })),
    "a-state-with-a-voucher-twice": changed(({ vouchers: [first] }) => ({
      vouchers: [first, first],
    })),
    "a-state-with-control-keys-out-of-order": changed(() => ({
      control: [keyOf("control"), keyOf("control-2")].sort().reverse(),
    })),
    "a-state-of-version-2": changed(() => ({ version: 2 })),
    "a-state-with-an-unknown-field": changed(() => ({ note: "x" })),
    "a-state-with-a-field-of-every-object": changed(() => ({ constructor: "x" })),
    "a-state-beyond-the-last-epoch": changed(() => ({ epoch: 2 ** 48 + 1 })),
    "a-snapshot-without-a-state": altered(() => ({ state: undefined })),
    "a-snapshot-without-a-checkpoint": altered(() => ({ checkpoint: undefined })),
    "a-snapshot-with-an-unknown-field": altered(() => ({ entries: [] })),
    "a-change-of-who-may-sign-without-its-rest": altered(({ authority }) => ({
      authority: authority.map(({ entry }) => ({ entry })),
    })),
    "a-rest-with-an-unknown-field": altered(({ authority }) => ({
      authority: authority.map(({ entry, rest }) => ({ entry, rest: { ...rest, epoch: 1 } })),
    })),
    "a-rest-without-its-nodes": altered(({ authority }) => ({
      authority: authority.map(({ entry, rest: { nodes: _, ...rest } }) => ({ entry, rest })),
    })),
  };
}
