/**
 * joining brings a host into a network: at once where the control server may admit it, and else by
 * asking again until the approvers have decided. Its place in the queue outlives the process.
 */
import { Fault, type FaultCode } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import type { SigningSecret } from "../crypto/ed25519.ts";
import type { Custody } from "../crypto/key-file.ts";
import { fingerprintOf } from "../crypto/fingerprint.ts";
import type { NodeName } from "../model/names.ts";
import type { UnixS } from "../model/time.ts";
import { wordApprovals } from "../wire/approvals-text.ts";
import type { Approvals, EnrollmentOutput } from "../wire/enrollment.ts";
import type { Finding, JoinReport } from "../wire/local-api.ts";
import type { VoucherToken } from "../wire/voucher-token.ts";
import { findingOf } from "./failure.ts";
import { ask, type JoinParts, keepAdmission } from "./join.ts";
import type { Enrollment, KeptRequest, NodeKeys } from "./node-state.ts";
import { redeem } from "./redeem.ts";

export type JoiningParts = JoinParts & {
  readonly custody: Custody;
  readonly log: Log;
  readonly inTurn: <T>(act: () => Promise<T>) => Promise<T>;
  /** In the node's turn, once what proves it is on disk. */
  readonly onAdmitted: (enrollment: Enrollment) => Promise<void>;
};

/** What a server that proved itself says for good. Whoever stands in between cannot say it. */
const verdicts: ReadonlySet<FaultCode> = new Set([
  "credential_invalid",
  "permission_denied",
  "revoked",
]);

/** How long to wait before asking again: soon at first, while somebody may be watching. */
const pauseFirstMs = 1_000;
const pauseMaxMs = 30_000;

export class Joining {
  readonly #parts: JoiningParts;
  #identity: SigningSecret | null = null;
  #request: KeptRequest | null = null;
  #approvals: Approvals | null = null;
  /** Why the last attempt to ask found nothing out. */
  #problem: Finding | null = null;
  /** Why there is no request any more. */
  #verdict: Finding | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #attempt = 0;

  constructor(parts: JoiningParts) {
    this.#parts = parts;
  }

  get verdict(): Finding | null {
    return this.#verdict;
  }

  /** What is asked for and how far it is; null when nothing is. */
  report(now: UnixS): JoinReport | null {
    if (this.#request === null || this.#identity === null) return null;
    const { card, name, askedAt, wanted } = this.#request;
    const approvals = this.#approvals;
    return {
      url: card.url,
      network: card.network,
      name,
      fingerprint: fingerprintOf(this.#identity.publicKey),
      askedAt,
      wanted,
      approvals,
      words: approvals === null ? null : wordApprovals(approvals, now),
      problem: this.#problem,
    };
  }

  /** Takes up a request that an earlier run of the daemon made. */
  resume({ identity }: NodeKeys): void {
    this.#request = this.#parts.state.readRequest(this.#parts.custody);
    this.#identity = identity;
    if (this.#request?.wanted === "up") this.#askLater(0);
  }

  /** By a voucher: nobody has to decide, so there is nothing to wait for. */
  async redeem({ identity }: NodeKeys, token: VoucherToken, name: NodeName): Promise<Enrollment> {
    try {
      const enrollment = await redeem(this.#parts, identity, token, name);
      this.forget();
      return enrollment;
    } finally {
      token.key.seed.wipe();
    }
  }

  /** Asks with a request that is new. Nothing of it is kept unless it has to wait for people. */
  async begin(keys: NodeKeys, request: KeptRequest): Promise<Enrollment | null> {
    try {
      return await this.#begin(keys, request);
    } finally {
      if (this.#request !== request) request.secret.wipe();
    }
  }

  async #begin({ identity }: NodeKeys, request: KeptRequest): Promise<Enrollment | null> {
    const answer = await ask(this.#parts, identity, request);
    if (answer.status === "admitted") return this.#keep(identity, request, answer);
    // Only now: a server that lies is not to cost the place that an earlier request has.
    this.forget();
    this.#identity = identity;
    this.#parts.state.writeRequest(request, this.#parts.custody);
    this.#request = request;
    this.#note(answer.approvals);
    return null;
  }

  /** Goes on with what was asked before. Throws `usage` when nothing was. */
  async goOn(): Promise<Enrollment | null> {
    const [request, identity] = [this.#request, this.#identity];
    if (request === null || identity === null)
      throw new Fault("usage", "this host belongs to no network yet", {
        remedy: "rustynet up TOKEN, with a token from: rustynet credential create",
      });
    this.stop();
    this.#want(request, "up");
    const answer = await ask(this.#parts, identity, request).catch(faultOnly);
    if (!(answer instanceof Fault)) return this.#take(identity, request, answer);
    this.#onRefusal(answer);
    if (this.#request === null) throw answer;
    return null;
  }

  /** Asks no more until somebody wants it again. The place in the queue stays. */
  pause(): void {
    this.stop();
    if (this.#request !== null) this.#want(this.#request, "down");
  }

  /** As if nothing had been asked. Nobody is told. */
  forget(): void {
    this.stop();
    this.#request?.secret.wipe();
    this.#request = null;
    this.#verdict = null;
    this.#approvals = null;
    this.#problem = null;
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #want(request: KeptRequest, wanted: KeptRequest["wanted"]): void {
    if (request.wanted === wanted) return;
    const next = { ...request, wanted };
    this.#parts.state.updateRequest(next);
    this.#request = next;
  }

  #askLater(attempt: number): void {
    this.#attempt = attempt;
    const wholeMs = Math.min(pauseFirstMs * 2 ** Math.min(attempt, 30), pauseMaxMs);
    const waitMs = attempt === 0 ? 0 : wholeMs / 2 + (Math.random() * wholeMs) / 2;
    this.#timer = setTimeout(() => void this.#askAgain(), waitMs);
  }

  /** In nobody's turn while it waits: a server that is slow to answer is not to hold up `down`. */
  async #askAgain(): Promise<void> {
    const [request, identity, timer] = [this.#request, this.#identity, this.#timer];
    if (request === null || identity === null) return;
    const answer = await ask(this.#parts, identity, request).catch(faultOnly);
    await this.#parts.inTurn(async () => {
      // Somebody asked for something else meanwhile, or for nothing any more.
      if (this.#request !== request || this.#timer !== timer) return;
      try {
        if (answer instanceof Fault) return this.#onRefusal(answer);
        const enrollment = this.#take(identity, request, answer);
        if (enrollment !== null) await this.#parts.onAdmitted(enrollment);
      } catch (error) {
        // Nobody called who could be told; `status` shows what it led to.
        const { code, message } = findingOf(error);
        this.#parts.log.error("not_settled", { code, why: message });
      }
    });
  }

  /** That this host cannot keep or believe an answer is no word of the server's, and ends nothing. */
  #take(
    identity: SigningSecret,
    request: KeptRequest,
    answer: EnrollmentOutput,
  ): Enrollment | null {
    try {
      if (answer.status === "admitted") return this.#keep(identity, request, answer);
      this.#note(answer.approvals);
    } catch (error) {
      this.#onTrouble(findingOf(error));
    }
    return null;
  }

  #keep(
    identity: SigningSecret,
    { card }: KeptRequest,
    answer: Extract<EnrollmentOutput, { status: "admitted" }>,
  ): Enrollment {
    const enrollment = keepAdmission(this.#parts, identity.publicKey, card, answer);
    this.forget();
    return enrollment;
  }

  #note(approvals: Approvals): void {
    const isNews = approvals.signed.length !== this.#approvals?.signed.length;
    this.#approvals = approvals;
    this.#problem = null;
    if (isNews) this.#parts.log.notice("waiting", { for: wordApprovals(approvals, this.#nowS()) });
    // Who has seen one of them sign looks out for the next.
    this.#askLater(isNews ? 1 : this.#attempt + 1);
  }

  #onRefusal(refusal: Fault): void {
    const finding = findingOf(refusal);
    if (!verdicts.has(refusal.code)) return this.#onTrouble(finding);
    this.#parts.log.notice("turned_down", { code: finding.code, why: finding.message });
    this.forget();
    this.#verdict = finding;
    this.#parts.state.removeRequest();
  }

  #onTrouble(finding: Finding): void {
    this.#parts.log.notice("not_asked", { code: finding.code, why: finding.message });
    this.#problem = finding;
    this.#askLater(this.#attempt + 1);
  }

  #nowS(): UnixS {
    return this.#parts.clock.nowS();
  }
}

/** As a value. Rethrows what is no fault: that is a bug, and nobody's to handle. */
function faultOnly(error: unknown): Fault {
  if (error instanceof Fault) return error;
  throw error;
}
