/**
 * Somebody has everything that lies on the control server, and even one approver's key. Where two of
 * three people decide, it lets nobody in, takes nobody out, and turns nothing back.
 */
import { expect } from "bun:test";
import * as v from "valibot";
import { assert } from "../../src/base/assert.ts";
import { Secret } from "../../src/base/secret.ts";
import { keygen, SigningSecret } from "../../src/crypto/ed25519.ts";
import { nodeWithKey } from "../../src/membership/state.ts";
import { NodeName } from "../../src/model/names.ts";
import { newId, readDossier, sealUpdate, submit, updateUpon } from "./dossiers.ts";
import { type Court, falseDecisions } from "./false-decisions.ts";
import { HostileControl, stolenKey } from "./hostile-control.ts";
import { slipIn, tell } from "./interview.ts";
import { payloadOf, random } from "./lies.ts";
import { type Mesh, onMesh } from "./mesh.ts";
import { nodeStateDir } from "./node-host.ts";
import { decideTogether, serverOf, threeWhoDecide } from "./quorum.ts";
import { keysIn } from "./secrets.ts";

/*
 *   control ──┬── alice    (the victim)
 *             ├── bob      (whom the thief wants to have out)
 *             ├── carol    (is revoked by the people)
 *             ├── mallory  (a host with the stolen keys)
 *             └── ann, ben, cleo, two of whom decide
 */
const { test } = onMesh("stolen", {
  nodes: [
    { name: "alice" },
    { name: "bob" },
    { name: "carol" },
    { name: "mallory", at: "nothing" },
  ],
});

type StolenMesh = Mesh<"alice" | "bob" | "carol" | "mallory">;

async function three(mesh: StolenMesh): ReturnType<typeof threeWhoDecide> {
  const isFirst = mesh.people.length === 0;
  const people = await threeWhoDecide(mesh);
  if (isFirst) await decideTogether(people, "revoke-node", "carol");
  return people;
}

const named = (text: string): NodeName => v.parse(NodeName, text);

/** All that a thief could have, gathered while the honest server still runs. */
async function gather(mesh: StolenMesh): Promise<Omit<Court, "loot">> {
  const people = await three(mesh);
  const [ann, ben, cleo] = await Promise.all(people.map((person) => person.stolenKey()));
  assert(ann !== undefined && ben !== undefined && cleo !== undefined, "each has a key");
  const { dossier, membership } = await readDossier(mesh, people[0]);
  const bob = membership.state.nodes.get((await mesh.nodes.bob.self()).node);
  assert(bob !== undefined, "bob is a member");
  const thief: SigningSecret = keygen(random);
  return { dossier, membership, ann, ben, cleo, thief, bob };
}

test("no decision that two of three did not make changes anything on a node", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  await mesh.untilMeshed(alice, bob);
  const gathered = await gather(mesh);
  await alice.until("to know all of it", ({ trust }) => {
    return trust?.epoch === gathered.membership.state.epoch;
  });
  const { network, self } = await alice.status();
  assert(network !== null && self !== null, "alice has joined");
  const us = gathered.membership.state.nodes.get(self.node);
  assert(us !== undefined, "alice is a member");
  await mesh.control.service.stop();
  const hostile = await HostileControl.open(mesh);
  const court = { ...gathered, loot: hostile.loot };
  const lies = falseDecisions.map((each) =>
    slipIn(each, () => each.entry(court), hostile.loot.control),
  );
  await tell(hostile, alice, us.key, { network, audience: self.node }, lies);
  await hostile.close();
  await mesh.control.start();
  await alice.host.ip("address add 198.51.100.8/32 dev eth0");
  await alice.untilConnected(40_000);
  await mesh.untilReached(alice, bob);
});

test("afterwards the node follows the people as before", async (mesh) => {
  const { alice } = mesh.nodes;
  const { trust } = await alice.status();
  await decideTogether(await three(mesh), "rename-node", "bob", "robert");
  const after = await alice.until("to learn bob's new name", ({ peers }) =>
    peers.some(({ name }) => `${name}` === "robert"),
  );
  expect(after.trust?.epoch).toBe((trust?.epoch ?? 0) + 1);
});

test("under-threshold signer set at the true server: it waits, changes nothing, and is written down", async (mesh) => {
  const [ann] = await three(mesh);
  const before = await serverOf(mesh);
  const [outcome] = await ann.outcomes("propose", "rename-node", "robert", "rob");
  expect(outcome).toMatchObject({ state: "pending", signed: ["ann"], missing: ["ben", "cleo"] });
  const after = await serverOf(mesh);
  expect(after.head).toEqual(before.head);
  const fresh = after.events.slice(before.events.length);
  expect(fresh).toEqual([expect.stringMatching(/^proposal_made by .*ann/)]);
  await ann.decide("reject", outcome?.id ?? "", "--reason", "it was a test");
});

test("forged signature on a valid-looking update at the true server: refused, with nothing kept", async (mesh) => {
  const { membership, ann, ben, thief, bob } = await gather(mesh);
  const [person] = await three(mesh);
  const before = await serverOf(mesh);
  const update = updateUpon(membership, { kind: "revoke_node", node: bob.id });
  const [honest, stranger] = [sealUpdate(update, [ann]), sealUpdate(update, [ann, thief])];
  const [ours, theirs] = stranger.signatures;
  assert(ours !== undefined && theirs !== undefined, "two signed");
  const forged = { ...honest, signatures: [ours, { ...theirs, keyid: ben.publicKey }] };
  for (const envelope of [forged, stranger])
    expect((await submit(mesh, envelope)).status).toBeGreaterThanOrEqual(400);
  expect(await serverOf(mesh)).toEqual(before);
  expect((await person.status()).proposals).toEqual([]);
});

test("replayed old valid update at the true server: nothing happens a second time", async (mesh) => {
  const { dossier, ann, membership } = await gather(mesh);
  const before = await serverOf(mesh);
  for (const { envelope } of dossier.entries) await submit(mesh, envelope);
  expect((await serverOf(mesh)).head).toEqual(before.head);
  // The same words signed anew are another statement, for a state that is over.
  const last = dossier.entries.at(-1);
  assert(last !== undefined, "the log has entries");
  const again = sealUpdate({ ...payloadOf(last.envelope), id: newId() }, [ann]);
  const refused = await submit(mesh, again);
  expect([refused.status, refused.text]).toEqual([409, expect.stringContaining("outdated")]);
  expect((await serverOf(mesh)).head).toEqual(before.head);
  expect(membership.state.epoch).toBe(before.head.epoch);
});

test("conflicting same-epoch updates: the first is accepted, the other is kept as evidence until somebody settles it", async (mesh) => {
  const { alice } = mesh.nodes;
  const [person] = await three(mesh);
  const { membership, ann, ben, cleo, bob } = await gather(mesh);
  const rename = (name: string) =>
    updateUpon(membership, { kind: "rename_node", node: bob.id, name: named(name) });
  const [one, other] = [
    sealUpdate(rename("one"), [ann, ben]),
    sealUpdate(rename("other"), [ben, cleo]),
  ];
  const outcomes = await Promise.all([submit(mesh, one), submit(mesh, other)]);
  const said = outcomes.map(({ text }) => text).join("\n");
  expect(said).toContain('"applied"');
  expect(said).toContain('"conflicting"');
  const { head, events } = await serverOf(mesh);
  expect(head.epoch).toBe(membership.state.epoch + 1);
  expect(events).toContain("membership_conflict by log");
  await alice.until("to follow the first", ({ trust }) => `${trust?.root}` === head.root);
  const id = /"id":\s*"([0-9a-f]{32})"[^}]*"conflicting"/s.exec(said)?.[1];
  assert(id !== undefined, "the conflict has a name");
  await person.decide("reject", id, "--reason", "we looked into it");
  expect((await serverOf(mesh)).head).toEqual(head);
  expect(`${(await alice.untilConnected()).trust?.root}`).toBe(head.root);
});

test("compromised node tries self-readd without quorum: refused, whichever way it asks", async (mesh) => {
  const { carol } = mesh.nodes;
  const before = await serverOf(mesh);
  const [, bytes] =
    keysIn(carol.service, nodeStateDir).find(([name]) => name.startsWith("identity")) ?? [];
  assert(bytes !== undefined, "carol keeps her key in the plain");
  const own = new SigningSecret(new Secret(bytes));
  const { membership, loot } = {
    ...(await gather(mesh)),
    loot: stolenKey(mesh.control, "control"),
  };
  const us = nodeWithKey(membership.state, own.publicKey);
  assert(us !== undefined, "carol is in the log for ever");
  const restore = updateUpon(membership, { kind: "restore_node", node: us.id });
  const server = new SigningSecret(new Secret(loot));
  for (const signers of [[own], [own, server]])
    expect((await submit(mesh, sealUpdate(restore, signers))).status).toBeGreaterThanOrEqual(400);
  const token = await mesh.control.token();
  const up = await carol.service.run(["up", "--token-file", "-"], { stdin: token });
  expect(up.exitCode).toBe(77);
  expect((await serverOf(mesh)).head).toEqual(before.head);
  expect((await carol.status()).reason?.code).toBe("revoked");
});
