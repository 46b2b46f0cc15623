/**
 * audit-file keeps what this node has seen of the membership: each change that it took, and what it did
 * not believe. It is bounded, and what it refused never takes the place of what it took, so that a hostile
 * server can neither fill the disk nor drive anything out.
 */
import { join } from "node:path";
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import { encodeCanonical } from "../crypto/canonical.ts";
import { type LogEnd, openAppendLog, recordMaxBytes, replaceLog } from "../store/append-log.ts";
import { type Disk, nodeDisk } from "../store/disk.ts";
import { NodeAuditRecord } from "../wire/local-api.ts";
import { decodeJson } from "./membership-file.ts";

export const auditName = "membership.audit";
const format = { kind: "membership-audit", version: 1 } as const;

/** So many of each kind are kept when the file is written anew, and twice as many make it so. */
export const keptMax = { taken: 2_000, refused: 200 } as const;
/** The same refusal is written down again after this long, with how often it came. */
export const collapseS = 3_600;

type Kind = keyof typeof keptMax;
const kindOf = ({ event }: NodeAuditRecord): Kind => (event === "refused" ? "refused" : "taken");

type Refusal = { writtenAt: number; times: number };

export class AuditFile {
  readonly #path: string;
  readonly #disk: Disk;
  readonly #refusals = new Map<string, Refusal>();
  readonly #counts: Record<Kind, number> = { taken: 0, refused: 0 };
  #log: LogEnd | null = null;

  constructor(directory: string, disk: Disk = nodeDisk) {
    this.#path = join(directory, auditName);
    this.#disk = disk;
  }

  /** Oldest first. Throws `store_corrupt` for what was not written so. */
  read(): readonly NodeAuditRecord[] {
    return this.#open().map((record) => {
      const parsed = v.safeParse(NodeAuditRecord, decodeJson(record, recordMaxBytes));
      if (parsed.success) return parsed.output;
      throw new Fault("store_corrupt", `${this.#path} cannot be believed`, {
        remedy: `move it away: nothing but this trail is in it`,
      });
    });
  }

  write(record: NodeAuditRecord): void {
    const told = record.event === "refused" ? this.#collapse(record) : record;
    if (told === null) return;
    if (this.#log === null) this.#count(this.read());
    this.#log?.append(encodeCanonical(told));
    const kind = kindOf(record);
    this.#counts[kind]++;
    if (this.#counts[kind] > 2 * keptMax[kind]) this.#rotate();
  }

  close(): void {
    this.#log?.close();
    this.#log = null;
  }

  /** Null while the same was written down lately. By the code alone: the rest is the sender's to choose. */
  #collapse(record: NodeAuditRecord): NodeAuditRecord | null {
    const known = this.#refusals.get(record.code);
    if (
      known !== undefined &&
      record.at - known.writtenAt < collapseS &&
      record.at >= known.writtenAt
    ) {
      known.times++;
      return null;
    }
    this.#refusals.set(record.code, { writtenAt: record.at, times: 0 });
    return { ...record, times: 1 + (known?.times ?? 0) };
  }

  #rotate(): void {
    const records = this.read();
    const kept = new Set(
      (Object.keys(keptMax) as Kind[]).flatMap((kind) =>
        records.filter((each) => kindOf(each) === kind).slice(-keptMax[kind]),
      ),
    );
    const left = records.filter((each) => kept.has(each));
    this.close();
    replaceLog(
      this.#path,
      format,
      left.map((each) => encodeCanonical(each)),
      this.#disk,
    );
    this.#open();
    this.#count(left);
  }

  #count(records: readonly NodeAuditRecord[]): void {
    this.#counts.taken = records.filter((each) => kindOf(each) === "taken").length;
    this.#counts.refused = records.length - this.#counts.taken;
  }

  #open(): readonly Uint8Array[] {
    this.close();
    const { records, append, close } = openAppendLog(this.#path, format, this.#disk);
    this.#log = { append, close };
    return records;
  }
}
