/** vectors-snapshots: states that are believed without the log before them, with the log that follows. */
import { takeSnapshot } from "../src/membership/snapshot.ts";
import { skewMaxS } from "../src/model/time.ts";
import { genesisOf, idOf, Ledger, nowS, signerOf, type Terms } from "../test/support/world.ts";
import { candidateOf, council, document, keyOf } from "./vectors-governance.ts";
import { redeem, vouched } from "./vectors-vouchers.ts";

const by = (...labels: readonly string[]): Terms => ({ by: labels });
const quorum = by("anna", "boris");
const later = by("anna-2", "boris");
export const checkpoint = { kind: "checkpoint" } as const;

/** Accepts what a ledger's last checkpoint vouches for, and the entries after it. */
function accept(ledger: Ledger, now = nowS) {
  const snapshot = takeSnapshot(ledger.membership);
  if (snapshot === null) throw new Error("a snapshot needs a checkpoint");
  const epoch = snapshot.state.epoch;
  return {
    genesis: ledger.genesis,
    genesisRoot: ledger.genesisRoot,
    now,
    snapshot,
    entries: ledger.entries.slice(epoch),
    roots: ledger.history.slice(epoch).map(({ root }) => root),
  };
}

/** Anna's key is rotated, chandra goes, dana comes, all three that are left must sign. */
export const handedOn = (): Ledger =>
  council()
    .admit("web", { tags: ["prod"] }, quorum)
    .decide(
      { kind: "rotate_approver", approver: keyOf("anna"), key: keyOf("anna-2") },
      by("anna", "boris", "anna-2"),
    )
    .admit("db", {}, later)
    .decide({ kind: "revoke_approver", approver: keyOf("chandra") }, later)
    .revoke("web", later)
    .decide({ kind: "add_approver", approver: candidateOf("dana") }, by("anna-2", "boris", "dana"))
    .decide({ kind: "set_threshold", threshold: 3 }, by("anna-2", "boris", "dana"));

export const allThree = by("anna-2", "boris", "dana");

/** Something of everything that a state may hold. */
export const full = (): Ledger =>
  redeem(vouched(), "mail")
    .decide({ kind: "rotate_node_key", node: idOf("web"), key: keyOf("web-2") }, quorum)
    .decide({ kind: "add_control_key", key: keyOf("control-2") }, quorum)
    .decide({ kind: "revoke_control_key", key: keyOf("control") }, quorum)
    .decide({ kind: "add_relay_key", key: keyOf("relay") }, quorum)
    .decide({ kind: "pin_policy", policy: { kind: "document", hash: document } }, quorum)
    .revoke("mail", quorum)
    .admit("mail-2", { name: "mail", owner: "bob" }, quorum)
    .decide({ kind: "add_approver", approver: candidateOf("dana") }, by("anna", "boris", "dana"));

/** As far as the clocks may differ, and not a second further. */
const boundaries = (): Ledger =>
  new Ledger()
    .admit("web", {}, { createdAt: nowS - 3_600, acceptedAt: nowS, lifetimeS: 3_600 })
    .take(
      new Ledger()
        .admit("web", {}, { createdAt: nowS - 3_600, acceptedAt: nowS, lifetimeS: 3_600 })
        .draft(checkpoint, { createdAt: nowS + 2 * skewMaxS, acceptedAt: nowS + skewMaxS }),
    );

export const validSnapshots = () => ({
  "a-checkpoint-that-comes-first": accept(new Ledger().decide(checkpoint)),
  "a-checkpoint-after-one-node-and-nothing-behind-it": accept(
    new Ledger().admit("web").decide(checkpoint),
  ),
  "nodes-that-come-and-go-behind-it": accept(
    new Ledger().admit("web").decide(checkpoint).admit("db").rename("web", "www").revoke("db"),
  ),
  "who-may-sign-was-handed-on-before-it": accept(
    handedOn()
      .decide(checkpoint, allThree)
      .decide({ kind: "restore_node", node: idOf("web") }, allThree),
  ),
  "who-may-sign-is-handed-on-behind-it": accept(
    council()
      .decide({ kind: "set_threshold", threshold: 3 }, by("anna", "boris", "chandra"))
      .decide(checkpoint, by("anna", "boris", "chandra"))
      .decide({ kind: "set_threshold", threshold: 1 }, by("anna", "boris", "chandra"))
      .admit("web", {}, by("chandra")),
  ),
  "something-of-everything": accept(
    redeem(full().decide(checkpoint, by("boris", "dana")), "late").decide(
      { kind: "revoke_node", node: idOf("late") },
      by("late"),
    ),
  ),
  "the-second-of-two-checkpoints": accept(
    new Ledger().admit("web").decide(checkpoint).admit("db").decide(checkpoint).revoke("db"),
  ),
  "an-id-from-before-it-comes-again": accept(
    new Ledger()
      .admit("web")
      .decide(checkpoint)
      .decide({ kind: "revoke_node", node: idOf("web") }, { id: firstId() }),
  ),
  "times-on-their-boundaries": accept(boundaries()),
  "all-that-it-holds-has-expired-long-ago": accept(
    handedOn().decide(checkpoint, allThree),
    nowS + 365 * 86_400,
  ),
  "nodes-whose-ids-begin-alike": accept(
    new Ledger(genesisOf({ relays: [signerOf("relay").publicKey] }))
      .admit(lowest(0))
      .admit(lowest(1))
      .admit("web")
      .decide(checkpoint),
  ),
});

function firstId() {
  const [first] = new Ledger().admit("web").membership.updates.values();
  if (first === undefined) throw new Error("a grown ledger has an update");
  return first;
}

/** Labels whose ids begin with a zero byte. */
function lowest(which: number): string {
  let found = 0;
  for (let i = 0; ; i++)
    if (idOf(`low-${i}`).startsWith("00") && found++ === which) return `low-${i}`;
}
