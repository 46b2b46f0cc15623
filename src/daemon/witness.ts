/**
 * witness watches what becomes of maps: it keeps the audit trail, and when a map was refused it looks
 * whether the map proves that a quorum has signed two changes of one state.
 */
import * as v from "valibot";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import { Envelope } from "../crypto/envelope.ts";
import type { Membership } from "../membership/membership.ts";
import type { UpdateId } from "../model/ids.ts";
import { compareHeads } from "../trust/heads.ts";
import type { Received, View } from "../trust/view.ts";
import type { Advertised } from "../wire/advertisement.ts";
import { Audit } from "./audit.ts";
import type { MapRefusal } from "./belief.ts";
import { type Conflict, findConflict } from "./evidence.ts";
import { findingsOfHeads, wordConflict } from "./log-findings.ts";
import { findingOfMap } from "./map-refusal.ts";
import type { Enrollment, NodeState } from "./node-state.ts";

/** To look costs a replay of the log since the last checkpoint: whoever sends maps does not choose how often. */
const lookPauseMs = 60_000;
/** In a log that is not ours either of these shows first. */
const forkCodes: ReadonlySet<MapRefusal["code"]> = new Set([
  "log_forked",
  "log_behind",
  "entry_refused",
]);

export type WitnessParts = {
  readonly state: NodeState;
  readonly clock: Clock;
  readonly log: Log;
};

export class Witness {
  readonly #parts: WitnessParts;
  readonly #audit: Audit;
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(parts: WitnessParts) {
    this.#parts = parts;
    this.#audit = new Audit(parts.state.audit, parts.log);
  }

  get conflicts(): readonly Conflict[] {
    return this.#parts.state.evidence.conflicts;
  }

  joined(membership: Membership): void {
    this.#audit.joined(membership, this.#nowS());
  }

  taken(before: View, { view, entries }: Received): void {
    this.#audit.applied(before.membership, entries, this.#nowS());
    const heads = compareHeads(view, fresh(before, view));
    for (const finding of findingsOfHeads(view, heads))
      this.#audit.found(finding, view.membership, this.#nowS());
  }

  refused(enrollment: Enrollment, view: View, text: string, refusal: MapRefusal): void {
    const { code, message } = findingOfMap(refusal);
    const inner = refusal.code === "entry_refused" ? refusal.why.code : refusal.code;
    this.#audit.refused(`${code}:${inner}`, message.slice(0, 1_000), view.membership, this.#nowS());
    if (forkCodes.has(refusal.code)) this.#look(enrollment, view, text);
  }

  /** Throws `not_found`. The evidence stays. */
  resolve(id: UpdateId, view: View): Conflict {
    const conflict = this.#parts.state.evidence.resolve(id);
    const words = wordConflict(view.membership.state, conflict);
    this.#audit.resolved(words, view.membership, this.#nowS());
    return conflict;
  }

  #look(enrollment: Enrollment, view: View, text: string): void {
    const { state, clock, log } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lookedMs < lookPauseMs) return;
    this.#lookedMs = nowMs;
    const envelope = v.safeParse(v.pipe(v.string(), v.parseJson(), Envelope), text);
    if (!envelope.success) return;
    try {
      const found = findConflict(envelope.output, state.steps(enrollment), this.#nowS());
      if (found === null) return;
      const conflict: Conflict = { ...found, foundAt: this.#nowS(), state: "open" };
      if (!state.evidence.add(conflict)) return;
      const message = wordConflict(view.membership.state, conflict);
      log.error("log_conflict", { id: conflict.id, epoch: conflict.epoch });
      this.#audit.found({ code: "log_conflict", message }, view.membership, this.#nowS());
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      log.error("evidence_not_kept", { code: error.code, why: error.message });
    }
  }

  #nowS(): number {
    return this.#parts.clock.nowS();
  }
}

function* fresh(before: View, after: View): Generator<Advertised> {
  for (const change of before.advertisements.changesTo(after.advertisements))
    if (change.after !== undefined) yield change.after;
}
