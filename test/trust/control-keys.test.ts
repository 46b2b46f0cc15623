/** control-keys: what a stolen control key can do to a node, and how the quorum ends it. */
import { describe, expect, test } from "bun:test";
import { receiveMap, type View } from "../../src/trust/view.ts";
import { heldBy, Mailbox, newcomer, sealMap, taken, written } from "../support/mailbox.ts";
import { codeOf, genesisOf, idOf, Ledger, nowS, signerOf, unwrap } from "../support/world.ts";

const keyOf = (label: string) => signerOf(label).publicKey;
const highest = 2 ** 48;

function village(): { mailbox: Mailbox; view: View } {
  const mailbox = new Mailbox(new Ledger().admit("alice").admit("bob"));
  mailbox.say("bob");
  return { mailbox, view: taken(newcomer("alice", mailbox.ledger), mailbox.map("alice")) };
}

const add = (ledger: Ledger, label: string): Ledger =>
  ledger.decide({ kind: "add_control_key", key: keyOf(label) });
const revoke = (ledger: Ledger, label: string): Ledger =>
  ledger.decide({ kind: "revoke_control_key", key: keyOf(label) });

/** What control sends to a node that holds more than there is: everything it ever said. */
const fromTheStart = (view: View, mailbox: Mailbox) =>
  mailbox.map("alice", { ...heldBy(view), generation: 0 });

describe("a node that was told the highest generation with a stolen key", () => {
  const { mailbox, view } = village();
  const poisoned = taken(view, mailbox.map("alice", heldBy(view), { generation: highest }));
  mailbox.say("bob", { os: "newer" });

  test("takes no map of the server's any more, whatever key is added", () => {
    const before = fromTheStart(poisoned, mailbox);
    expect(codeOf(receiveMap(poisoned, sealMap(before), nowS))).toBe("map_older");
    const other = new Mailbox(add(new Ledger().admit("alice").admit("bob"), "control-2"));
    const map = other.map("alice", { ...heldBy(poisoned), generation: 0 });
    expect(codeOf(receiveMap(poisoned, sealMap(map, ["control-2"]), nowS))).toBe("map_older");
  });

  test("takes the map in which the quorum names another key and revokes the stolen one", () => {
    revoke(add(mailbox.ledger, "control-2"), "control");
    const map = fromTheStart(poisoned, mailbox);
    const { view: freed } = unwrap(receiveMap(poisoned, sealMap(map, ["control-2"]), nowS));
    expect([freed.generation, freed.signers]).toEqual([mailbox.generation, [keyOf("control-2")]]);
    expect(freed.advertisements.get(idOf("bob"))?.advertisement.os).toBe("newer");

    const older = mailbox.map("alice", heldBy(freed), { generation: freed.generation - 1 });
    expect(codeOf(receiveMap(freed, sealMap(older, ["control-2"]), nowS))).toBe("map_older");
    const next = mailbox.map("alice", heldBy(freed));
    expect(codeOf(receiveMap(freed, sealMap(next, ["control-2"]), nowS))).toBe("accepted");
    expect(codeOf(receiveMap(freed, sealMap(next), nowS))).toBe("control_key_unknown");
  });
});

test("a map is refused whose signer is revoked by the entries that it carries", () => {
  const { mailbox, view } = village();
  revoke(add(mailbox.ledger, "control-2"), "control");
  const before = written(view);
  const map = mailbox.map("alice", heldBy(view));
  for (const by of [["control"], ["control", "control-2"]])
    expect(codeOf(receiveMap(view, sealMap(map, by), nowS))).toBe("control_key_unknown");
  expect(written(view)).toEqual(before);
  expect(codeOf(receiveMap(view, sealMap(map, ["control-2"]), nowS))).toBe("accepted");
});

test("a key that has been added may sign at once, and the count goes on for both", () => {
  const { mailbox, view } = village();
  add(mailbox.ledger, "control-2");
  mailbox.say("bob");
  const both = unwrap(
    receiveMap(view, sealMap(mailbox.map("alice", heldBy(view)), ["control-2"]), nowS),
  ).view;
  const older = mailbox.map("alice", heldBy(both), { generation: both.generation - 1 });
  for (const by of ["control", "control-2"])
    expect(codeOf(receiveMap(both, sealMap(older, [by]), nowS))).toBe("map_older");
});

test("a count that two keys signed binds until both are revoked", () => {
  const control = ["control", "control-2"].map(keyOf).sort();
  const mailbox = new Mailbox(new Ledger(genesisOf({ control })).admit("alice"));
  const map = mailbox.map("alice", undefined, { generation: 7 });
  const start = newcomer("alice", mailbox.ledger);
  const { view } = unwrap(receiveMap(start, sealMap(map, ["control-2", "control"]), nowS));
  expect(view.signers).toEqual(control);
  const code = (by: string) =>
    codeOf(receiveMap(view, sealMap(fromTheStart(view, mailbox), [by]), nowS));
  revoke(mailbox.ledger, "control");
  expect(code("control-2")).toBe("map_older");
  revoke(add(mailbox.ledger, "control-3"), "control-2");
  expect(code("control-3")).toBe("accepted");
});

test("an earlier signing time is refused of any key", () => {
  const { mailbox, view } = village();
  revoke(add(mailbox.ledger, "control-2"), "control");
  const map = mailbox.map("alice", heldBy(view), { signedAt: nowS - 1 });
  expect(codeOf(receiveMap(view, sealMap(map, ["control-2"]), nowS))).toBe("map_signed_earlier");
});

describe("what a node said is forgotten when", () => {
  test.each([
    ["it is put into quarantine", { kind: "quarantine_node", node: idOf("bob") }],
    ["its record is removed", { kind: "remove_node", node: idOf("bob") }],
    ["its key is rotated", { kind: "rotate_node_key", node: idOf("bob"), key: keyOf("bob-2") }],
  ] as const)("%s", (_when, operation) => {
    const { mailbox, view } = village();
    expect(view.advertisements.has(idOf("bob"))).toBe(true);
    mailbox.ledger.decide(operation);
    const next = taken(view, mailbox.map("alice", heldBy(view)));
    expect([next.advertisements.has(idOf("bob")), next.nodeByTunnelKey.size]).toEqual([false, 0]);
  });

  test("nothing else is done to it but that: renamed, it is heard as before", () => {
    const { mailbox, view } = village();
    mailbox.ledger.rename("bob", "robert");
    const next = taken(view, mailbox.map("alice", heldBy(view)));
    expect(next.advertisements.has(idOf("bob"))).toBe(true);
  });
});
