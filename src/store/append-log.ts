/**
 * append-log: a file of records that only grows. Each record is bound to all before it by a hash, so
 * that none can be changed, dropped, moved or inserted; and what a crash left unfinished at the end
 * is told from damage.
 *
 *   line    "rustynet-log 1 KIND VERSION\n"
 *   record  size (4, big-endian), head check (8), payload (size), link (32)
 *
 *   link 0     = H(line)
 *   head check = the first 8 bytes of H(link before, size)
 *   link       = H(link before, size, payload)
 *
 * The head check is what tells a torn tail from a damaged size: without it, a size that flipped to a
 * large one would look as if everything after it had never been written.
 */
import { concatBytes, decodeUtf8, encodeUtf8, equalBytes } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import { hashOf } from "../crypto/hash.ts";
import { createFile, type Disk, faulting, nodeDisk, type OpenFile, replaceFile } from "./disk.ts";

/** What a log holds: a word such as `membership`, and the version of its records' format. */
export type LogFormat = { readonly kind: string; readonly version: number };

export type LogEnd = {
  /** The record is on the medium when this returns. After a failure the log has to be opened again. */
  readonly append: (payload: Uint8Array) => void;
  readonly close: () => void;
};

/** Whoever only goes on writing keeps the `LogEnd` of it: the records take memory. */
export type AppendLog = LogEnd & {
  /** The records found when the log was opened, oldest first. */
  readonly records: readonly Uint8Array[];
  /** Bytes of an unfinished append that opening cut off; nobody was told that it had succeeded. */
  readonly truncatedTail: number;
};

export const recordMaxBytes = 4_194_304;
const sizeBytes = 4;
const headBytes = sizeBytes + 8;
const linkBytes = 32;
const frameVersion = 1;

/** Opens the log, or makes an empty one. The caller sees to it that only one process does. */
export function openAppendLog(path: string, format: LogFormat, disk: Disk = nodeDisk): AppendLog {
  const line = lineOf(format);
  const found = faulting("read", path, () => disk.read(path));
  if (found === null) createFile(disk, path, line);
  const bytes = found ?? line;
  if (!equalBytes(bytes.subarray(0, line.length), line)) throw lineFault(path, format, bytes);

  const { records, link, end } = readRecords(path, bytes, line);
  const file = faulting("open", path, () => openAt(disk, path, end, bytes.length));
  const writer = new Writer(path, file, link, end);
  return {
    records,
    truncatedTail: bytes.length - end,
    append: (payload) => writer.append(payload),
    close: () => file.close(),
  };
}

/**
 * Puts a log of these records in place of whatever has that name, wholly or not at all. Durable when
 * it returns. A log that is open under that name has to be opened again.
 */
export function replaceLog(
  path: string,
  format: LogFormat,
  payloads: Iterable<Uint8Array>,
  disk: Disk = nodeDisk,
): void {
  const line = lineOf(format);
  const parts = [line];
  let link = firstLinkOf(line);
  for (const payload of payloads) {
    refuseTooLarge(payload);
    const record = recordOf(link, payload);
    parts.push(record.bytes);
    link = record.link;
  }
  replaceFile(disk, path, concatBytes(...parts));
}

/** Opens the file and cuts off what is after `end`. */
function openAt(disk: Disk, path: string, end: number, size: number): OpenFile {
  const file = disk.open(path);
  if (end === size) return file;
  file.truncate(end);
  file.sync();
  return file;
}

class Writer {
  readonly #path: string;
  readonly #file: OpenFile;
  #link: Uint8Array;
  #end: number;
  #isBroken = false;

  constructor(path: string, file: OpenFile, link: Uint8Array, end: number) {
    this.#path = path;
    this.#file = file;
    this.#link = link;
    this.#end = end;
  }

  append(payload: Uint8Array): void {
    refuseTooLarge(payload);
    if (this.#isBroken || this.#file.sizeBytes() !== this.#end) {
      const why = this.#isBroken ? "an append failed" : "somebody else wrote to it";
      throw new Fault("unavailable", `${this.#path} is not as we left it: ${why}`, { remedy });
    }
    const { bytes, link } = recordOf(this.#link, payload);
    this.#write(bytes);
    this.#link = link;
    this.#end += bytes.length;
  }

  // After a failed write or sync nobody knows what the medium holds, and a second sync may say that
  // all is well when it is not. Reading the file again is the only way to find out.
  #write(record: Uint8Array): void {
    try {
      this.#file.write(record, this.#end);
      this.#file.sync();
    } catch (cause) {
      this.#isBroken = true;
      throw new Fault("unavailable", `${this.#path} could not be written`, { cause, remedy });
    }
  }
}

const remedy = "see that the disk has room and works, then start again";

type Found = {
  readonly records: readonly Uint8Array[];
  /** The last record's link, and where it ends. */
  readonly link: Uint8Array;
  readonly end: number;
};

function readRecords(path: string, bytes: Uint8Array, line: Uint8Array): Found {
  const records: Uint8Array[] = [];
  let link = firstLinkOf(line);
  let end = line.length;
  for (;;) {
    const payload = readRecord(path, bytes.subarray(end), link, records.length);
    if (payload === null) return { records, link, end };
    records.push(payload);
    link = linkOf(link, payload);
    end += headBytes + payload.length + linkBytes;
  }
}

/** Returns null where the log ends: after the last whole record, whether or not a torn one follows. */
function readRecord(
  path: string,
  rest: Uint8Array,
  before: Uint8Array,
  index: number,
): Uint8Array | null {
  if (rest.length < headBytes) return null;
  const size = new DataView(rest.buffer, rest.byteOffset).getUint32(0);
  if (!equalBytes(rest.subarray(0, headBytes), headOf(before, size))) {
    throw corrupt(path, `the head of record ${index} is damaged`);
  }
  if (size > recordMaxBytes) throw corrupt(path, `record ${index} is too large`);
  const payloadEnd = headBytes + size;
  if (rest.length < payloadEnd + linkBytes) return null;
  const payload = rest.slice(headBytes, payloadEnd);
  if (!equalBytes(rest.subarray(payloadEnd, payloadEnd + linkBytes), linkOf(before, payload))) {
    throw corrupt(path, `record ${index} is damaged`);
  }
  return payload;
}

/** The line is written whole or not at all, so a short one is damage and never a torn tail. */
function lineFault(path: string, format: LogFormat, bytes: Uint8Array): Fault {
  const end = bytes.subarray(0, 256).indexOf(0x0a);
  const text = end === -1 ? null : decodeUtf8(bytes.subarray(0, end));
  const match = /^rustynet-log (\d{1,9}) ([a-z][a-z0-9-]{0,63}) (\d{1,9})$/.exec(text ?? "");
  if (match === null) return corrupt(path, "its first line is not a log's");
  const [, , kind] = match;
  if (kind !== format.kind)
    return corrupt(path, `it is a ${kind} log and not a ${format.kind} log`);
  return new Fault("version_unknown", `${path} was written by another version: ${text}`, {
    remedy: "run the version that wrote it, or a newer one",
  });
}

const lineOf = ({ kind, version }: LogFormat): Uint8Array =>
  encodeUtf8(`rustynet-log ${frameVersion} ${kind} ${version}\n`);

function refuseTooLarge(payload: Uint8Array): void {
  if (payload.length <= recordMaxBytes) return;
  throw new Fault("request_malformed", `a record of ${payload.length} bytes is too large`);
}

/** A record as it stands after the one with this link, and its own link. */
function recordOf(before: Uint8Array, payload: Uint8Array) {
  const link = linkOf(before, payload);
  return { bytes: concatBytes(headOf(before, payload.length), payload, link), link };
}

const firstLinkOf = (line: Uint8Array): Uint8Array => hashOf("rustynet/append-log/v1", line);

function headOf(before: Uint8Array, size: number): Uint8Array {
  const sized = sizeField(size);
  return concatBytes(sized, hashOf("rustynet/append-log/v1", before, sized).subarray(0, 8));
}

const linkOf = (before: Uint8Array, payload: Uint8Array): Uint8Array =>
  hashOf("rustynet/append-log/v1", before, sizeField(payload.length), payload);

function sizeField(size: number): Uint8Array {
  const field = new Uint8Array(sizeBytes);
  new DataView(field.buffer).setUint32(0, size);
  return field;
}

const corrupt = (path: string, what: string): Fault =>
  new Fault("store_corrupt", `${path} cannot be believed: ${what}`, {
    remedy: `restore ${path} from a backup, or move it away to start without it`,
  });
