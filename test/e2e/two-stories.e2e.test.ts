/** A server that withholds changes, or tells two stories, is found out by what nodes sign and people signed. */
import { expect } from "bun:test";
import * as v from "valibot";
import { assert } from "../../src/base/assert.ts";
import { NodeName } from "../../src/model/names.ts";
import { localCalls } from "../../src/wire/local-api.ts";
import { waitFor } from "../lab/wait-for.ts";
import { readDossier, sealUpdate, updateUpon } from "./dossiers.ts";
import { HostileControl, nothingNew, signMap } from "./hostile-control.ts";
import { findingsOf } from "./interview.ts";
import { nowS, payloadOf } from "./lies.ts";
import { type Mesh, onMesh } from "./mesh.ts";
import { decideTogether, threeWhoDecide } from "./quorum.ts";

/*
 *   control ──┬── alice   (is shown less, and another log)
 *             ├── bob     (has seen more)
 *             └── ann, ben, cleo, two of whom decide
 */
const { test } = onMesh("stories", {
  nodes: [{ name: "alice" }, { name: "bob" }, { name: "carol", at: "daemon" }],
});
type StoryMesh = Mesh<"alice" | "bob" | "carol">;

async function keysOf(mesh: StoryMesh) {
  const nodes = await mesh.control.nodes();
  const keyOf = (name: string) => nodes.find(({ node }) => `${node.name}` === name)?.node.key;
  const [alice, bob] = [keyOf("alice"), keyOf("bob")];
  assert(alice !== undefined && bob !== undefined, "both have joined");
  return { alice, bob };
}

async function trailOf({ nodes: { alice } }: StoryMesh) {
  const { records } = v.parse(
    localCalls.auditList.output,
    JSON.parse(await alice.output("audit", "--json")),
  );
  return records.map(({ event, code }) => `${event} ${code}`);
}

test("freeze, old but valid: a node that is shown less than its peers have seen says so", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  const people = await threeWhoDecide(mesh);
  const keys = await keysOf(mesh);
  await mesh.untilMeshed(alice, bob);
  await alice.service.stop();
  await decideTogether(people, "retag-node", "bob", "--tag", "server");
  const { epoch } = await people[2].status();
  await bob.until("to follow", ({ trust }) => trust?.epoch === epoch);
  await mesh.control.service.stop();
  const hostile = await HostileControl.open(mesh);
  // What a node says holds for hours: it says where it stands when it has something else to say.
  await bob.host.ip("address add 198.51.100.20/32 dev eth0");
  const bobSays = await waitFor("bob to say where he stands", async () => {
    const said = await hostile.advertisementBy(keys.bob);
    return JSON.stringify(payloadOf(said)["head"]).includes(`:${epoch},`) ? said : null;
  });
  assert(bobSays !== null, "waited for it");
  await alice.start();
  const victim = await hostile.victim(keys.alice);
  expect(victim.hello.held.epoch).toBe(epoch - 1);
  const { network, self } = await alice.status();
  assert(network !== null && self !== null, "alice has joined");
  const honest = nothingNew(victim, { network, audience: self.node });
  const map = v.parse(v.any(), { ...honest, advertisements: [bobSays] });
  await hostile.say(victim, signMap(map, hostile.loot.control));
  const status = await alice.until("to notice", (one) => findingsOf(one).includes("log_withheld"));
  expect(findingsOf(status)).toContain("bob saw changes of the membership after epoch");
  expect(status.trust?.epoch).toBe(epoch - 1);
  await hostile.close();
  await mesh.control.start();
  await alice.until("to be shown all", ({ trust }) => trust?.epoch === epoch, 40_000);
  await alice.until("to have no doubt left", (one) => !findingsOf(one).includes("log_withheld"));
  expect(await trailOf(mesh)).toContain("refused log_withheld");
});

test("two valid successors of one state: the first stays, both are kept, until somebody says that it was looked into", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  const people = await threeWhoDecide(mesh);
  const keys = await keysOf(mesh);
  const { membership } = await readDossier(mesh, people[0]);
  const [ben, cleo] = [await people[1].stolenKey(), await people[2].stolenKey()];
  const node = (await bob.self()).node;
  const operation = { kind: "rename_node", node, name: v.parse(NodeName, "other") } as const;
  const other = updateUpon(membership, operation);
  const envelope = sealUpdate(other, [ben, cleo]);
  await decideTogether(people, "rename-node", "bob", "robert");
  const { epoch, root } = await people[2].status();
  await alice.until("to follow", ({ trust }) => trust?.epoch === epoch);
  await mesh.control.service.stop();
  const hostile = await HostileControl.open(mesh);
  const victim = await hostile.victim(keys.alice);
  const { network, self } = await alice.status();
  assert(network !== null && self !== null, "alice has joined");
  const honest = nothingNew(victim, { network, audience: self.node });
  const since = { epoch: epoch - 1, generation: victim.hello.held.generation };
  const entries = [{ acceptedAt: nowS(), envelope }];
  const map = { ...honest, since, head: { epoch, root: other.root }, entries };
  await hostile.say(victim, signMap(v.parse(v.any(), map), hostile.loot.control));
  const status = await alice.until("to notice", (one) => findingsOf(one).includes("log_conflict"));
  expect([status.state, `${status.trust?.root}`]).toEqual(["running", root]);
  expect(status.peers.map(({ name }) => `${name}`)).toContain("robert");
  await hostile.close();
  await mesh.control.start();
  await alice.untilConnected(40_000);
  // It outlives the daemon, and ends by a person's word.
  await alice.restart();
  const kept = await alice.untilConnected();
  const [, id] = /rustynet membership resolve ([0-9a-f]{32})/.exec(findingsOf(kept)) ?? [];
  assert(id !== undefined, "the finding says what to run");
  await alice.output("membership", "resolve", id);
  expect(findingsOf(await alice.status())).not.toContain("log_conflict");
  expect(`${(await alice.status()).trust?.root}`).toBe(root);
});

test("a node's own trail has what it took, who signed it, and what it did not believe", async (mesh) => {
  const said = await mesh.nodes.alice.output("audit");
  expect(said).toMatch(/applied +rename_node +(?:ann, ben|ben, ann)/);
  expect(said).toMatch(/refused +log_/);
  expect(await trailOf(mesh)).toContain("applied retag_node");
});
