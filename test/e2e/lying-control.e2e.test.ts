/**
 * A control server whose disk was stolen holds the TLS key and the control key. It can be silent, and
 * nothing else: whatever it says that others did not sign leaves the host as it is, byte by byte.
 */
import { expect } from "bun:test";
import * as v from "valibot";
import { assert } from "../../src/base/assert.ts";
import { keygen } from "../../src/crypto/ed25519.ts";
import { sealEnvelope } from "../../src/crypto/envelope.ts";
import { genesisType, updateType } from "../../src/membership/update.ts";
import type { SigningKey } from "../../src/model/keys.ts";
import { type Admission, EnrollmentOutput } from "../../src/wire/enrollment.ts";
import { ControlUrl, encodeJoinToken, parseJoinToken } from "../../src/wire/join-token.ts";
import { waitFor } from "../lab/wait-for.ts";
import { controlPort } from "./control-host.ts";
import { HostileControl, nothingNew, signMap, type Victim } from "./hostile-control.ts";
import { findingsOf, tell, type Terms } from "./interview.ts";
import { lies, nowS, type Payload, payloadOf, random, type Scene } from "./lies.ts";
import { type Mesh, onMesh } from "./mesh.ts";

type LyingMesh = Mesh<"alice" | "bob" | "carol" | "mallory">;

/*
 *   control ──┬── alice     (the victim)
 *             ├── bob       (whom the lies are about)
 *             ├── carol     (wants in)
 *             └── mallory   (a host with the stolen keys)
 */
const { test } = onMesh("lying", {
  nodes: [
    { name: "alice" },
    { name: "bob" },
    { name: "carol", at: "daemon" },
    { name: "mallory", at: "nothing" },
  ],
});

/** The scene once the thief has taken over, and the honest server is gone. */
async function takeOver(mesh: LyingMesh, hostile: HostileControl, keys: Keys): Promise<Told> {
  const { alice } = mesh.nodes;
  const { network, self } = await alice.status();
  assert(network !== null && self !== null, "alice has joined");
  const terms = { network, audience: self.node };
  const victim = await hostile.victim(keys.alice);
  const first = nothingNew(victim, terms);
  const older = signMap(first, hostile.loot.control);
  await hostile.say(victim, older);
  await alice.untilConnected();
  await waitFor("the next second", () => nowS() > Number(first["signedAt"]));
  const bobSays = await hostile.advertisementBy(keys.bob);
  return { terms, older, bobSays, thief: keygen(random) };
}

type Keys = { readonly alice: SigningKey; readonly bob: SigningKey };
type Told = Omit<Scene, "honest" | "loot" | "victim"> & { readonly terms: Terms };

async function identities(mesh: LyingMesh): Promise<Keys> {
  const nodes = await mesh.control.nodes();
  const keyOf = (name: string): SigningKey => {
    const found = nodes.find(({ node }) => `${node.name}` === name);
    assert(found !== undefined, `${name} has joined`);
    return found.node.key;
  };
  return { alice: keyOf("alice"), bob: keyOf("bob") };
}

test("no lie about the network changes anything on the host", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  await mesh.untilMeshed(alice, bob);
  const keys = await identities(mesh);
  await mesh.control.service.stop();
  const hostile = await HostileControl.open(mesh);
  const { terms, ...told } = await takeOver(mesh, hostile, keys);
  const { loot } = hostile;
  const said = lies.map(({ name, finding, say }) => ({
    ...{ name, finding },
    say: (victim: Victim, honest: Payload) => say({ ...told, victim, honest, loot }),
  }));
  await tell(hostile, alice, keys.alice, terms, said);
  await hostile.close();
  await mesh.control.start();
  for (const { host } of [alice, bob]) await host.ip("address add 198.51.100.8/32 dev eth0");
  await Promise.all([alice.untilConnected(), bob.untilConnected()]);
  expect(findingsOf(await alice.status())).not.toContain("map_rejected");
});

test("the node goes on with the honest server: it takes the next change", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  await mesh.control.operator(v.unknown(), "node", "rename", "bob", "robert");
  await alice.until("to learn bob's new name", ({ peers }) =>
    peers.some(({ name }) => `${name}` === "robert"),
  );
  await mesh.untilMeshed(alice, bob);
});

type Answer = Admission;

function admissionIn(answer: unknown): Admission {
  const parsed = v.parse(EnrollmentOutput, answer);
  assert(parsed.status === "admitted", "a network of one approver lets in at once");
  return parsed;
}

const answers: readonly {
  name: string;
  edit: (answer: Answer, loot: HostileControl["loot"]) => unknown;
}[] = [
  {
    name: "another genesis",
    edit: (answer, { control }) => ({
      ...answer,
      genesis: sealEnvelope(genesisType, payloadOf(answer.genesis), [control]),
    }),
  },
  {
    name: "a genesis that names the thief an approver",
    edit: (answer, { control }) => {
      const genesis = payloadOf(answer.genesis);
      const key = control.publicKey;
      const approvers = [{ key, name: "owner", role: "owner", status: "active" }];
      const control2 = keygen(random).publicKey;
      const swapped = { ...genesis, approvers, control: [control2] };
      return { ...answer, genesis: sealEnvelope(genesisType, swapped, [control]) };
    },
  },
  {
    name: "a log without the node itself",
    edit: (answer) => ({ ...answer, entries: answer.entries.slice(0, -1) }),
  },
  {
    name: "a log with a hole",
    edit: (answer) => ({ ...answer, entries: answer.entries.slice(1) }),
  },
  {
    name: "an admission at another address, signed by the control key",
    edit: (answer, { control }) => {
      const entry = answer.entries.at(-1);
      assert(entry !== undefined, "the node was admitted");
      const update = payloadOf(entry.envelope);
      const operation = v.parse(v.record(v.string(), v.any()), update["operation"]);
      const node = v.parse(v.record(v.string(), v.any()), operation["node"]);
      const swapped = {
        ...update,
        operation: { ...operation, node: { ...node, ipv4: "100.64.0.66" } },
      };
      const envelope = sealEnvelope(updateType, swapped, [control]);
      return { ...answer, entries: [...answer.entries.slice(0, -1), { ...entry, envelope }] };
    },
  },
  { name: "nothing at all", edit: () => ({}) },
];

test("a host that joins through the thief believes no answer that was changed", async (mesh) => {
  const { carol, mallory } = mesh.nodes;
  const hostile = await HostileControl.open(mesh, mallory.host, mesh.control.url);
  const token = parseJoinToken(await mesh.control.token({ uses: 20 }));
  assert(token !== null, "what was printed is a token");
  const url = v.parse(ControlUrl, `https://${mallory.host.ipv4}:${controlPort}`);
  const before = await carol.network();
  for (const { name, edit } of answers) {
    const joining = carol.service.run(["up", "--token-file", "-", "--json"], {
      stdin: encodeJoinToken({ ...token, url }),
    });
    await hostile.interceptOnce("/v1/enroll", (answer) => edit(admissionIn(answer), hostile.loot));
    expect((await joining).exitCode, name).not.toBe(0);
    expect((await carol.status()).state, name).toBe("logged_out");
    expect(await carol.network(), name).toBe(before);
  }
  await hostile.close();
  // The same identity gets in where the answer is whole.
  await carol.up(encodeJoinToken(token));
  await mesh.untilMeshed(carol, mesh.nodes.alice);
});
