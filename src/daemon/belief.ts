/**
 * belief keeps what the node believes, in memory and on disk, and for how long. A map becomes part of
 * it only once it is verified and durable.
 */
import * as v from "valibot";
import type { Clock } from "../base/clock.ts";
import { err, type Result } from "../base/result.ts";
import { Envelope } from "../crypto/envelope.ts";
import { skewMaxS } from "../model/time.ts";
import { type MapRejection, type Received, receiveMap, type View } from "../trust/view.ts";
import { mapTextMaxLength } from "../wire/map.ts";
import type { Enrollment, NodeState } from "./node-state.ts";

export type MapRefusal = MapRejection | { readonly code: "not_an_envelope" };

export class Belief {
  readonly #state: NodeState;
  readonly #clock: Clock;
  readonly #holdMs: number;
  #enrollment: Enrollment | null = null;
  #view: View | null = null;
  #heldUntilMs = 0;

  /** `holdMs`: how long a verified map stays in force without a newer one. */
  constructor(state: NodeState, clock: Clock, holdMs: number) {
    this.#state = state;
    this.#clock = clock;
    this.#holdMs = holdMs;
  }

  get view(): View | null {
    return this.#view;
  }

  /** Takes up what was believed before. Throws when the disk does not hold it whole. */
  open(enrollment: Enrollment): View {
    this.#enrollment = enrollment;
    this.#view = this.#state.readView(enrollment);
    this.#hold(this.#view.signedAt);
    return this.#view;
  }

  /**
   * Believes one map more, or says why not; then nothing has changed. Throws when the disk does not
   * take it: then what it does hold is believed, and nothing is in force if the log went on without us.
   */
  receive(text: string): Result<Received, MapRefusal> {
    if (text.length > mapTextMaxLength) return err({ code: "not_an_envelope" });
    const envelope = v.safeParse(Envelope, parseJson(text));
    if (this.#view === null || !envelope.success) return err({ code: "not_an_envelope" });
    const received = receiveMap(this.#view, envelope.output, this.#clock.nowS());
    if (!received.ok) return received;
    try {
      this.#state.writeView(received.value.view, received.value.entries);
    } catch (error) {
      this.#readBack(received.value.view);
      throw error;
    }
    this.#view = received.value.view;
    this.#hold(this.#view.signedAt);
    return received;
  }

  /** Milliseconds for which the view is still in force; 0 when it is not, or never was. */
  leaseMs(): number {
    return Math.max(0, Math.round(this.#heldUntilMs - this.#clock.monotonicMs()));
  }

  forget(): void {
    this.#enrollment = null;
    this.#view = null;
    this.#heldUntilMs = 0;
  }

  /** Only the disk knows how much of an unfinished write it holds. */
  #readBack(lost: View): void {
    const [enrollment, heldUntilMs] = [this.#enrollment, this.#heldUntilMs];
    this.#view = null;
    if (enrollment === null) return;
    const { membership } = this.open(enrollment);
    // Somebody may have been expelled since: what is known to be outdated is not to be acted upon.
    const isOutdated = membership.root !== lost.membership.root;
    this.#heldUntilMs = isOutdated ? 0 : Math.min(heldUntilMs, this.#heldUntilMs);
  }

  /** Counts on the monotonic clock from here on: setting the wall clock back buys no time. */
  #hold(signedAt: number): void {
    const ageS = this.#clock.nowS() - signedAt;
    const isKnown = signedAt > 0 && ageS >= -skewMaxS;
    const restMs = isKnown ? this.#holdMs - Math.max(0, ageS) * 1_000 : 0;
    this.#heldUntilMs = this.#clock.monotonicMs() + restMs;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
