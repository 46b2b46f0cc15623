/** world: the keys, records and log entries that tests make networks of, all from fixed labels. */
import * as v from "valibot";
import { encodeBase64, encodeHex, encodeUtf8 } from "../../src/base/bytes.ts";
import type { CanonicalValue } from "../../src/crypto/canonical.ts";
import { keygen, sign, type SigningSecret } from "../../src/crypto/ed25519.ts";
import { type Envelope, preAuthEncoding, sealEnvelope } from "../../src/crypto/envelope.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import { tunnelKeygen, type TunnelSecret } from "../../src/crypto/tunnel-key.ts";
import { ipv4RangeDefault, ipv6RangeOf, nextAddresses } from "../../src/membership/addresses.ts";
import { append, found, type Membership, nodeIdOf } from "../../src/membership/membership.ts";
import { propose } from "../../src/membership/propose.ts";
import {
  type Approver,
  Genesis,
  genesisState,
  Node,
  rootOf,
  Voucher,
} from "../../src/membership/state.ts";
import {
  genesisType,
  type LogEntry,
  type Operation,
  type Update,
  updateType,
} from "../../src/membership/update.ts";
import { NetworkId, type NodeId, type StateRoot, UpdateId } from "../../src/model/ids.ts";
import { ApproverName, NodeName } from "../../src/model/names.ts";

/** The present, in every test that does not choose its own. */
export const nowS = 1_790_000_000;

const seedOf = (label: string): Uint8Array => sha256(encodeUtf8(`rustynet test: ${label}`));
const signers = new Map<string, SigningSecret>();
const tunnels = new Map<string, TunnelSecret>();

/** The Ed25519 key of whoever has this label; the same at every call. */
export function signerOf(label: string): SigningSecret {
  const known = signers.get(label) ?? keygen(() => seedOf(`signer ${label}`));
  signers.set(label, known);
  return known;
}

export function tunnelOf(label: string): TunnelSecret {
  const known = tunnels.get(label) ?? tunnelKeygen(() => seedOf(`tunnel ${label}`));
  tunnels.set(label, known);
  return known;
}

export const idOf = (label: string): NodeId => nodeIdOf(signerOf(label).publicKey);

export const network = v.parse(NetworkId, encodeHex(seedOf("network")).slice(0, 32));
export const updateId = (label: string): UpdateId =>
  v.parse(UpdateId, encodeHex(seedOf(`update ${label}`)).slice(0, 32));

export function approverOf(label: string, changes: Partial<Approver> = {}): Approver {
  const key = signerOf(label).publicKey;
  const name = v.parse(ApproverName, label);
  return { key, name, role: "owner", status: "active", ...changes };
}

export function genesisOf(changes: Partial<Genesis> = {}): Genesis {
  return {
    version: 1,
    network,
    ranges: { ipv4: ipv4RangeDefault, ipv6: ipv6RangeOf(network) },
    threshold: 1,
    approvers: [approverOf("approver")],
    control: [signerOf("control").publicKey],
    relays: [],
    policy: { kind: "same_owner" },
    ...changes,
  };
}

export const sealGenesis = (genesis: CanonicalValue, by: readonly string[]): Envelope =>
  sealEnvelope(genesisType, genesis, by.map(signerOf));

/** Signs any bytes under any type: what `sealEnvelope` would not. */
export function sealBytes(
  payloadType: string,
  payload: Uint8Array,
  by: readonly string[],
): Envelope {
  const message = preAuthEncoding(payloadType, payload);
  const signatures = by.map((label) => ({
    keyid: signerOf(label).publicKey,
    sig: encodeBase64(sign(signerOf(label), message)),
  }));
  return { payloadType, payload: encodeBase64(payload), signatures };
}

export const sealUpdate = (update: CanonicalValue, by: readonly string[]): Envelope =>
  sealEnvelope(updateType, update, by.map(signerOf));

/** The record of a node that has this label for its name, with the addresses that are next. */
export function recordOf(
  { state }: Pick<Membership, "state">,
  label: string,
  changes: Partial<Record<keyof Node, unknown>> = {},
): Node {
  const { publicKey: key } = signerOf(label);
  const record = {
    id: nodeIdOf(key),
    key,
    name: label,
    owner: "alice",
    tags: [],
    status: "active",
  };
  const hasAddresses = changes.ipv4 !== undefined && changes.ipv6 !== undefined;
  return v.parse(Node, { ...record, ...(hasAddresses ? {} : nextAddresses(state)), ...changes });
}

/** A voucher for two machines of alice, good for an hour, under the key that has this label. */
export const voucherOf = (
  label: string,
  changes: Partial<Record<keyof Voucher, unknown>> = {},
): Voucher =>
  v.parse(Voucher, {
    key: signerOf(label).publicKey,
    owner: "alice",
    tags: [],
    uses: 2,
    expiresAt: nowS + 3_600,
    ...changes,
  });

export type Terms = {
  readonly by?: readonly string[];
  readonly createdAt?: number;
  readonly lifetimeS?: number;
  readonly acceptedAt?: number;
  readonly id?: UpdateId;
  /** What to sign instead of the honest update. */
  readonly lie?: (update: Update) => CanonicalValue;
};

/** A log: it founds a network and grows it by entries that it signs. */
export class Ledger {
  readonly genesis: Envelope;
  readonly genesisRoot: StateRoot;
  readonly entries: LogEntry[] = [];
  /** The membership after so many entries. */
  readonly history: Membership[] = [];

  constructor(genesis: Genesis = genesisOf(), by: readonly string[] = ["approver"]) {
    this.genesis = sealGenesis(v.parse(Genesis, genesis), by);
    this.genesisRoot = rootOf(genesisState(genesis));
    this.history.push(unwrap(found(this.genesis, this.genesisRoot)));
  }

  get membership(): Membership {
    const last = this.history.at(-1);
    if (last === undefined) throw new Error("a ledger has a beginning");
    return last;
  }

  /** An entry that would come next; it is not appended. */
  draft(operation: Operation, terms: Terms = {}): LogEntry {
    const { by = ["approver"], createdAt = nowS - 100, lifetimeS = 3_600 } = terms;
    const id = terms.id ?? updateId(`${this.entries.length + 1}`);
    const proposed = propose(this.membership, operation, { id, createdAt, lifetimeS });
    const update = proposed.ok
      ? proposed.value
      : this.#forge(operation, { id, createdAt, lifetimeS });
    const payload = terms.lie?.(update) ?? update;
    return { acceptedAt: terms.acceptedAt ?? createdAt, envelope: sealUpdate(payload, by) };
  }

  /** What an approver might sign although nothing follows from it. */
  #forge(operation: Operation, terms: Parameters<typeof propose>[2]): Update {
    const { state, root } = this.membership;
    const { id, createdAt, lifetimeS } = terms;
    const place = { network: state.network, id, epoch: state.epoch + 1, parent: root, root };
    return { ...place, createdAt, expiresAt: createdAt + lifetimeS, operation };
  }

  take(entry: LogEntry, now = nowS): this {
    this.history.push(unwrap(append(this.membership, entry, now)));
    this.entries.push(entry);
    return this;
  }

  /** Any operation, signed and appended. */
  decide(operation: Operation, terms: Terms = {}): this {
    return this.take(this.draft(operation, terms));
  }

  admit(label: string, changes: Parameters<typeof recordOf>[2] = {}, terms: Terms = {}): this {
    const node = recordOf(this.membership, label, changes);
    return this.take(this.draft({ kind: "add_node", node }, terms));
  }

  revoke(label: string, terms: Terms = {}): this {
    return this.take(this.draft({ kind: "revoke_node", node: idOf(label) }, terms));
  }

  rename(label: string, name: string, terms: Terms = {}): this {
    const operation = { node: idOf(label), name: v.parse(NodeName, name) };
    return this.take(this.draft({ kind: "rename_node", ...operation }, terms));
  }
}

type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: { readonly code: string } };

export function unwrap<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new Error(`refused: ${JSON.stringify(outcome.error)}`);
}

export const codeOf = (outcome: Outcome<unknown>): string =>
  outcome.ok ? "accepted" : outcome.error.code;
