/** audit words what this node has seen of the membership, for people who look into it later. */
import { Fault } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import { describeOperation } from "../membership/describe.ts";
import { advance, type Membership, openUpdate } from "../membership/membership.ts";
import type { State } from "../membership/state.ts";
import type { LogEntry } from "../membership/update.ts";
import type { SigningKey } from "../model/keys.ts";
import type { UnixS } from "../model/time.ts";
import type { Finding, NodeAuditRecord } from "../wire/local-api.ts";
import type { AuditFile } from "./audit-file.ts";

const keyDigits = 16;

export class Audit {
  readonly #file: AuditFile;
  readonly #log: Log;

  constructor(file: AuditFile, log: Log) {
    this.#file = file;
    this.#log = log;
  }

  /** Entries that were verified, upon the state that the first of them follows. */
  applied({ state: before }: Membership, entries: readonly LogEntry[], at: UnixS): void {
    let state = before;
    for (const { envelope } of entries) {
      const opened = openUpdate(envelope);
      const next = opened.ok ? advance(state, opened.value.update.operation) : opened;
      if (!opened.ok || !next.ok) return;
      const { update, signers } = opened.value;
      this.#write({
        ...{ at, event: "applied", epoch: update.epoch, code: update.operation.kind, times: 1 },
        words: [...describeOperation(state, update.operation)],
        by: namesOf(state, signers),
      });
      ({ state } = next.value);
    }
  }

  joined({ state }: Membership, at: UnixS): void {
    this.#note("joined", "joined", state.epoch, ["this host joined, and verified the log"], at);
  }

  /** A map, or what was in it. */
  refused(code: string, words: string, { state }: Membership, at: UnixS): void {
    this.#note("refused", code, state.epoch, [words], at);
  }

  found({ code, message }: Finding, { state }: Membership, at: UnixS): void {
    this.#note("refused", code, state.epoch, [message], at);
  }

  resolved(words: string, { state }: Membership, at: UnixS): void {
    this.#note("resolved", "log_conflict", state.epoch, [words], at);
  }

  #note(
    event: NodeAuditRecord["event"],
    code: string,
    epoch: number,
    words: string[],
    at: UnixS,
  ): void {
    this.#write({ at, event, epoch, code, words, by: [], times: 1 });
  }

  /** A trail that cannot be written is no reason to distrust what was verified. */
  #write(record: NodeAuditRecord): void {
    try {
      this.#file.write(record);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#file.close();
      this.#log.error("audit_not_written", { code: error.code, why: error.message });
    }
  }
}

/** By the state before: approvers, the node itself, or a voucher. */
function namesOf({ approvers, nodeByKey, nodes }: State, signers: ReadonlySet<SigningKey>) {
  return [...signers].map((key) => {
    const approver = approvers.find((each) => each.key === key);
    const node = nodes.get(nodeByKey.get(key) ?? "");
    return approver?.name ?? node?.name ?? `key ${key.slice(0, keyDigits)}`;
  });
}
