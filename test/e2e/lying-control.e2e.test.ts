/**
 * A control server whose disk was stolen holds the TLS key and the control key. It can be silent, and
 * nothing else: whatever it says that others did not sign leaves the host as it is, byte by byte.
 */
import { expect } from "bun:test";
import * as v from "valibot";
import { assert } from "../../src/base/assert.ts";
import { type CanonicalValue, decodeCanonical } from "../../src/crypto/canonical.ts";
import { keygen, type SigningSecret } from "../../src/crypto/ed25519.ts";
import { type Envelope, sealEnvelope } from "../../src/crypto/envelope.ts";
import { tunnelKeygen } from "../../src/crypto/tunnel-key.ts";
import { genesisType, updateType } from "../../src/membership/update.ts";
import { nodeIdOf } from "../../src/membership/membership.ts";
import type { SigningKey } from "../../src/model/keys.ts";
import type { Status } from "../../src/wire/local-api.ts";
import { advertisementType } from "../../src/wire/advertisement.ts";
import { EnrollmentOutput } from "../../src/wire/enrollment.ts";
import { encodeJoinToken, parseJoinToken, ControlUrl } from "../../src/wire/join-token.ts";
import { mapAgeMaxS } from "../../src/wire/map.ts";
import { skewMaxS } from "../../src/model/time.ts";
import { waitFor } from "../lab/wait-for.ts";
import { controlPort } from "./control-host.ts";
import { HostileControl, nothingNew, signMap, type Victim } from "./hostile-control.ts";
import { type Mesh, onMesh } from "./mesh.ts";

type LyingMesh = Mesh<"alice" | "bob" | "carol" | "mallory">;
type Payload = Record<string, CanonicalValue>;

const random = (sizeBytes: number): Uint8Array => crypto.getRandomValues(new Uint8Array(sizeBytes));
const nowS = (): number => Math.floor(Date.now() / 1_000);

/** The payload of a statement, to be changed and signed again by somebody else. */
function payloadOf({ payload }: Envelope): Payload {
  const decoded = decodeCanonical(Uint8Array.fromBase64(payload));
  assert(decoded.ok, "an honest statement is canonical");
  return v.parse(v.record(v.string(), v.any()), decoded.value);
}

/** Everything that a lie may be made of. */
type Scene = {
  readonly victim: Victim;
  /** The map that the honest server would send now. */
  readonly honest: Payload;
  /** A map that was honest, and taken. */
  readonly older: string;
  readonly loot: HostileControl["loot"];
  readonly bobSays: Envelope;
  readonly thief: SigningSecret;
};

type Lie = {
  readonly name: string;
  /** What `status` says of it. */
  readonly finding: string;
  readonly say: (scene: Scene) => string;
};

const hexOf = (digits: number): string => "ab".repeat(digits / 2);

function swapTunnelKey({ bobSays }: Scene): Payload {
  return { ...payloadOf(bobSays), sequence: 1_000, tunnelKey: tunnelKeygen(random).publicKey };
}

/** An entry that admits the thief as bob's equal, at an address of his choice. */
function admitThief(
  { victim, thief }: Scene,
  network: CanonicalValue,
  by: SigningSecret,
): CanonicalValue {
  const { epoch, root } = victim.hello.head;
  const key = thief.publicKey;
  const node = {
    ...{ id: nodeIdOf(key), key, name: "thief", owner: "sam", tags: [], status: "active" },
    ...{ ipv4: "100.64.0.99", ipv6: "fd00::6440:63" },
  };
  const createdAt = nowS();
  const update = {
    ...{ network, id: hexOf(32), epoch: epoch + 1, parent: root, root },
    ...{ createdAt, expiresAt: createdAt + 60, operation: { kind: "add_node", node } },
  };
  return { acceptedAt: createdAt, envelope: sealEnvelope(updateType, update, [by]) };
}

const withEntry = ({ honest, victim }: Scene, entry: CanonicalValue): Payload => ({
  ...honest,
  head: { epoch: victim.hello.head.epoch + 1, root: hexOf(64) },
  entries: [entry],
});

const lies: readonly Lie[] = [
  {
    name: "a forged signature",
    finding: "envelope_refused",
    say: ({ honest, loot }) => {
      const envelope = sealEnvelope("application/vnd.rustynet.map.v1+json", honest, [loot.control]);
      const [signature] = envelope.signatures;
      assert(signature !== undefined, "it was signed");
      const sig = Uint8Array.fromBase64(signature.sig);
      sig[7] = (sig[7] ?? 0) ^ 1;
      return JSON.stringify({ ...envelope, signatures: [{ ...signature, sig: sig.toBase64() }] });
    },
  },
  {
    name: "a key that the membership does not name",
    finding: "control_key_unknown",
    say: ({ honest, thief }) => signMap(honest, thief),
  },
  {
    name: "the approver's key instead of the control key",
    finding: "control_key_unknown",
    say: ({ honest, loot }) => signMap(honest, loot.approver),
  },
  { name: "an older map again", finding: "map_signed_earlier", say: ({ older }) => older },
  {
    name: "a lower generation",
    finding: "map_older",
    say: ({ honest, loot }) => signMap({ ...honest, generation: 0 }, loot.control),
  },
  {
    name: "a map from the future",
    finding: "map_from_future",
    say: ({ honest, loot }) =>
      signMap({ ...honest, signedAt: nowS() + skewMaxS + 30 }, loot.control),
  },
  {
    name: "a map that has expired",
    finding: "map_expired",
    say: ({ honest, loot }) =>
      signMap({ ...honest, signedAt: nowS() - mapAgeMaxS - 30 }, loot.control),
  },
  {
    name: "a map for another node",
    finding: "audience_mismatch",
    say: ({ honest, loot }) => signMap({ ...honest, audience: hexOf(64) }, loot.control),
  },
  {
    name: "a map of another network",
    finding: "network_mismatch",
    say: ({ honest, loot }) => signMap({ ...honest, network: hexOf(32) }, loot.control),
  },
  {
    name: "a gap in the generations",
    finding: "map_has_gap",
    say: ({ honest, victim, loot }) => {
      const { epoch, generation } = victim.hello.held;
      const since = { epoch, generation: generation + 10 };
      return signMap({ ...honest, since, generation: generation + 11 }, loot.control);
    },
  },
  {
    name: "a gap in the log",
    finding: "map_has_gap",
    say: ({ honest, victim, loot }) => {
      const { epoch, generation } = victim.hello.held;
      const since = { epoch: epoch + 2, generation };
      return signMap(
        { ...honest, since, head: { epoch: epoch + 2, root: hexOf(64) } },
        loot.control,
      );
    },
  },
  {
    name: "a log that is shorter than it was",
    finding: "log_behind",
    say: ({ honest, victim, loot }) => {
      const { epoch, generation } = victim.hello.held;
      const since = { epoch: epoch - 1, generation };
      return signMap(
        { ...honest, since, head: { epoch: epoch - 1, root: hexOf(64) } },
        loot.control,
      );
    },
  },
  {
    name: "a forked log",
    finding: "log_forked",
    say: ({ honest, victim, loot }) =>
      signMap({ ...honest, head: { ...victim.hello.head, root: hexOf(64) } }, loot.control),
  },
  {
    name: "bob's tunnel key swapped, signed by the control key",
    finding: "not_signed_by_node",
    say: (scene) => {
      const swapped = sealEnvelope(advertisementType, swapTunnelKey(scene), [scene.loot.control]);
      return signMap({ ...scene.honest, advertisements: [swapped] }, scene.loot.control);
    },
  },
  {
    name: "bob's tunnel key swapped under bob's own signature",
    finding: "advertisement_refused",
    say: (scene) => {
      const { payload } = sealEnvelope(advertisementType, swapTunnelKey(scene), [scene.thief]);
      const swapped = { ...scene.bobSays, payload };
      return signMap({ ...scene.honest, advertisements: [swapped] }, scene.loot.control);
    },
  },
  {
    name: "bob's endpoints swapped",
    finding: "not_signed_by_node",
    say: (scene) => {
      const says = { ...payloadOf(scene.bobSays), sequence: 1_000, endpoints: ["192.0.2.66:1"] };
      const swapped = sealEnvelope(advertisementType, says, [scene.thief]);
      return signMap({ ...scene.honest, advertisements: [swapped] }, scene.loot.control);
    },
  },
  {
    name: "a node that no approver admitted",
    finding: "not_an_approver",
    say: (scene) => {
      const entry = admitThief(scene, scene.honest["network"] ?? "", scene.loot.control);
      return signMap(withEntry(scene, entry), scene.loot.control);
    },
  },
  {
    name: "a node that approvers admitted to another network",
    finding: "entry_refused",
    say: (scene) => {
      const entry = admitThief(scene, hexOf(32), scene.loot.approver);
      return signMap(withEntry(scene, entry), scene.loot.control);
    },
  },
  { name: "no JSON", finding: "not_an_envelope", say: () => "\u0000\u001b[2J{{{" },
  { name: "JSON that is no envelope", finding: "not_an_envelope", say: () => '{"payload":1}' },
  {
    name: "an unknown field",
    finding: "payload_unknown",
    say: ({ honest, loot }) => signMap({ ...honest, exits: [] }, loot.control),
  },
  {
    name: "thirty megabytes",
    finding: "not_an_envelope",
    say: () => JSON.stringify({ payload: "A".repeat(30_000_000) }),
  },
];

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

const findingsOf = ({ control, findings }: Status): string =>
  JSON.stringify([control?.reason, ...findings]);

/** What is held of the network, without the time that is left, which is rounded. */
const believed = ({ trust }: Pick<Status, "trust">): Partial<Status["trust"]> => ({
  ...trust,
  holdUntil: 0,
});

/** The scene once the thief has taken over, and the honest server is gone. */
async function takeOver(mesh: LyingMesh, hostile: HostileControl, keys: Keys): Promise<Terms> {
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
  return { terms, older, bobSays, thief: keygen(random), victim };
}

type Keys = { readonly alice: SigningKey; readonly bob: SigningKey };
type Terms = Omit<Scene, "honest" | "loot"> & {
  readonly terms: { readonly network: string; readonly audience: string };
};

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
  const { terms, victim: first, ...told } = await takeOver(mesh, hostile, keys);
  let [victim, isMoved] = [first, false];
  for (const { name, finding, say } of lies) {
    // An honest word first, so that each lie is told to a node that trusts its server.
    const honest = nothingNew(victim, terms);
    await hostile.say(victim, signMap(honest, hostile.loot.control));
    await alice.untilConnected();
    const [before, { trust }] = [await alice.network(), await alice.status()];
    await hostile.say(victim, say({ ...told, victim, honest, loot: hostile.loot }));
    const status = await alice.until(
      `to refuse ${name}`,
      (one) => one.control?.state === "refused" && findingsOf(one).includes(finding),
    );
    expect(status.state, name).toBe("running");
    expect(believed(status), name).toEqual(believed({ trust }));
    expect(await alice.network(), name).toBe(before);
    // Who was lied to comes back ever later, unless the network changes.
    isMoved = !isMoved;
    await alice.host.ip(`address ${isMoved ? "add" : "del"} 198.51.100.7/32 dev eth0`);
    victim = await hostile.victim(keys.alice, victim);
  }
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

type Answer = EnrollmentOutput;

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
    await hostile.interceptOnce("/v1/enroll", (answer) =>
      edit(v.parse(EnrollmentOutput, answer), hostile.loot),
    );
    expect((await joining).exitCode, name).not.toBe(0);
    expect((await carol.status()).state, name).toBe("logged_out");
    expect(await carol.network(), name).toBe(before);
  }
  await hostile.close();
  // The same identity gets in where the answer is whole.
  await carol.up(encodeJoinToken(token));
  await mesh.untilMeshed(carol, mesh.nodes.alice);
});
