/**
 * approver-desk is an approver in a test: a key on a machine of its own, which believes of the control
 * server only what it has verified from the genesis root on.
 */
import * as v from "valibot";
import { encodeHex } from "../../src/base/bytes.ts";
import { keygen, type SigningSecret } from "../../src/crypto/ed25519.ts";
import { addSignature, type Envelope, sealEnvelope } from "../../src/crypto/envelope.ts";
import type { Membership } from "../../src/membership/membership.ts";
import { openProposal } from "../../src/membership/proposal.ts";
import { propose } from "../../src/membership/propose.ts";
import { type Operation, updateType } from "../../src/membership/update.ts";
import { UpdateId } from "../../src/model/ids.ts";
import { ApproverName } from "../../src/model/names.ts";
import type { Outcome } from "../../src/wire/control-api.ts";
import { type OpenedDossier, openDossier } from "../../src/wire/dossier.ts";
import { type Harness, random, TestNode } from "./control-harness.ts";

export class Desk {
  readonly harness: Harness;
  readonly name: ApproverName;
  readonly key: SigningSecret;

  constructor(harness: Harness, name: string, key: SigningSecret = keygen(random)) {
    this.harness = harness;
    this.name = v.parse(ApproverName, name);
    this.key = key;
  }

  /** Everything there is to decide, verified. */
  async read(): Promise<OpenedDossier> {
    const { genesisRoot, clock } = this.harness;
    if (genesisRoot === undefined) throw new Error("no network was founded");
    const dossier = await this.harness.operate("membershipShow", {});
    const opened = openDossier(dossier, genesisRoot, clock.nowS());
    if (!opened.ok) throw new Error(JSON.stringify(opened.error));
    return opened.value;
  }

  /** An update that follows the log, or what `after` leads to, with this approver's signature. */
  async propose(operation: Operation, lifetimeS = 3_600, after?: Membership): Promise<Envelope> {
    const membership = after ?? (await this.read()).membership;
    return proposeAs([this.key], membership, operation, this.harness.clock.nowS(), lifetimeS);
  }

  sign(envelope: Envelope): Envelope {
    return addSignature(envelope, this.key);
  }

  /** Says no to a proposal, over the network and with this approver's key. */
  async reject(id: UpdateId, reason: string): Promise<readonly Outcome[]> {
    const channel = new TestNode(this.harness, this.key).channel();
    return (await channel.call("proposalReject", { id, reason })).outcomes;
  }

  async submit(...envelopes: readonly Envelope[]): Promise<readonly Outcome[]> {
    const { outcomes } = await this.harness.operate("proposalSubmit", {
      envelopes: [...envelopes],
    });
    return outcomes;
  }
}

export function proposeAs(
  signers: readonly SigningSecret[],
  membership: Membership,
  operation: Operation,
  createdAt: number,
  lifetimeS = 3_600,
): Envelope {
  const id = v.parse(UpdateId, encodeHex(random(16)));
  const proposed = propose(membership, operation, { id, createdAt, lifetimeS });
  if (!proposed.ok) throw new Error(JSON.stringify(proposed.error));
  return sealEnvelope(updateType, proposed.value, signers);
}

/** Where an update would lead, signed by enough or not. */
export function leadingOn(membership: Membership, envelope: Envelope, nowS: number): Membership {
  const opened = openProposal(membership, envelope, nowS);
  if (!opened.ok) throw new Error(JSON.stringify(opened.error));
  return opened.value.leadsTo;
}

/** From the one approver that a network begins with to two of three: `owner`, `alice`, `bob`. */
export async function protect(
  harness: Harness,
): Promise<{ readonly owner: Desk; readonly alice: Desk; readonly bob: Desk }> {
  const owner = new Desk(harness, "owner", harness.approver);
  const [alice, bob] = [new Desk(harness, "alice"), new Desk(harness, "bob")];
  for (const [desk, role] of [
    [alice, "owner"],
    [bob, "guardian"],
  ] as const) {
    const approver = { key: desk.key.publicKey, name: desk.name, role };
    await owner.submit(desk.sign(await owner.propose({ kind: "add_approver", approver })));
  }
  const raised = await owner.propose({ kind: "set_threshold", threshold: 2 });
  await owner.submit(alice.sign(raised));
  return { owner, alice, bob };
}
