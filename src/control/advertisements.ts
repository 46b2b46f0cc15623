/** advertisements takes in what nodes say of themselves: each speaks for itself, and only forwards. */
import { unreachable } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import type { UnixS } from "../model/time.ts";
import { growGeneration, putAdvertisement } from "../store/control-store-network.ts";
import {
  type Advertisement,
  type AdvertisementRejection,
  openAdvertisement,
} from "../wire/advertisement.ts";
import type { Input, Output } from "../wire/control-api.ts";
import type { Control, Member } from "./control.ts";
import { type AdvertisedItem, itemOf, type Network, textOfEnvelope } from "./network.ts";

/** Saying the same thing again is fine and changes nothing. */
export function advertise(
  control: Control,
  input: Input<"advertise">,
  caller: Member,
): Promise<Output<"advertise">> {
  const { network, store, clock } = control;
  return store.transact(async (transaction) => {
    const opened = openAdvertisement(input.envelope, network.state, clock.nowS());
    if (!opened.ok) throw refusalOf(opened.error);
    const { advertisement, node } = opened.value;
    if (node.id !== caller.node.id)
      throw new Fault("permission_denied", "a node advertises itself and nobody else");
    const before = network.advertised(node.id);
    if (before?.text === textOfEnvelope(input.envelope)) return { generation: before.generation };
    refuseConflict(network, advertisement, before, clock.nowS());
    const { sequence, tunnelKey, expiresAt } = advertisement;
    const row = { node: node.id, sequence, tunnelKey, expiresAt, envelope: input.envelope };
    const item = { ...row, generation: await growGeneration(transaction) };
    await putAdvertisement(transaction, item);
    transaction.afterCommit(() => network.adoptAdvertisement(itemOf(item)));
    return { generation: item.generation };
  });
}

function refuseConflict(
  network: Network,
  { node, sequence, tunnelKey, expiresAt }: Advertisement,
  before: AdvertisedItem | undefined,
  now: UnixS,
): void {
  if (expiresAt <= now) {
    throw new Fault("clock_skew", "the advertisement has run out already", {
      remedy: "set the clock, for example by enabling systemd-timesyncd",
    });
  }
  if (before !== undefined && sequence <= before.sequence) {
    throw new Fault("replayed", `the node has advertised sequence ${before.sequence} already`, {
      remedy: `advertise with a sequence above ${before.sequence}`,
    });
  }
  const holder = network.nodeWithTunnelKey(tunnelKey);
  if (holder !== undefined && holder !== node) {
    throw new Fault("already_exists", "another node uses this tunnel key", {
      remedy: "make a new tunnel key: rustynet logout --local, then join again",
    });
  }
}

function refusalOf(rejection: AdvertisementRejection): Fault {
  const message = `the advertisement is refused: ${rejection.code}`;
  switch (rejection.code) {
    case "envelope_refused":
    case "not_signed_by_node":
      return new Fault("signature_invalid", message);
    case "payload_unknown":
    case "lifetime_invalid":
    case "tunnel_key_refused":
      return new Fault("request_malformed", message);
    case "network_mismatch":
      return new Fault("network_mismatch", message);
    case "not_yet_valid":
      return new Fault("clock_skew", message, { remedy: "set the clock of the node" });
    case "advertiser_unknown":
      return new Fault("permission_denied", message);
    case "advertiser_not_active":
      return new Fault("revoked", message);
    default:
      return unreachable(rejection);
  }
}
