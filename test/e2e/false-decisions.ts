/**
 * false-decisions are changes of the membership that somebody with the control server's keys might slip
 * into a map, some with the help of one approver, and what `status` is to say of each.
 */
import { assert } from "../../src/base/assert.ts";
import type { CanonicalValue } from "../../src/crypto/canonical.ts";
import type { SigningSecret } from "../../src/crypto/ed25519.ts";
import { keygen } from "../../src/crypto/ed25519.ts";
import { type Envelope } from "../../src/crypto/envelope.ts";
import { type Membership, nodeIdOf } from "../../src/membership/membership.ts";
import { type Node, textKey } from "../../src/membership/state.ts";
import type { Operation } from "../../src/membership/update.ts";
import { skewMaxS } from "../../src/model/time.ts";
import type { Dossier } from "../../src/wire/dossier.ts";
import { sealUpdate, updateOfForce, updateUpon } from "./dossiers.ts";
import type { HostileControl } from "./hostile-control.ts";
import { nowS, payloadOf, random } from "./lies.ts";

/** Everything that a false decision may be made of. */
export type Court = {
  readonly membership: Membership;
  readonly dossier: Dossier;
  readonly ann: SigningSecret;
  readonly ben: SigningSecret;
  readonly cleo: SigningSecret;
  /** What the thief found on the server: the approver's key there has no say any more. */
  readonly loot: HostileControl["loot"];
  readonly thief: SigningSecret;
  /** The node that the thief wants to have out. */
  readonly bob: Node;
};

export type FalseDecision = {
  readonly name: string;
  /** The code by which the victim names it. */
  readonly finding: string;
  readonly entry: (court: Court) => CanonicalValue;
};

const entryOf = (envelope: unknown, acceptedAt = nowS()): CanonicalValue =>
  ({ acceptedAt, envelope }) as CanonicalValue;

const revokeBob = ({ bob }: Court): Operation => ({ kind: "revoke_node", node: bob.id });

function admitThief({ thief, bob }: Court): Operation {
  const key = thief.publicKey;
  const node = { ...bob, id: nodeIdOf(key), key, name: "thief", ipv4: "100.64.0.99" };
  return {
    kind: "add_node",
    node: { ...node, ipv6: bob.ipv6.replace(/[^:]*$/, "63") },
  } as Operation;
}

const decided = (court: Court, operation: Operation, ...by: readonly SigningSecret[]) =>
  entryOf(sealUpdate(updateUpon(court.membership, operation), by));

const forced = (court: Court, operation: unknown, ...by: readonly SigningSecret[]) =>
  entryOf(sealUpdate(updateOfForce(court.membership, operation), by));

/** The same envelope with its last signature changed in some way. */
function withSignature(envelope: Envelope, edit: (bytes: Uint8Array) => string): CanonicalValue {
  const last = envelope.signatures.at(-1);
  assert(last !== undefined, "it was signed");
  const sig = edit(Uint8Array.fromBase64(last.sig));
  const signatures = [...envelope.signatures.slice(0, -1), { ...last, sig }];
  return entryOf({ ...envelope, signatures });
}

/** S + L: the same signature to a careless verifier, under another spelling. */
function addGroupOrder(signature: Uint8Array): string {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  let s = order;
  for (let i = 0; i < 32; i++) s += BigInt(signature[32 + i] ?? 0) << BigInt(8 * i);
  const bytes = Uint8Array.from(signature);
  for (let i = 0; i < 32; i++) bytes[32 + i] = Number((s >> BigInt(8 * i)) & 255n);
  return bytes.toBase64();
}

function lastEntry({ dossier }: Court): Dossier["entries"][number] {
  const last = dossier.entries.at(-1);
  assert(last !== undefined, "the log has entries since its checkpoint");
  return last;
}

const bySigned = (court: Court): Envelope =>
  sealUpdate(updateUpon(court.membership, revokeBob(court)), [court.ann, court.ben]);

/** Rows of the plan's threat matrix, and of the list of attacks on logs, by their names there. */
export const falseDecisions: readonly FalseDecision[] = [
  {
    name: "forged signature on a valid-looking update",
    finding: "signature_invalid",
    entry: (court) =>
      withSignature(bySigned(court), (bytes) => {
        bytes[7] = (bytes[7] ?? 0) ^ 1;
        return bytes.toBase64();
      }),
  },
  {
    name: "modified payload after signing",
    finding: "signature_invalid",
    entry: (court) => {
      const envelope = bySigned(court);
      const changed = { ...payloadOf(envelope), operation: admitThief(court) };
      const { payload } = sealUpdate(changed, [court.thief]);
      return entryOf({ ...envelope, payload });
    },
  },
  {
    name: "under-threshold signer set: one approver alone revokes",
    finding: "too_few_signatures",
    entry: (court) => decided(court, revokeBob(court), court.ann),
  },
  {
    name: "under-threshold signer set: one approver alone admits",
    finding: "too_few_signatures",
    entry: (court) => decided(court, admitThief(court), court.ann),
  },
  {
    name: "the control server's keys alone: admit",
    finding: "not_an_approver",
    entry: (court) => decided(court, admitThief(court), court.loot.control, court.loot.approver),
  },
  {
    name: "the control server's keys alone: revoke",
    finding: "not_an_approver",
    entry: (court) => decided(court, revokeBob(court), court.loot.control),
  },
  {
    name: "a removed signer still counted",
    finding: "not_an_approver",
    entry: (court) => decided(court, revokeBob(court), court.ann, court.loot.approver),
  },
  {
    name: "one signer signing twice",
    finding: "payload_unknown",
    entry: (court) => {
      const envelope = sealUpdate(updateUpon(court.membership, revokeBob(court)), [court.ann]);
      return entryOf({
        ...envelope,
        signatures: [...envelope.signatures, ...envelope.signatures],
      });
    },
  },
  {
    name: "one key counted twice under two names",
    finding: "key_in_use",
    entry: (court) => {
      const approver = { key: court.ann.publicKey, name: "anna", role: "owner" };
      return forced(court, { kind: "add_approver", approver }, court.ann, court.ben);
    },
  },
  {
    name: "a second spelling of a signature",
    finding: "signature_invalid",
    entry: (court) => withSignature(bySigned(court), addGroupOrder),
  },
  {
    name: "a second spelling of a key",
    finding: "payload_unknown",
    entry: (court) => {
      const envelope = bySigned(court);
      const [first, second] = envelope.signatures;
      assert(first !== undefined && second !== undefined, "two signed");
      const loud = { ...first, keyid: first.keyid.toUpperCase() };
      return entryOf({ ...envelope, signatures: [first, loud, second] });
    },
  },
  {
    name: "a threshold that nobody can reach",
    finding: "threshold_unreachable",
    entry: (court) =>
      forced(court, { kind: "set_threshold", threshold: 4 }, court.ann, court.ben, court.cleo),
  },
  {
    name: "a separator inside a value",
    finding: "payload_unknown",
    entry: (court) => {
      const operation = { kind: "rename_node", node: court.bob.id, name: 'bob","status":"active' };
      return forced(court, operation, court.ann, court.ben);
    },
  },
  {
    name: "an unknown kind of change",
    finding: "payload_unknown",
    entry: (court) => forced(court, { kind: "open_everything" }, court.ann, court.ben),
  },
  {
    name: "replayed old valid update",
    finding: "epoch_mismatch",
    entry: (court) => entryOf(lastEntry(court).envelope),
  },
  {
    name: "replayed update under its old id",
    finding: "update_repeated",
    entry: (court) => {
      const { id } = payloadOf(lastEntry(court).envelope) as { id: string };
      const update = updateUpon(court.membership, revokeBob(court), { id } as object);
      return entryOf(sealUpdate(update, [court.ann, court.ben]));
    },
  },
  {
    name: "fast-forward to an epoch near the maximum",
    finding: "epoch_mismatch",
    entry: (court) => {
      const update = updateUpon(court.membership, revokeBob(court), {
        epoch: 2 ** 48 - 1,
      });
      return entryOf(sealUpdate(update, [court.ann, court.ben]));
    },
  },
  {
    name: "a successor of another state",
    finding: "parent_mismatch",
    entry: (court) => {
      const parent = textKey("another state");
      const update = { ...updateUpon(court.membership, revokeBob(court)), parent };
      return entryOf(sealUpdate(update, [court.ann, court.ben]));
    },
  },
  {
    name: "a root that the change does not lead to",
    finding: "root_mismatch",
    entry: (court) => forced(court, revokeBob(court), court.ann, court.ben),
  },
  {
    name: "time skew beyond policy: signed in the future",
    finding: "not_yet_valid",
    entry: (court) => {
      const createdAt = nowS() + skewMaxS + 30;
      const update = updateUpon(court.membership, revokeBob(court), {
        ...{ createdAt, expiresAt: createdAt + 3_600 },
      });
      return entryOf(sealUpdate(update, [court.ann, court.ben]), createdAt);
    },
  },
  {
    name: "time skew beyond policy: taken in after its expiry",
    finding: "expired",
    entry: (court) => {
      const createdAt = court.membership.acceptedAt;
      const update = updateUpon(court.membership, revokeBob(court), {
        ...{ createdAt, expiresAt: createdAt + 1 },
      });
      return entryOf(sealUpdate(update, [court.ann, court.ben]), createdAt + 2);
    },
  },
  {
    name: "a change for another network",
    finding: "network_mismatch",
    entry: (court) => {
      const update = { ...updateUpon(court.membership, revokeBob(court)), network: "0".repeat(32) };
      return entryOf(sealUpdate(update, [court.ann, court.ben]));
    },
  },
  {
    name: "the server's own key made a control key by one approver",
    finding: "too_few_signatures",
    entry: (court) => {
      const { publicKey: key } = keygen(random);
      return decided(court, { kind: "add_control_key", key }, court.ann);
    },
  },
];
