/**
 * Somebody has everything that lies on the control server, and even one approver's key. Where two of
 * three people decide, it lets nobody in, takes nobody out, and turns nothing back.
 */
import { expect } from "bun:test";
import { assert } from "../../src/base/assert.ts";
import { keygen, type SigningSecret } from "../../src/crypto/ed25519.ts";
import { nodeNamed } from "../../src/membership/state.ts";
import * as v from "valibot";
import { NodeName } from "../../src/model/names.ts";
import { waitFor } from "../lab/wait-for.ts";
import { readDossier } from "./dossiers.ts";
import { type Court, falseDecisions } from "./false-decisions.ts";
import { HostileControl, signMap } from "./hostile-control.ts";
import { type Lie, tell } from "./interview.ts";
import { random } from "./lies.ts";
import { type Mesh, onMesh } from "./mesh.ts";
import type { PersonHost } from "./person-host.ts";
import { decideTogether, protect } from "./quorum.ts";

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

async function three(mesh: StolenMesh): Promise<readonly [PersonHost, PersonHost, PersonHost]> {
  if (mesh.people.length === 0) {
    await protect(mesh, await mesh.invite("ann", "ben", "cleo"));
    await decideTogether(mesh.people, "revoke-node", "carol");
  }
  const [ann, ben, cleo] = mesh.people;
  assert(ann !== undefined && ben !== undefined && cleo !== undefined, "three were invited");
  return [ann, ben, cleo];
}

const named = (text: string): NodeName => v.parse(NodeName, text);

/** All that a thief could have, gathered while the honest server still runs. */
async function gather(mesh: StolenMesh): Promise<Omit<Court, "loot">> {
  const people = await three(mesh);
  const [ann, ben, cleo] = await Promise.all(people.map((person) => person.stolenKey()));
  assert(ann !== undefined && ben !== undefined && cleo !== undefined, "each has a key");
  const { dossier, membership } = await readDossier(mesh, people[0]);
  const bob = nodeNamed(membership.state, named("bob"));
  assert(bob !== undefined, "bob is a member");
  const thief: SigningSecret = keygen(random);
  return { dossier, membership, ann, ben, cleo, thief, bob };
}

/** The false decision as the map of a server that goes along with it. */
const lieOf = ({ name, finding, entry }: (typeof falseDecisions)[number], court: Court): Lie => ({
  name,
  finding,
  say: (victim, honest) => {
    const { epoch } = victim.hello.head;
    const head = { epoch: epoch + 1, root: "ab".repeat(32) };
    return signMap({ ...honest, head, entries: [entry(court)] }, court.loot.control);
  },
});

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
  const pings = await alice.host.startPing((await bob.self()).ipv4);
  await mesh.control.service.stop();
  const hostile = await HostileControl.open(mesh);
  const court = { ...gathered, loot: hostile.loot };
  const lies = falseDecisions.map((each) => lieOf(each, court));
  await tell(hostile, alice, us.key, { network, audience: self.node }, lies);
  await hostile.close();
  await mesh.control.start();
  await alice.host.ip("address add 198.51.100.8/32 dev eth0");
  await alice.untilConnected(40_000);
  expect((await pings.stop()).lost).toEqual([]);
});

test("afterwards the node follows the people as before", async (mesh) => {
  const { alice } = mesh.nodes;
  await decideTogether(await three(mesh), "rename-node", "bob", "robert");
  await alice.until("to learn bob's new name", ({ peers }) =>
    peers.some(({ name }) => `${name}` === "robert"),
  );
  await waitFor(
    "alice to believe no lie any more",
    async () => (await alice.status()).control?.state === "connected",
  );
});
