/**
 * cold-start is what a daemon does before it believes anything: `cold-start make DIRECTORY SIZE
 * HEARD` puts the files of a node there, in a network of so many members after 100,000 updates, so many of
 * whom have advertised themselves; and `cold-start read DIRECTORY` believes them in a process that has
 * never seen them. That prints how long it took, in milliseconds, as one line of JSON.
 */
import * as v from "valibot";
import { encodeHex } from "../../../src/base/bytes.ts";
import { keygen, type SigningSecret } from "../../../src/crypto/ed25519.ts";
import { type Envelope, sealEnvelope } from "../../../src/crypto/envelope.ts";
import { type Enrollment, NodeState } from "../../../src/daemon/node-state.ts";
import { nextAddresses } from "../../../src/membership/addresses.ts";
import { append, type Membership, nodeIdOf } from "../../../src/membership/membership.ts";
import { propose } from "../../../src/membership/propose.ts";
import { takeSnapshot } from "../../../src/membership/snapshot.ts";
import { Node, rootOf, withNode } from "../../../src/membership/state.ts";
import { type LogEntry, type Operation, updateType } from "../../../src/membership/update.ts";
import { UpdateId } from "../../../src/model/ids.ts";
import { TlsPin } from "../../../src/model/keys.ts";
import { openView } from "../../../src/trust/view.ts";
import { advertisementLifetimeS, advertisementType } from "../../../src/wire/advertisement.ts";
import { ControlUrl } from "../../../src/wire/join-token.ts";
import {
  approverOf,
  genesisOf,
  idOf,
  Ledger,
  network,
  nowS,
  signerOf,
  tunnelOf,
  unwrap,
} from "../../support/world.ts";

/** How many updates there were, and how many of them came after the last checkpoint. */
const updates = 100_000;
const tail = 100;
/** Approvers come and go: each pair of changes is two entries that everybody verifies from genesis on. */
const authorityPairs = 10;
const approvers = ["alice", "bob", "carol"];

const random = (sizeBytes: number): Uint8Array => crypto.getRandomValues(new Uint8Array(sizeBytes));

/** An entry that two of three sign. */
function signed(membership: Membership, operation: Operation, by: readonly string[]): LogEntry {
  const id = v.parse(UpdateId, encodeHex(random(16)));
  const update = unwrap(propose(membership, operation, { id, createdAt: nowS, lifetimeS: 300 }));
  return { acceptedAt: nowS, envelope: sealEnvelope(updateType, update, by.map(signerOf)) };
}

function withApproversChanged(membership: Membership): Membership {
  let next = membership;
  for (let pair = 0; pair < authorityPairs; pair++) {
    const { key, name, role } = approverOf(`guest${pair}`, { role: "guardian" });
    const added = { kind: "add_approver", approver: { key, name, role } } as const;
    next = unwrap(append(next, signed(next, added, ["alice", "bob", name]), nowS));
    const revoked = { kind: "revoke_approver", approver: key } as const;
    next = unwrap(append(next, signed(next, revoked, ["alice", "carol"]), nowS));
  }
  return next;
}

/** Members whom nobody had the time to sign for: the checkpoint vouches for them. */
function withMembers(membership: Membership, keys: readonly SigningSecret[]): Membership {
  let { state } = membership;
  for (const [i, { publicKey: key }] of keys.entries()) {
    const rest = { name: `n${i}`, owner: "alice", tags: [], status: "active" };
    const addresses = nextAddresses(state, i + 1);
    state = withNode(state, v.parse(Node, { id: nodeIdOf(key), key, ...rest, ...addresses }));
  }
  state = { ...state, epoch: updates - tail - 1 };
  return { ...membership, state, root: rootOf(state) };
}

function advertisementBy(key: SigningSecret, { state, root }: Membership): Envelope {
  const { publicKey: tunnelKey } = tunnelOf(key.publicKey);
  const head = { epoch: state.epoch, root };
  const said = { endpoints: [], routes: [], exit: "none", os: "linux/x64", software: "bench" };
  const times = { sequence: 1, issuedAt: nowS - 10, expiresAt: nowS - 10 + advertisementLifetimeS };
  const word = { network, node: nodeIdOf(key.publicKey), ...times, tunnelKey, head, ...said };
  return sealEnvelope(advertisementType, word, [key]);
}

function make(directory: string, size: number, heardCount: number): void {
  const genesis = genesisOf({ threshold: 2, approvers: approvers.map((name) => approverOf(name)) });
  const ledger = new Ledger(genesis, approvers);
  const keys = [signerOf("me"), ...Array.from({ length: size }, () => keygen(random))];
  const grown = withMembers(withApproversChanged(ledger.membership), keys);
  let membership = unwrap(
    append(grown, signed(grown, { kind: "checkpoint" }, ["alice", "bob"]), nowS),
  );
  const entries: LogEntry[] = [];
  for (let i = 0; i < tail; i++) {
    const kind = i % 2 === 0 ? "quarantine_node" : "restore_node";
    const entry = signed(membership, { kind, node: idOf("me") }, ["alice", "bob"]);
    membership = unwrap(append(membership, entry, nowS));
    entries.push(entry);
  }
  const enrollment: Enrollment = {
    url: v.parse(ControlUrl, "https://control.example:8443"),
    pin: v.parse(TlsPin, "ab".repeat(32)),
    network,
    genesis: ledger.genesisRoot,
    node: idOf("me"),
    wanted: "up",
  };
  const state = new NodeState(directory, random);
  const snapshot = takeSnapshot(membership);
  state.writeJoined({ genesis: ledger.genesis, snapshot, entries }, enrollment);
  const heard = keys.slice(1, 1 + heardCount).map((key) => {
    const envelope = advertisementBy(key, membership);
    const node = nodeIdOf(key.publicKey);
    return { node, envelope };
  });
  let view = { ...openView(idOf("me"), membership), generation: 1, signedAt: nowS };
  for (const { node, envelope } of heard) {
    // Only the envelope is kept.
    const advertisement = { node } as never;
    view = { ...view, advertisements: view.advertisements.with(node, { envelope, advertisement }) };
  }
  state.writeView({ ...view, signers: [signerOf("control").publicKey] }, []);
}

function read(directory: string): void {
  const state = new NodeState(directory, random);
  const startedMs = performance.now();
  const enrollment = state.readEnrollment();
  if (enrollment === null) throw new Error("there is no enrollment");
  const view = state.readView(enrollment);
  const tookMs = performance.now() - startedMs;
  const { epoch, nodes } = view.membership.state;
  if (epoch !== updates) throw new Error(`epoch ${epoch} instead of ${updates}`);
  const found = { ms: tookMs, nodes: nodes.size, advertisements: view.advertisements.size };
  process.stdout.write(`${JSON.stringify(found)}\n`);
}

const [mode, directory = "", size, heard] = process.argv.slice(2);
if (mode === "make") make(directory, Number(size), Number(heard));
else read(directory);
