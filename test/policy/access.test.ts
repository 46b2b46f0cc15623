/** access: denied unless a rule allows it, and no rule speaks for whoever is no active member. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { type PolicyPin, type State, withNode } from "../../src/membership/state.ts";
import { PolicyHash } from "../../src/model/ids.ts";
import { allows, type Decision, decide } from "../../src/policy/access.ts";
import { idOf, Ledger, recordOf } from "../support/world.ts";

const ledger = new Ledger()
  .admit("web", { owner: "alice" })
  .admit("db", { owner: "alice" })
  .admit("tv", { owner: "bob" })
  .admit("old", { owner: "alice" })
  .revoke("old");

/** No operation quarantines yet; the state can hold it all the same. */
const quarantine = (state: State, label: string): State =>
  withNode(state, recordOf(ledger.membership, label, { owner: "alice", status: "quarantined" }));

const state = quarantine(ledger.membership.state, "sick");

const table: readonly (readonly [from: string, to: string, because: Decision["because"]])[] = [
  ["web", "db", "same_owner"],
  ["db", "web", "same_owner"],
  ["web", "tv", "no_rule"],
  ["tv", "web", "no_rule"],
  ["web", "web", "same_node"],
  ["old", "web", "source_not_active"],
  ["web", "old", "destination_not_active"],
  ["old", "old", "source_not_active"],
  ["sick", "web", "source_not_active"],
  ["web", "sick", "destination_not_active"],
  ["sick", "sick", "source_not_active"],
  ["stranger", "web", "source_not_active"],
  ["web", "stranger", "destination_not_active"],
  ["stranger", "stranger", "source_not_active"],
];

const verdictOf = (because: Decision["because"]): Decision["verdict"] =>
  because === "same_owner" ? "allow" : "deny";

test.each(table)("%s to %s: %s", (from, to, because) => {
  const verdict = verdictOf(because);
  expect(decide(state, { source: idOf(from), destination: idOf(to) })).toEqual({
    verdict,
    because,
  });
  expect(allows(state, idOf(from), idOf(to))).toBe(verdict === "allow");
});

test("a policy document that is not there allows nothing, not even between one's own", () => {
  const hash = v.parse(PolicyHash, "ab".repeat(32));
  const policy: PolicyPin = { kind: "document", hash };
  for (const [from, to, because] of table) {
    const decision = decide({ ...state, policy }, { source: idOf(from), destination: idOf(to) });
    expect(decision.verdict).toBe("deny");
    const isMembership = because !== "same_owner" && because !== "no_rule";
    expect(decision.because).toBe(isMembership ? because : "policy_document_missing");
  }
});

test("owners are the same only letter by letter", () => {
  const other = new Ledger().admit("a", { owner: "alice" }).admit("b", { owner: "alice@x" });
  expect(allows(other.membership.state, idOf("a"), idOf("b"))).toBe(false);
});
