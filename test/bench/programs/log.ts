/**
 * log is what a membership log costs whoever verifies it, in one process: `log replay UPDATES ROUNDS`
 * replays a log of so many updates from genesis; `log restore NODES ROUNDS` begins at a checkpoint with so
 * many nodes and takes 1,000 entries after it. Two of three approvers sign each. It prints what each round
 * took, in milliseconds, as one line of JSON.
 */
import * as v from "valibot";
import { encodeHex } from "../../../src/base/bytes.ts";
import { type Envelope, sealEnvelope } from "../../../src/crypto/envelope.ts";
import { nextAddresses } from "../../../src/membership/addresses.ts";
import {
  advance,
  append,
  found,
  type Membership,
  nodeIdOf,
  succeedBy,
} from "../../../src/membership/membership.ts";
import { restore, Snapshot, takeSnapshot } from "../../../src/membership/snapshot.ts";
import { type Node, withNode } from "../../../src/membership/state.ts";
import {
  LogEntry,
  type Operation,
  type Update,
  updateType,
} from "../../../src/membership/update.ts";
import { UpdateId } from "../../../src/model/ids.ts";
import { SigningKey } from "../../../src/model/keys.ts";
import { NodeName, Owner, Tag } from "../../../src/model/names.ts";
import { approverOf, genesisOf, Ledger, nowS, signerOf, unwrap } from "../../support/world.ts";

const random = (sizeBytes: number): Uint8Array => crypto.getRandomValues(new Uint8Array(sizeBytes));
const people = ["anna", "boris", "chandra"];
const [owner, tag] = [v.parse(Owner, "alice"), v.parse(Tag, "prod")];
const tailEntries = 1_000;

const ledger = new Ledger(
  genesisOf({ threshold: 2, approvers: people.map((name) => approverOf(name)) }),
  people,
);

function nodeOf(i: number, { state }: Membership): Node {
  const key = v.parse(SigningKey, encodeHex(random(32)));
  const addresses = nextAddresses(state, i + 1);
  if (addresses === null) throw new Error("the range has room");
  const name = v.parse(NodeName, `n${i}`);
  return { id: nodeIdOf(key), key, name, owner, tags: [], status: "active", ...addresses };
}

/** A node comes, and then something becomes of it; so there are half as many nodes as updates. */
function operationAt(i: number, membership: Membership, last: Node | null): Operation {
  if (i % 2 === 0 || last === null) return { kind: "add_node", node: nodeOf(i, membership) };
  const node = last.id;
  if (i % 16 === 1) return { kind: "revoke_node", node };
  if (i % 16 === 3) return { kind: "quarantine_node", node };
  return i % 16 === 5
    ? { kind: "rename_node", node, name: v.parse(NodeName, `m${i}`) }
    : { kind: "retag_node", node, tags: [tag] };
}

type Written = { readonly membership: Membership; readonly lines: readonly string[] };

/** Signed by two in turn, and taken as it is: whether it holds is what is measured. */
function write(
  start: Membership,
  count: number,
  plan: (i: number, at: Membership) => Operation,
): Written {
  let membership = start;
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const operation = plan(i, membership);
    const next = unwrap(advance(membership.state, operation));
    const update: Update = {
      network: membership.state.network,
      id: v.parse(UpdateId, encodeHex(random(16))),
      epoch: next.state.epoch,
      parent: membership.root,
      root: next.root,
      createdAt: nowS - 100,
      expiresAt: nowS,
      operation,
    };
    const by = [0, 1].map((turn) => signerOf(people[(i + turn) % 3] ?? ""));
    const entry: LogEntry = {
      acceptedAt: nowS - 100,
      envelope: sealEnvelope(updateType, update, by),
    };
    membership = succeedBy(membership, entry, update, next);
    lines.push(JSON.stringify(entry));
  }
  return { membership, lines };
}

function changes(): (i: number, at: Membership) => Operation {
  let last: Node | null = null;
  return (i, at) => {
    const operation = operationAt(i, at, last);
    last = operation.kind === "add_node" ? operation.node : last;
    return operation;
  };
}

const retagging =
  (nodes: readonly Node[]) =>
  (i: number): Operation => ({
    kind: "retag_node",
    node: nodes[i % nodes.length]?.id ?? nodeIdOf(signerOf("nobody").publicKey),
    tags: i < nodes.length ? [tag] : [],
  });

const founded = (genesis: Envelope = ledger.genesis): Membership =>
  unwrap(found(genesis, ledger.genesisRoot));

function follow(start: Membership, lines: readonly string[]): Membership {
  let membership = start;
  for (const line of lines)
    membership = unwrap(append(membership, v.parse(LogEntry, JSON.parse(line)), nowS));
  return membership;
}

type Round = Readonly<Record<string, number>>;

function replay(updates: number): () => Round {
  const written = write(founded(), updates, changes());
  return () => {
    const startedMs = performance.now();
    const membership = follow(founded(), written.lines);
    const replay = performance.now() - startedMs;
    expectSame(membership, written.membership);
    return { replay };
  };
}

function begin(nodes: number): () => Round {
  let grown = founded();
  let { state } = grown;
  for (let i = 0; i < nodes; i++) state = withNode(state, nodeOf(i, { ...grown, state }));
  grown = {
    ...grown,
    state,
    root: unwrap(advance({ ...state, epoch: -1 }, { kind: "checkpoint" })).root,
  };
  const checkpoint = write(grown, 1, () => ({ kind: "checkpoint" })).membership;
  const text = JSON.stringify(takeSnapshot(checkpoint));
  const tail = write(checkpoint, tailEntries, retagging([...state.nodes.values()]));
  return () => {
    const startedMs = performance.now();
    const snapshot = v.parse(Snapshot, JSON.parse(text));
    const parsedMs = performance.now();
    const restored = unwrap(restore(founded(), snapshot, nowS));
    const restoredMs = performance.now();
    const membership = follow(restored, tail.lines);
    const endedMs = performance.now();
    expectSame(membership, tail.membership);
    return {
      parse: parsedMs - startedMs,
      restore: restoredMs - parsedMs,
      tail: endedMs - restoredMs,
      begin: endedMs - startedMs,
    };
  };
}

function expectSame(left: Membership, right: Membership): void {
  if (left.root !== right.root) throw new Error(`${left.root} instead of ${right.root}`);
}

const [mode, size = 0, rounds = 0] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const round = mode === "replay" ? replay(size) : begin(size);
round();
const took = Array.from({ length: rounds }, round);
process.stdout.write(`${JSON.stringify(took)}\n`);
