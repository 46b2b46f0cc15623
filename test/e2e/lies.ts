/** lies are what a stolen control server might say of the network, and what `status` is to say of each. */
import * as v from "valibot";
import { assert } from "../../src/base/assert.ts";
import { type CanonicalValue, decodeCanonical } from "../../src/crypto/canonical.ts";
import type { SigningSecret } from "../../src/crypto/ed25519.ts";
import { type Envelope, sealEnvelope } from "../../src/crypto/envelope.ts";
import { tunnelKeygen } from "../../src/crypto/tunnel-key.ts";
import { nodeIdOf } from "../../src/membership/membership.ts";
import { updateType } from "../../src/membership/update.ts";
import { skewMaxS } from "../../src/model/time.ts";
import { advertisementType } from "../../src/wire/advertisement.ts";
import { mapAgeMaxS, mapType } from "../../src/wire/map.ts";
import { type HostileControl, signMap, type Victim } from "./hostile-control.ts";

export type Payload = Record<string, CanonicalValue>;

export const random = (sizeBytes: number): Uint8Array =>
  crypto.getRandomValues(new Uint8Array(sizeBytes));
export const nowS = (): number => Math.floor(Date.now() / 1_000);

/** The payload of a statement, to be changed and signed again by somebody else. */
export function payloadOf({ payload }: Envelope): Payload {
  const decoded = decodeCanonical(Uint8Array.fromBase64(payload));
  assert(decoded.ok, "an honest statement is canonical");
  return v.parse(v.record(v.string(), v.any()), decoded.value);
}

/** Everything that a lie may be made of. */
export type Scene = {
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

export const lies: readonly Lie[] = [
  {
    name: "a forged signature",
    finding: "envelope_refused",
    say: ({ honest, loot }) => {
      const envelope = sealEnvelope(mapType, honest, [loot.control]);
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
