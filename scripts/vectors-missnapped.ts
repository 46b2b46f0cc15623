/** vectors-missnapped: snapshots that must not be believed, by whoever put them together, and why. */
import { idOf, Ledger, nowS, type Terms } from "../test/support/world.ts";
import { council } from "./vectors-governance.ts";
import { misauthorized } from "./vectors-misauthority.ts";
import { misstated } from "./vectors-misstated.ts";
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
import { allThree, checkpoint, handedOn } from "./vectors-snapshots.ts";

export const invalidSnapshots = (): Record<string, Vector> => ({
  ...misauthorized(),
  ...wrongCheckpoints(),
  ...wrongTimes(),
  ...misstated(),
});

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
