/** vectors-governance: logs in which nodes come and go, keys change hands, and the quorum changes itself. */
import * as v from "valibot";
import type { Approver, Genesis } from "../src/membership/state.ts";
import type { Candidate } from "../src/membership/update.ts";
import { PolicyHash } from "../src/model/ids.ts";
import type { SigningKey } from "../src/model/keys.ts";
import { Owner, Tag } from "../src/model/names.ts";
import { approverOf, genesisOf, idOf, Ledger, signerOf } from "../test/support/world.ts";

export const keyOf = (label: string): SigningKey => signerOf(label).publicKey;

export function candidateOf(label: string, changes: Partial<Candidate> = {}): Candidate {
  const { key, name, role } = approverOf(label);
  return { key, name, role, ...changes };
}

/** Anna is an owner; boris and chandra are guardians. Two of the three decide. */
export function council(changes: Partial<Genesis> = {}): Ledger {
  const role: Pick<Approver, "role"> = { role: "guardian" };
  const approvers = [approverOf("anna"), approverOf("boris", role), approverOf("chandra", role)];
  const genesis = genesisOf({ threshold: 2, approvers, ...changes });
  return new Ledger(genesis, ["anna", "boris", "chandra"]);
}

const by = (...names: readonly string[]) => ({ by: names });
const tags = (...names: readonly string[]) => names.map((name) => v.parse(Tag, name));
export const document = v.parse(PolicyHash, "cd".repeat(32));

function lifeOfNodes(): Ledger {
  const web = { node: idOf("web") };
  return new Ledger()
    .admit("web", { tags: ["prod"] })
    .decide({ kind: "retag_node", ...web, tags: tags("dev", "www") })
    .decide({ kind: "reown_node", ...web, owner: v.parse(Owner, "bob@example.org") })
    .decide({ kind: "quarantine_node", ...web })
    .decide({ kind: "restore_node", ...web })
    .revoke("web")
    .decide({ kind: "restore_node", ...web })
    .decide({ kind: "remove_node", ...web })
    .admit("web");
}

function rotated(): Ledger {
  const web = { node: idOf("web") };
  return new Ledger()
    .admit("web")
    .decide({ kind: "rotate_node_key", ...web, key: keyOf("web-2") })
    .decide({ kind: "rotate_node_key", ...web, key: keyOf("web-3") })
    .decide({ kind: "remove_node", ...web })
    .admit("web-3", { name: "web" });
}

const fromOneToTwoOfThree = (): Ledger =>
  new Ledger(genesisOf({ approvers: [approverOf("anna")] }), ["anna"])
    .decide({ kind: "add_approver", approver: candidateOf("boris") }, by("anna", "boris"))
    .decide(
      { kind: "add_approver", approver: candidateOf("chandra", { role: "guardian" }) },
      by("anna", "chandra"),
    )
    .decide({ kind: "set_threshold", threshold: 2 }, by("anna", "boris"))
    .admit("web", {}, by("boris", "chandra"));

const withHandedOnKeys = (): Ledger =>
  council()
    .decide(
      { kind: "rotate_approver", approver: keyOf("anna"), key: keyOf("anna-2") },
      by("anna", "boris", "anna-2"),
    )
    .decide({ kind: "revoke_approver", approver: keyOf("chandra") }, by("anna-2", "boris"))
    .decide(
      { kind: "add_approver", approver: candidateOf("chandra", { key: keyOf("chandra-2") }) },
      by("anna-2", "boris", "chandra-2"),
    );

const withNewAuthorities = (): Ledger =>
  council()
    .decide({ kind: "add_control_key", key: keyOf("control-2") }, by("anna", "boris"))
    .decide({ kind: "revoke_control_key", key: keyOf("control") }, by("anna", "chandra"))
    .decide({ kind: "add_relay_key", key: keyOf("relay") }, by("boris", "chandra"))
    .decide({ kind: "add_relay_key", key: keyOf("relay-2") }, by("boris", "chandra"))
    .decide({ kind: "revoke_relay_key", key: keyOf("relay") }, by("boris", "chandra"))
    .decide(
      { kind: "pin_policy", policy: { kind: "document", hash: document } },
      by("anna", "boris"),
    )
    .decide({ kind: "pin_policy", policy: { kind: "same_owner" } }, by("anna", "boris"));

export const governed = <V>(accept: (ledger: Ledger) => V): Record<string, V> => ({
  "a-node-is-retagged-reowned-quarantined-restored-and-removed": accept(lifeOfNodes()),
  "a-nodes-key-is-rotated-and-its-id-stays": accept(rotated()),
  "one-of-one-becomes-two-of-three": accept(fromOneToTwoOfThree()),
  "approvers-rotate-revoke-and-come-back-under-a-new-key": accept(withHandedOnKeys()),
  "control-and-relay-keys-change-and-so-does-the-policy": accept(withNewAuthorities()),
  "a-quorum-lowers-its-threshold": accept(
    council().decide({ kind: "set_threshold", threshold: 1 }, by("anna", "boris")),
  ),
});
