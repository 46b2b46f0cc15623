/** founding makes a new network: its genesis statement, signed, and a database that begins with it. */
import * as v from "valibot";
import { assert } from "../base/assert.ts";
import { encodeHex } from "../base/bytes.ts";
import type { Random, SigningSecret } from "../crypto/ed25519.ts";
import { sealEnvelope } from "../crypto/envelope.ts";
import { ipv6RangeOf } from "../membership/addresses.ts";
import { found, type Membership } from "../membership/membership.ts";
import { Genesis, genesisState, rootOf } from "../membership/state.ts";
import { genesisType } from "../membership/update.ts";
import { NetworkId } from "../model/ids.ts";
import type { Cidr } from "../model/ip.ts";
import type { SigningKey } from "../model/keys.ts";
import type { ApproverName } from "../model/names.ts";
import type { UnixS } from "../model/time.ts";
import { insertAudit } from "../store/control-store-audit.ts";
import { insertEntry } from "../store/control-store-network.ts";
import { createControlStore } from "../store/control-store.ts";

export type Founding = {
  readonly ipv4Range: Cidr;
  readonly approverName: ApproverName;
  readonly approver: SigningSecret;
  readonly control: SigningKey;
};

/** Writes a new database at `path`, which must not be there. */
export async function foundNetwork(
  path: string,
  founding: Founding,
  now: UnixS,
  random: Random,
): Promise<Membership> {
  const { approver, approverName, control, ipv4Range } = founding;
  const network = v.parse(NetworkId, encodeHex(random(16)));
  const genesis = v.parse(Genesis, {
    version: 1,
    network,
    ranges: { ipv4: ipv4Range, ipv6: ipv6RangeOf(network) },
    threshold: 1,
    approvers: [{ key: approver.publicKey, name: approverName, role: "owner", status: "active" }],
    control: [control],
    relays: [],
    policy: { kind: "same_owner" },
  });
  const envelope = sealEnvelope(genesisType, genesis, [approver]);
  const root = rootOf(genesisState(genesis));
  const founded = found(envelope, root);
  assert(founded.ok, "our own genesis statement is valid");
  const store = createControlStore(path);
  try {
    await store.transact(async (transaction) => {
      await insertEntry(transaction, { epoch: 0, root, acceptedAt: now, envelope });
      const event = { at: now, actor: "control init", event: "network_founded", subject: network };
      await insertAudit(transaction, { ...event, detail: JSON.stringify({ root }) });
    });
  } finally {
    await store.close();
  }
  return founded.value;
}
