/** world for daemon tests: maps as an honest control server signs them, a clock to turn, a directory. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { sealEnvelope } from "../../src/crypto/envelope.ts";
import { NodeState, type Enrollment, type NodeKeys } from "../../src/daemon/node-state.ts";
import { takeSnapshot } from "../../src/membership/snapshot.ts";
import { Endpoint } from "../../src/model/ip.ts";
import { TlsPin } from "../../src/model/keys.ts";
import {
  type Advertised,
  type Advertisement,
  advertisementLifetimeS,
  advertisementType,
} from "../../src/wire/advertisement.ts";
import type { History } from "../../src/wire/enrollment.ts";
import { ControlUrl } from "../../src/wire/join-token.ts";
import { type Map as MapPayload, mapType } from "../../src/wire/map.ts";
import { idOf, type Ledger, network, nowS, signerOf, tunnelOf } from "../support/world.ts";

/** A clock that stands still until it is told. */
export class HandClock {
  wallS = nowS;
  ms = 0;
  readonly nowS = () => this.wallS;
  readonly monotonicMs = () => this.ms;

  pass(seconds: number): void {
    this.wallS += seconds;
    this.ms += seconds * 1_000;
  }
}

export const random = (sizeBytes: number): Uint8Array =>
  crypto.getRandomValues(new Uint8Array(sizeBytes));

export function openDirectory(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), "rustynet-node-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export const openState = (path: string): NodeState => new NodeState(path, random);

export const keysOf = (label: string): NodeKeys => ({
  identity: signerOf(label),
  tunnel: tunnelOf(label),
});

/** What a machine is told that joins after so many entries: over the last checkpoint, if there is one. */
export function historyOf(ledger: Ledger, epoch = ledger.entries.length): History {
  const membership = ledger.history[epoch];
  if (membership === undefined) throw new Error(`no epoch ${epoch}`);
  const snapshot = takeSnapshot(membership);
  const entries = ledger.entries.slice(snapshot?.state.epoch ?? 0, epoch);
  return { genesis: ledger.genesis, snapshot, entries };
}

export const enrollmentOf = (ledger: Ledger, label: string): Enrollment => ({
  url: v.parse(ControlUrl, "https://control.example:8443"),
  pin: v.parse(TlsPin, "ab".repeat(32)),
  network,
  genesis: ledger.genesisRoot,
  node: idOf(label),
  wanted: "up",
});

export const advertisementBy = (
  label: string,
  ledger: Ledger,
  changes: Partial<Advertisement> = {},
) => advertisedBy(label, ledger, changes).envelope;

/** What a node with this label says of itself, sealed and plain. */
export function advertisedBy(
  label: string,
  ledger: Ledger,
  changes: Partial<Advertisement> = {},
): Advertised {
  const { state, root } = ledger.membership;
  const advertisement: Advertisement = {
    network,
    node: idOf(label),
    sequence: 1,
    issuedAt: nowS - 10,
    expiresAt: nowS - 10 + advertisementLifetimeS,
    tunnelKey: tunnelOf(label).publicKey,
    endpoints: [v.parse(Endpoint, "192.0.2.7:51820")],
    routes: [],
    exit: "none",
    head: { epoch: state.epoch, root },
    os: "linux/x64",
    software: "0.1.0",
    ...changes,
  };
  const envelope = sealEnvelope(advertisementType, advertisement, [signerOf(label)]);
  return { envelope, advertisement };
}

/** A map for this node with the whole log and these advertisements, as it goes over the stream. */
export function mapText(
  ledger: Ledger,
  audience: string,
  advertisers: readonly string[],
  changes: Partial<MapPayload> = {},
  by: readonly string[] = ["control"],
): string {
  const { state, root } = ledger.membership;
  const map: MapPayload = {
    network,
    audience: idOf(audience),
    generation: 1,
    signedAt: nowS,
    since: { epoch: 0, generation: 0 },
    head: { epoch: state.epoch, root },
    entries: [...ledger.entries],
    advertisements: advertisers.map((label) => advertisementBy(label, ledger)),
    presence: [],
    ...changes,
  };
  return JSON.stringify(sealEnvelope(mapType, map, by.map(signerOf)));
}
