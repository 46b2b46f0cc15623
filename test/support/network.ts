/** network makes the control server's view of a network in memory, from a ledger and advertisements. */
import { Network, itemOf } from "../../src/control/network.ts";
import { sealEnvelope } from "../../src/crypto/envelope.ts";
import {
  type Advertisement,
  advertisementLifetimeS,
  advertisementType,
} from "../../src/wire/advertisement.ts";
import type { Operation } from "../../src/membership/update.ts";
import { idOf, Ledger, nowS, signerOf, tunnelOf } from "./world.ts";

/** A ledger whose entries and advertisements a network takes over as they are made. */
export class LiveNetwork {
  readonly ledger: Ledger;
  readonly network: Network;
  #sequence = 0;

  constructor(ledger: Ledger = new Ledger()) {
    this.ledger = ledger;
    const [founded] = ledger.history;
    if (founded === undefined) throw new Error("a ledger has a beginning");
    this.network = new Network(ledger.genesis, founded);
    for (let epoch = 1; epoch <= ledger.entries.length; epoch++) this.#adopt(epoch);
  }

  admit(label: string, owner = "alice", changes: Parameters<Ledger["admit"]>[1] = {}): this {
    this.ledger.admit(label, { owner, ...changes });
    this.#adopt(this.ledger.entries.length);
    return this;
  }

  revoke(label: string): this {
    return this.decide({ kind: "revoke_node", node: idOf(label) });
  }

  decide(operation: Operation): this {
    this.ledger.decide(operation);
    this.#adopt(this.ledger.entries.length);
    return this;
  }

  advertise(label: string, changes: Partial<Advertisement> = {}): this {
    this.#sequence += 1;
    const advertisement: Advertisement = {
      network: this.network.state.network,
      node: idOf(label),
      sequence: this.#sequence,
      issuedAt: nowS,
      expiresAt: nowS + advertisementLifetimeS,
      tunnelKey: tunnelOf(label).publicKey,
      endpoints: [],
      routes: [],
      exit: "none",
      head: this.network.head,
      os: "linux/x64",
      software: "test",
      ...changes,
    };
    const envelope = sealEnvelope(advertisementType, advertisement, [signerOf(label)]);
    const { node, sequence, tunnelKey, expiresAt } = advertisement;
    const generation = this.network.generation + 1;
    const row = { node, sequence, tunnelKey, expiresAt, generation, envelope };
    this.network.adoptAdvertisement(itemOf(row));
    return this;
  }

  #adopt(epoch: number): void {
    const membership = this.ledger.history[epoch];
    const entry = this.ledger.entries[epoch - 1];
    if (membership === undefined || entry === undefined) throw new Error("no such epoch");
    this.network.adoptEntry(membership, entry, this.network.generation + 1);
  }
}
