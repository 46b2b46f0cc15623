/** vectors-valid: logs that are accepted from their genesis on, with the root after each entry. */
import * as v from "valibot";
import { governed } from "./vectors-governance.ts";
import { left } from "./vectors-leaving.ts";
import { redeemed } from "./vectors-vouchers.ts";
import { updateLifetimeMaxS } from "../src/membership/update.ts";
import { PolicyHash } from "../src/model/ids.ts";
import { skewMaxS } from "../src/model/time.ts";
import {
  approverOf,
  genesisOf,
  idOf,
  Ledger,
  nowS,
  recordOf,
  signerOf,
} from "../test/support/world.ts";

const accept = (ledger: Ledger) => ({
  genesis: ledger.genesis,
  genesisRoot: ledger.genesisRoot,
  now: nowS,
  entries: ledger.entries,
  roots: ledger.history.map(({ root }) => root),
});

export const three = ["anna", "boris", "chandra"] as const;
export const twoOfThree = (): Ledger =>
  new Ledger(genesisOf({ threshold: 2, approvers: three.map((name) => approverOf(name)) }), three);

export const withRevokedApprover = (): Ledger => {
  const approvers = [approverOf("anna"), approverOf("boris", { status: "revoked" })];
  return new Ledger(genesisOf({ approvers }), ["anna", "boris"]);
};

const document = v.parse(PolicyHash, "ab".repeat(32));
const sorted = (...labels: readonly string[]) =>
  labels.map((label) => signerOf(label).publicKey).sort();

function many(): Ledger {
  const ledger = new Ledger();
  for (let i = 0; i < 24; i++) ledger.admit(`node-${i}`, { owner: i % 2 ? "alice" : "bob" });
  for (let i = 0; i < 24; i += 3) ledger.revoke(`node-${i}`);
  return ledger;
}

/** As far as the clocks may differ, and not a second further. */
function boundaries(): Ledger {
  const acceptedAt = nowS + skewMaxS;
  return new Ledger()
    .admit("latest-possible", {}, { createdAt: nowS - 3_600, acceptedAt: nowS, lifetimeS: 3_600 })
    .admit("longest-possible", {}, { createdAt: nowS, lifetimeS: updateLifetimeMaxS })
    .admit("earliest-possible", {}, { createdAt: acceptedAt + skewMaxS, acceptedAt });
}

function readmitted(): Ledger {
  const ledger = new Ledger().admit("web").revoke("web");
  return ledger.admit("web-again", { name: "web", tags: ["prod", "www"] });
}

function approvals(): Ledger {
  const ledger = twoOfThree();
  const node = recordOf(ledger.membership, "web");
  return ledger
    .take(ledger.draft({ kind: "add_node", node }, { by: ["anna", "boris"] }))
    .rename("web", "www", { by: ["chandra", "anna"] })
    .revoke("web", { by: three });
}

export const valid = () => ({
  ...governed(accept),
  ...redeemed(accept),
  ...left(accept),
  "a-network-without-nodes": accept(new Ledger()),
  "three-approvers-and-a-policy-document": accept(
    new Ledger(
      genesisOf({
        threshold: 2,
        approvers: [approverOf("anna"), approverOf("boris", { role: "guardian" })],
        control: sorted("control", "control-2"),
        relays: sorted("relay"),
        policy: { kind: "document", hash: document },
      }),
      ["boris", "anna"],
    ),
  ),
  "a-node-is-added-renamed-and-revoked": accept(
    new Ledger().admit("web").rename("web", "www").revoke("web"),
  ),
  "a-revoked-nodes-name-is-free-and-its-addresses-are-not": accept(readmitted()),
  "a-renamed-nodes-old-name-is-free": accept(
    new Ledger().admit("web").rename("web", "www").admit("web-2", { name: "web" }),
  ),
  "two-of-three-approvers-are-enough": accept(approvals()),
  "a-revoked-approver-need-not-sign": accept(
    withRevokedApprover().admit("web", {}, { by: ["anna"] }),
  ),
  "times-on-their-boundaries": accept(boundaries()),
  "several-entries-in-one-second": accept(new Ledger().admit("a").admit("b").revoke("a")),
  "twenty-four-nodes-of-which-eight-are-revoked": accept(many()),
  "an-id-that-begins-with-zeros-sorts-first": accept(
    new Ledger().admit(lowest()).admit("web").admit("db"),
  ),
});

/** A label whose id begins with a zero byte: what drops leading zeros would show. */
function lowest(): string {
  for (let i = 0; ; i++) if (idOf(`low-${i}`).startsWith("00")) return `low-${i}`;
}
