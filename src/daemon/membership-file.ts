/**
 * membership-file keeps the log that a node believes: the last checkpoint's state with its proof, and
 * the entries after it. A newer checkpoint takes its place, and the log begins anew behind that one
 * (protocol.md section 8).
 */
import { join } from "node:path";
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import { decodeCanonical, encodeCanonical } from "../crypto/canonical.ts";
import { explain } from "../membership/explain.ts";
import { append, type Membership, openUpdate } from "../membership/membership.ts";
import type { Rejection } from "../membership/rejection.ts";
import { restore, Snapshot, takeSnapshot } from "../membership/snapshot.ts";
import { LogEntry } from "../membership/update.ts";
import type { StateRoot } from "../model/ids.ts";
import type { Counter } from "../model/time.ts";
import { type LogEnd, openAppendLog, recordMaxBytes, replaceLog } from "../store/append-log.ts";
import { readStateFile, writeStateFile } from "../store/atomic-file.ts";
import { type Disk, nodeDisk } from "../store/disk.ts";

/** How far somebody has acted upon the log. */
export type Mark = { readonly epoch: Counter; readonly root: StateRoot };

export const membershipNames = ["membership.snapshot", "membership.log"] as const;

const snapshotFormat = { kind: "membership-snapshot", version: 1 } as const;
const logFormat = { kind: "membership", version: 1 } as const;
/** That of 50,000 nodes with names as long as they may be takes a quarter of this. */
const snapshotMaxBytes = 256 << 20;
/** What is in the log was judged by the clock of its day when it came in. */
const anyTimeS = 253_402_300_799;

export class MembershipFile {
  readonly #snapshotPath: string;
  readonly #logPath: string;
  readonly #disk: Disk;
  /** The epoch that the snapshot stands for; 0 while there is none. */
  #snapshotEpoch = 0;
  /** The epoch that the log's first record follows. Lower than the snapshot's after a crash. */
  #logEpoch = 0;
  #log: LogEnd | null = null;

  constructor(directory: string, disk: Disk = nodeDisk) {
    const [snapshotName, logName] = membershipNames;
    this.#snapshotPath = join(directory, snapshotName);
    this.#logPath = join(directory, logName);
    this.#disk = disk;
  }

  /** The beginning of a network that was just joined, where no file is yet. */
  begin(snapshot: Snapshot | null, entries: readonly LogEntry[]): void {
    this.close();
    if (snapshot !== null) this.#writeSnapshot(snapshot);
    this.append(entries);
    this.#logEpoch = this.#snapshotEpoch;
  }

  /**
   * Where genesis, snapshot and log lead, each step verified. Throws `store_corrupt` when it is not the
   * way on which somebody acted up to the mark.
   */
  read(genesis: Membership, mark: Mark | null): Membership {
    this.close();
    // Before any signature is verified: whether they are whole is quickly told.
    const { records } = this.#openAll();
    const begun = this.#readSnapshot(genesis);
    if (mark !== null && mark.epoch < begun.state.epoch)
      throw this.#corrupt("the snapshot is of a later time than what was acted upon");
    this.#refuseElsewhere(begun, mark);
    const read = this.#readEntries(begun, records, mark);
    if (mark !== null && read.state.epoch < mark.epoch)
      throw this.#corrupt("the log ends before what was acted upon");
    return read;
  }

  /** Each entry that the log holds, with the membership that it follows. What was appended stays appended. */
  *steps(genesis: Membership): Generator<{ before: Membership; entry: LogEntry }> {
    const { records } = this.#openAll();
    let membership = this.#readSnapshot(genesis);
    for (const record of records) {
      const parsed = v.safeParse(LogEntry, decodeJson(record, recordMaxBytes));
      if (!parsed.success) throw this.#corrupt("a log record is no entry");
      const opened = openUpdate(parsed.output.envelope);
      if (opened.ok && opened.value.update.epoch <= membership.state.epoch) continue;
      const before = membership;
      membership = this.#readEntry(before, parsed.output);
      yield { before, entry: parsed.output };
    }
  }

  append(entries: readonly LogEntry[]): void {
    for (const entry of entries) (this.#log ?? this.#openLog()).append(encodeCanonical(entry));
  }

  /**
   * Makes the last checkpoint of the log the snapshot, if it is not yet. The membership is that after
   * the last entry, and everything of it was acted upon.
   */
  tidy(membership: Membership): void {
    const epoch = membership.checkpoint?.state.epoch ?? 0;
    if (this.#snapshotEpoch !== epoch) {
      const snapshot = takeSnapshot(membership);
      if (snapshot !== null) this.#writeSnapshot(snapshot);
    }
    if (this.#logEpoch !== epoch) this.#beginLog(epoch, membership.state.epoch - epoch);
  }

  close(): void {
    this.#log?.close();
    this.#log = null;
    this.#snapshotEpoch = 0;
    this.#logEpoch = 0;
  }

  #writeSnapshot(snapshot: Snapshot): void {
    writeStateFile(this.#snapshotPath, snapshotFormat, encodeCanonical(snapshot), this.#disk);
    this.#snapshotEpoch = snapshot.state.epoch;
  }

  /** So many records are left: the last ones. Until they are the only ones, the others are passed over. */
  #beginLog(epoch: Counter, count: number): void {
    const { records, log } = this.#openAll();
    // Not kept open: after a failure it would be a file without a name.
    log.close();
    this.#log = null;
    replaceLog(this.#logPath, logFormat, records.slice(records.length - count), this.#disk);
    this.#logEpoch = epoch;
  }

  #readSnapshot(genesis: Membership): Membership {
    const bytes = readStateFile(this.#snapshotPath, snapshotFormat, this.#disk);
    if (bytes === null) return genesis;
    const parsed = v.safeParse(Snapshot, decodeJson(bytes, snapshotMaxBytes));
    if (!parsed.success) throw this.#corrupt(`the snapshot: ${v.summarize(parsed.issues)}`);
    const restored = restore(genesis, parsed.output, anyTimeS);
    if (!restored.ok) throw this.#corrupt(`the snapshot: ${wordsFor(restored.error)}`);
    this.#snapshotEpoch = restored.value.state.epoch;
    return restored.value;
  }

  #readEntries(begun: Membership, records: readonly Uint8Array[], mark: Mark | null): Membership {
    let membership = begun;
    for (const [index, record] of records.entries()) {
      const parsed = v.safeParse(LogEntry, decodeJson(record, recordMaxBytes));
      if (!parsed.success) throw this.#corrupt("a log record is no entry");
      const entry = parsed.output;
      if (membership === begun && this.#isCovered(entry)) continue;
      if (membership === begun) this.#logEpoch = begun.state.epoch - index;
      membership = this.#readEntry(membership, entry);
      this.#refuseElsewhere(membership, mark);
    }
    if (membership === begun) this.#logEpoch = begun.state.epoch - records.length;
    return membership;
  }

  /** A crash came between the snapshot and the log that begins behind it. */
  #isCovered({ envelope }: LogEntry): boolean {
    if (this.#snapshotEpoch === 0) return false;
    const opened = openUpdate(envelope);
    if (!opened.ok) throw this.#corrupt(`a log record: ${wordsFor(opened.error)}`);
    return opened.value.update.epoch <= this.#snapshotEpoch;
  }

  #readEntry(before: Membership, entry: LogEntry): Membership {
    const next = append(before, entry, anyTimeS);
    if (next.ok) return next.value;
    throw this.#corrupt(`entry ${before.state.epoch + 1}: ${wordsFor(next.error)}`);
  }

  #refuseElsewhere({ state, root }: Membership, mark: Mark | null): void {
    if (state.epoch === mark?.epoch && root !== mark.root)
      throw this.#corrupt("the log leads elsewhere than what was acted upon");
  }

  /** Keeps the end of it alone: what was read may be large. */
  #openAll() {
    this.#log?.close();
    this.#log = null;
    const { records, append: write, close } = openAppendLog(this.#logPath, logFormat, this.#disk);
    this.#log = { append: write, close };
    return { records, log: this.#log };
  }

  #openLog(): LogEnd {
    return this.#openAll().log;
  }

  #corrupt(what: string): Fault {
    return stateFault(this.#logPath, what);
  }
}

/** What is on disk is not what was written there. */
export const stateFault = (path: string, what: string): Fault =>
  new Fault("store_corrupt", `${path} cannot be believed: ${what}`, {
    remedy: "restore the whole directory from a backup, or join anew: rustynet logout --local",
  });

export function wordsFor(rejection: Rejection): string {
  const { message, remedy } = explain(rejection);
  return `${message} (${rejection.code}); ${remedy}`;
}

export function decodeJson(bytes: Uint8Array, sizeMaxBytes: number): unknown {
  const decoded = decodeCanonical(bytes, sizeMaxBytes);
  return decoded.ok ? decoded.value : null;
}
