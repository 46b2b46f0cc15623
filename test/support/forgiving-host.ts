/**
 * forgiving-host takes a step as the kernel does: by the name of what it changes, whatever the step says
 * to have found there. The strict fake refuses a plan from false memories; this one carries it out.
 */
import type { Step } from "../../src/dataplane/step.ts";
import type { Peer, PrefixOwners, TunnelState } from "../../src/model/tunnel.ts";
import { FakeHost, type Kernel } from "./fake-host.ts";

export class ForgivingHost extends FakeHost {
  override async perform(step: Step): Promise<void> {
    for (const part of asFound(this.kernel, step)) await super.perform(part);
  }
}

/** What the step comes to on this host, in words that the strict fake accepts. */
function asFound({ device, filter }: Kernel, step: Step): readonly Step[] {
  const peers: TunnelState["peers"] = device?.peers ?? new Map();
  const owners: PrefixOwners = device?.owners ?? new Map();
  if (step.kind === "add_peer") return configure(peers.get(step.peer.key), step.peer);
  if (step.kind === "change_peer") return configure(peers.get(step.to.key), step.to);
  if (step.kind === "remove_peer") return remove(peers.get(step.peer.key), owners);
  if (step.kind === "move_prefix") {
    const from = owners.get(step.cidr) ?? null;
    return from === step.to ? [] : [{ ...step, from }];
  }
  if (filter.kind !== "loaded") return [step];
  if (step.kind === "set_lease") return [{ ...step, fromMs: filter.leaseMs }];
  if (step.kind !== "change_sources") return [step];
  const { sources } = filter.filter;
  const [add, gone] = [step.add.difference(sources), step.remove.intersection(sources)];
  return [{ ...step, add, remove: gone }];
}

function configure(found: Peer | undefined, to: Peer): readonly Step[] {
  if (found === undefined) return [{ kind: "add_peer", peer: to }];
  return [{ kind: "change_peer", from: settingsOf(found), to }];
}

/** A peer's prefixes go with it. */
function remove(found: Peer | undefined, owners: PrefixOwners): readonly Step[] {
  if (found === undefined) return [];
  const { key } = found;
  const own = [...owners].filter(([, owner]) => owner === key);
  const freed = own.map(([cidr]): Step => ({ kind: "move_prefix", cidr, from: key, to: null }));
  return [...freed, { kind: "remove_peer", peer: settingsOf(found) }];
}

const settingsOf = ({ key, endpoint, keepaliveS }: Peer): Peer => ({ key, endpoint, keepaliveS });
