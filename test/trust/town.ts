/** town: three nodes and what they said, for the tests of what a node believes. */
import type { View } from "../../src/trust/view.ts";
import { heldBy, Mailbox, newcomer, taken } from "../support/mailbox.ts";
import { genesisOf, Ledger, signerOf } from "../support/world.ts";

/** alice and bob are members, carol is one no more; each of the two has said something. */
export function town(): Mailbox {
  const ledger = new Ledger(genesisOf({ relays: [signerOf("relay").publicKey] }));
  const mailbox = new Mailbox(ledger.admit("alice").admit("bob").admit("carol").revoke("carol"));
  mailbox.say("alice");
  mailbox.say("bob");
  return mailbox;
}

export const settled = (mailbox = town()): View =>
  taken(newcomer("alice", mailbox.ledger), mailbox.map("alice"));

/** The last map again, as control sends it when nothing is new, with something changed. */
export const heartbeat = (view: View, mailbox: Mailbox, changes: Record<string, unknown> = {}) =>
  mailbox.map("alice", heldBy(view), changes);
