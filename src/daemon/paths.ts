/** paths holds how to reach each peer, from one look at the host to the next. */
import * as path from "../dataplane/path.ts";
import type { NodeId } from "../model/ids.ts";
import type { Cidr, Endpoint } from "../model/ip.ts";
import type { UnixS } from "../model/time.ts";
import type { TunnelState } from "../model/tunnel.ts";
import type { Advertisement } from "../wire/advertisement.ts";

/** What is known of the host and of the time when paths are chosen. */
export type Ground = {
  readonly tunnel: TunnelState | null;
  /** The networks that this host is on. */
  readonly near: readonly Cidr[];
  readonly overlay: readonly Cidr[];
  readonly nowS: UnixS;
  readonly nowMs: number;
};

/** Where to send first. */
export type Endpoints = ReadonlyMap<NodeId, Endpoint>;

export class Paths {
  #byNode = new Map<NodeId, path.Path>();
  #awaited = new Set<NodeId>();
  #wakeAtMs = Number.POSITIVE_INFINITY;

  /** Those who are to make the first move. */
  get awaited(): ReadonlySet<NodeId> {
    return this.#awaited;
  }

  /** When the first of the paths wants to be looked at again; infinite if none does. */
  get wakeAtMs(): number {
    return this.#wakeAtMs;
  }

  /** The next state of the path to each peer; those to anybody else are forgotten. */
  chooseAll(peers: readonly Advertisement[], ground: Ground): Endpoints {
    const before = this.#byNode;
    this.clear();
    return this.#choose(peers, before, ground);
  }

  /** The same for some peers alone: the others go on as they are. */
  chooseSome(peers: readonly Advertisement[], ground: Ground): Endpoints {
    return this.#choose(peers, this.#byNode, ground);
  }

  clear(): void {
    this.#byNode = new Map();
    this.#awaited = new Set();
    this.#wakeAtMs = Number.POSITIVE_INFINITY;
  }

  /** Returns where to send first to those whose endpoint is not the tunnel's own choice. */
  #choose(
    peers: readonly Advertisement[],
    before: ReadonlyMap<NodeId, path.Path>,
    ground: Ground,
  ): Endpoints {
    const { tunnel, nowMs } = ground;
    const chosen = new Map<NodeId, Endpoint>();
    for (const peer of peers) {
      const { node, tunnelKey } = peer;
      const next = transition(before.get(node) ?? path.unknownPath, peer, ground);
      this.#byNode.set(node, next);
      const yields = tunnel !== null && tunnelKey < tunnel.key;
      if (path.holdsBack(next, yields, nowMs)) this.#awaited.add(node);
      else this.#awaited.delete(node);
      this.#wakeAtMs = Math.min(this.#wakeAtMs, path.wakeAtMs(next, nowMs) ?? this.#wakeAtMs);
      const endpoint = path.wantedEndpoint(next);
      if (endpoint !== null) chosen.set(node, endpoint);
    }
    return chosen;
  }
}

function transition(
  from: path.Path,
  { tunnelKey, endpoints }: Advertisement,
  { tunnel, near, overlay, nowS, nowMs }: Ground,
): path.Path {
  const found = tunnel?.peers.get(tunnelKey);
  return path.transition(from, {
    candidates: path.rankCandidates(endpoints, near, overlay),
    endpoint: found?.endpoint ?? null,
    handshakeAgeS: found?.lastHandshakeS ? nowS - found.lastHandshakeS : null,
    nowMs,
  });
}
