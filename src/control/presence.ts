/** presence remembers who is connected, who was, and what has changed since it was last told. */
import type { NodeId } from "../model/ids.ts";
import type { UnixS } from "../model/time.ts";
import type { Presence } from "../wire/map.ts";

export class PresenceBook {
  readonly #known = new Map<NodeId, Presence>();
  #changed = new Map<NodeId, Presence>();

  /** A state that a node is in already changes nothing. */
  set(node: NodeId, state: Presence["state"], since: UnixS): void {
    if (this.#known.get(node)?.state === state) return;
    const presence = { node, state, since };
    this.#known.set(node, presence);
    this.#changed.set(node, presence);
  }

  get(node: NodeId): Presence | undefined {
    return this.#known.get(node);
  }

  all(): Iterable<Presence> {
    return this.#known.values();
  }

  get hasChanges(): boolean {
    return this.#changed.size > 0;
  }

  /** What has changed since this was last asked. */
  takeChanges(): readonly Presence[] {
    const changes = [...this.#changed.values()];
    this.#changed = new Map();
    return changes;
  }
}
