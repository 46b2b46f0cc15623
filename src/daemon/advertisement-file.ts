/**
 * advertisement-file keeps what other nodes said of themselves: a log of what was taken and what was
 * forgotten, so that a change costs what has changed. It is written anew when half of it is out of date.
 */
import * as v from "valibot";
import { decodeUtf8 } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import { decodeCanonical, encodeCanonical } from "../crypto/canonical.ts";
import { Envelope } from "../crypto/envelope.ts";
import type { Trie } from "../membership/trie.ts";
import { NodeId } from "../model/ids.ts";
import { type LogEnd, openAppendLog, recordMaxBytes, replaceLog } from "../store/append-log.ts";
import { readStateFile } from "../store/atomic-file.ts";
import { type Disk, faulting, nodeDisk } from "../store/disk.ts";
import type { Advertised } from "../wire/advertisement.ts";

const format = { kind: "advertisements", version: 1 } as const;

/** Without an envelope: what the node said before does not hold any more. */
const Statement = v.strictObject({ node: NodeId, envelope: v.optional(Envelope) });
type Statement = v.InferOutput<typeof Statement>;
const Statements = v.array(Statement);

/** As many of the largest that there are make a third of the largest record. */
const statementsPerRecord = 200;
/** So many may be out of date in any file: a small one is not worth writing anew. */
const slackStatements = 200;

/** What this file was before it was a log: all envelopes at once, in a state file. */
const oldMark = "rustynet-state ";
const OldContent = v.strictObject({ envelopes: v.array(Envelope) });
const oldMaxBytes = 256 << 20;

/** What the file says, by how many statements, and where it goes on. */
type Written = {
  readonly held: Trie<Advertised>;
  readonly statements: number;
  readonly log: LogEnd;
};

export class AdvertisementFile {
  readonly #path: string;
  readonly #disk: Disk;
  /** Null until this process has written the file, and after a fault: then all is written anew. */
  #written: Written | null = null;

  constructor(path: string, disk: Disk = nodeDisk) {
    this.#path = path;
    this.#disk = disk;
  }

  /**
   * What each node said last, to be verified again. Throws `store_corrupt` when the file is not what
   * was written.
   */
  read(): readonly Envelope[] {
    this.close();
    const bytes = faulting("read", this.#path, () => this.#disk.read(this.#path));
    if (bytes === null) return [];
    if (decodeUtf8(bytes.subarray(0, oldMark.length)) === oldMark) return this.#readOld();
    const log = openAppendLog(this.#path, format, this.#disk);
    log.close();
    const newest = new Map<NodeId, Envelope>();
    for (const record of log.records)
      for (const { node, envelope } of this.#decode(Statements, record, recordMaxBytes)) {
        if (envelope === undefined) newest.delete(node);
        else newest.set(node, envelope);
      }
    return [...newest.values()];
  }

  /** Makes what is held durable. After a fault the file may say some of it already. */
  write(held: Trie<Advertised>): void {
    if (this.#written?.held === held) return;
    try {
      this.#written = this.#append(held) ?? this.#writeAnew(held);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Forgets what it knows of the file, which may go now. */
  close(): void {
    this.#written?.log.close();
    this.#written = null;
  }

  /** Null when the file is to be written anew. */
  #append(held: Trie<Advertised>): Written | null {
    if (this.#written === null) return null;
    const { log, ...before } = this.#written;
    const changes = changesBetween(before.held, held);
    const statements = before.statements + changes.length;
    if (statements > 2 * held.size + slackStatements) return null;
    for (const record of recordsOf(changes)) log.append(record);
    return { held, statements, log };
  }

  #writeAnew(held: Trie<Advertised>): Written {
    this.close();
    const all = [...held.values()].map(statementOf);
    replaceLog(this.#path, format, recordsOf(all), this.#disk);
    const { append, close } = openAppendLog(this.#path, format, this.#disk);
    return { held, statements: all.length, log: { append, close } };
  }

  #readOld(): readonly Envelope[] {
    const bytes = readStateFile(this.#path, format, this.#disk);
    return bytes === null ? [] : this.#decode(OldContent, bytes, oldMaxBytes).envelopes;
  }

  #decode<T extends v.GenericSchema>(
    schema: T,
    bytes: Uint8Array,
    maxBytes: number,
  ): v.InferOutput<T> {
    const decoded = decodeCanonical(bytes, maxBytes);
    const parsed = v.safeParse(schema, decoded.ok ? decoded.value : null);
    if (parsed.success) return parsed.output;
    throw new Fault(
      "store_corrupt",
      `${this.#path} cannot be believed: ${v.summarize(parsed.issues)}`,
      {
        remedy: "restore it from a backup, or leave and join again: rustynet logout --local",
      },
    );
  }
}

const statementOf = ({ envelope, advertisement }: Advertised): Statement => ({
  node: advertisement.node,
  envelope,
});

function changesBetween(before: Trie<Advertised>, after: Trie<Advertised>): readonly Statement[] {
  return [...before.changesTo(after)].flatMap((change) => {
    if (change.after !== undefined) return statementOf(change.after);
    return change.before === undefined ? [] : { node: change.before.advertisement.node };
  });
}

function* recordsOf(statements: readonly Statement[]): Generator<Uint8Array> {
  for (let at = 0; at < statements.length; at += statementsPerRecord)
    yield encodeCanonical(statements.slice(at, at + statementsPerRecord).map(plainOf));
}

/** A field that may be missing has no canonical form when it is there and undefined. */
const plainOf = ({ node, envelope }: Statement) =>
  envelope === undefined ? { node } : { node, envelope };
