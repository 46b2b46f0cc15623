/**
 * core is one daemon's decisions in a network of so many nodes, without kernel and network: `core SIZE
 * ROUNDS`. Each round a node is admitted, advertises itself, and is expelled again. It prints how long
 * each part took, in microseconds, as one line of JSON.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { encodeHex } from "../../../src/base/bytes.ts";
import { silentLog } from "../../../src/base/log.ts";
import { type Envelope, sealEnvelope } from "../../../src/crypto/envelope.ts";
import { NodeState } from "../../../src/daemon/node-state.ts";
import { Reconciler } from "../../../src/daemon/reconciler.ts";
import { nextAddresses } from "../../../src/membership/addresses.ts";
import { append, type Membership, nodeIdOf } from "../../../src/membership/membership.ts";
import { propose } from "../../../src/membership/propose.ts";
import { Node, rootOf, withNode } from "../../../src/membership/state.ts";
import { type LogEntry, type Operation, updateType } from "../../../src/membership/update.ts";
import { UpdateId } from "../../../src/model/ids.ts";
import { SigningKey, TunnelKey } from "../../../src/model/keys.ts";
import { InterfaceName } from "../../../src/model/names.ts";
import { openView, receiveMap, type View } from "../../../src/trust/view.ts";
import {
  type Advertisement,
  advertisementLifetimeS,
  advertisementType,
} from "../../../src/wire/advertisement.ts";
import { type Map as MapPayload, mapType } from "../../../src/wire/map.ts";
import {
  genesisOf,
  idOf,
  Ledger,
  network,
  nowS,
  signerOf,
  tunnelOf,
  unwrap,
} from "../../support/world.ts";
import { MemoryHost } from "./memory-host.ts";

const random = (sizeBytes: number): Uint8Array => crypto.getRandomValues(new Uint8Array(sizeBytes));
const clock = { nowS: () => nowS, monotonicMs: () => performance.now() };
const config = {
  interface: v.parse(InterfaceName, "rustynet0"),
  listenPort: 51_820,
  mtuBytes: 1_420,
  mark: 0,
};
const leaseMs = 3_600_000;

/** A member of a network that nobody has had the time to sign for: its record alone. */
function strangerOf(i: number, { state }: Membership): Node {
  const key = v.parse(SigningKey, encodeHex(random(32)));
  const addresses = nextAddresses(state, i + 1);
  const rest = { name: `n${i}`, owner: "alice", tags: [], status: "active", ...addresses };
  return v.parse(Node, { id: nodeIdOf(key), key, ...rest });
}

const wordOf = (
  node: Node["id"],
  tunnelKey: TunnelKey,
  { state, root }: Membership,
): Advertisement => ({
  network,
  node,
  sequence: 1,
  issuedAt: nowS - 10,
  expiresAt: nowS - 10 + advertisementLifetimeS,
  tunnelKey,
  endpoints: [],
  routes: [],
  exit: "none",
  head: { epoch: state.epoch, root },
  os: "linux/x64",
  software: "bench",
});

/** What a node believes that has so many peers, put together without verifying what was not signed. */
function viewOf(size: number): View {
  const start = new Ledger(genesisOf()).admit("me").membership;
  let { state } = start;
  const strangers: Node[] = [];
  for (let i = 0; i < size; i++) {
    const node = strangerOf(i + 1, { ...start, state });
    state = withNode(state, node);
    strangers.push(node);
  }
  const membership = { ...start, state, root: rootOf(state) };
  const view = openView(idOf("me"), membership);
  let { advertisements, nodeByTunnelKey } = view;
  // One envelope of the usual length stands for all: nobody opens it again.
  const template = wordOf(idOf("me"), tunnelOf("me").publicKey, membership);
  const envelope = sealEnvelope(advertisementType, template, [signerOf("me")]);
  for (const { id } of strangers) {
    const tunnelKey = v.parse(TunnelKey, encodeHex(random(32)));
    const advertisement = { ...template, node: id, tunnelKey };
    advertisements = advertisements.with(id, { envelope, advertisement });
    nodeByTunnelKey = nodeByTunnelKey.with(tunnelKey, id);
  }
  return { ...view, advertisements, nodeByTunnelKey, generation: 1, signedAt: nowS - 1 };
}

/** An operation as a log entry, and the membership after it. */
function signed(membership: Membership, operation: Operation) {
  const id = v.parse(UpdateId, encodeHex(random(16)));
  const terms = { id, createdAt: nowS - 5, lifetimeS: 300 };
  const update = unwrap(propose(membership, operation, terms));
  const envelope = sealEnvelope(updateType, update, [signerOf("approver")]);
  const entry: LogEntry = { acceptedAt: nowS - 5, envelope };
  return { entry, after: unwrap(append(membership, entry, nowS)) };
}

/** The map that brings a node with this view one entry further. */
function mapOf(
  view: View,
  entry: LogEntry,
  { state, root }: Membership,
  said: readonly Envelope[],
) {
  const map: MapPayload = {
    network,
    audience: view.self,
    generation: view.generation + 1,
    signedAt: nowS,
    since: { epoch: view.membership.state.epoch, generation: view.generation },
    head: { epoch: state.epoch, root },
    entries: [entry],
    advertisements: [...said],
    presence: [],
  };
  return sealEnvelope(mapType, map, [signerOf("control")]);
}

function newcomerOf(label: string, hostNumber: number, { state }: Membership): Node {
  const { publicKey: key } = signerOf(label);
  const rest = { name: label, owner: "alice", tags: [], status: "active" };
  return v.parse(Node, { id: idOf(label), key, ...rest, ...nextAddresses(state, hostNumber) });
}

type Part = "receive_admission" | "receive_revocation" | "keep" | "follow" | "look";
const took: Record<Part, number[]> = {
  receive_admission: [],
  receive_revocation: [],
  keep: [],
  follow: [],
  look: [],
};

async function timed<T>(part: Part, act: () => T | Promise<T>): Promise<T> {
  const startedMs = performance.now();
  const result = await act();
  took[part].push((performance.now() - startedMs) * 1_000);
  return result;
}

const [size = 0, rounds = 0] = process.argv.slice(2).map(Number);
const warmUps = 10;
const directory = mkdtempSync(join(tmpdir(), "rustynet-bench-"));
const state = new NodeState(directory, random);
const host = new MemoryHost(tunnelOf("me").publicKey);
const reconciler = new Reconciler(host, clock, silentLog, config);
let view = viewOf(size);

const goal = () => ({ kind: "up", view, leaseMs }) as const;

async function take(part: Part, map: Envelope): Promise<void> {
  const received = unwrap(await timed(part, () => receiveMap(view, map, nowS)));
  await timed("keep", () => state.writeView(received.view, received.entries));
  view = received.view;
  await timed("follow", () => reconciler.follow(goal()));
}

function expectPeers(count: number): void {
  if (host.peers.size !== count) throw new Error(`${host.peers.size} peers instead of ${count}`);
}

try {
  await reconciler.reconcile(goal());
  expectPeers(size);
  for (let round = 0; round < warmUps + rounds; round++) {
    if (round === warmUps) for (const samples of Object.values(took)) samples.length = 0;
    const label = `late${round}`;
    const node = newcomerOf(label, size + 10 + round, view.membership);
    const admitted = signed(view.membership, { kind: "add_node", node });
    const word = wordOf(node.id, tunnelOf(label).publicKey, admitted.after);
    const said = sealEnvelope(advertisementType, word, [signerOf(label)]);
    await take("receive_admission", mapOf(view, admitted.entry, admitted.after, [said]));
    expectPeers(size + 1);
    const expelled = signed(view.membership, { kind: "revoke_node", node: node.id });
    await take("receive_revocation", mapOf(view, expelled.entry, expelled.after, []));
    expectPeers(size);
    await timed("look", () => reconciler.reconcile(goal()));
  }
  process.stdout.write(`${JSON.stringify(took)}\n`);
} finally {
  rmSync(directory, { recursive: true, force: true });
}
