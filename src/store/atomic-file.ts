/**
 * atomic-file: a small state file that is either the old one or the new one, and never read when it
 * is anything else. A line before the content says its kind, version, size and hash.
 */
import { concatBytes, decodeUtf8, encodeHex, encodeUtf8 } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import { hashOf } from "../crypto/hash.ts";
import { type Disk, faulting, nodeDisk, replaceFile } from "./disk.ts";

/** What a file is: a word such as `watermark`, and the version of its content's format. */
export type StateFormat = { readonly kind: string; readonly version: number };

const headerPattern =
  /^rustynet-state (\d{1,9}) ([a-z][a-z0-9-]{0,63}) (\d{1,9}) (\d{1,15}) ([0-9a-f]{64})$/;
const frameVersion = 1;
const headerMaxBytes = 256;
const newline = 0x0a;

/** Replaces the file. It is on the medium when this returns; a crash before leaves the old one. */
export function writeStateFile(
  path: string,
  format: StateFormat,
  content: Uint8Array,
  disk: Disk = nodeDisk,
): void {
  const line = frameLine(format, content);
  replaceFile(disk, path, concatBytes(encodeUtf8(`${line} ${hashText(line, content)}\n`), content));
}

/**
 * Returns the content, or null when there is no file. Throws `store_corrupt` for anything but a
 * whole, undamaged file of this kind, and `version_unknown` for a version that we do not read.
 */
export function readStateFile(
  path: string,
  format: StateFormat,
  disk: Disk = nodeDisk,
): Uint8Array | null {
  const bytes = faulting("read", path, () => disk.read(path));
  return bytes === null ? null : decodeFrame(path, format, bytes);
}

function decodeFrame(path: string, format: StateFormat, bytes: Uint8Array): Uint8Array {
  const end = bytes.subarray(0, headerMaxBytes).indexOf(newline);
  const header = end === -1 ? null : decodeUtf8(bytes.subarray(0, end));
  const match = headerPattern.exec(header ?? "");
  if (header === null || match === null)
    throw corrupt(path, "its first line is not a state file's");
  const [, frame, kind, version, sizeBytes, hash = ""] = match;
  if (Number(frame) !== frameVersion) throw unknown(path, `frame version ${frame}`);

  const content = bytes.slice(end + 1);
  if (content.length !== Number(sizeBytes)) {
    throw corrupt(path, `it holds ${content.length} bytes and says ${sizeBytes}`);
  }
  const line = header.slice(0, -(hash.length + 1));
  if (hashText(line, content) !== hash) throw corrupt(path, "its hash does not match");
  if (kind !== format.kind)
    throw corrupt(path, `it is a ${kind} file and not a ${format.kind} file`);
  if (Number(version) !== format.version) throw unknown(path, `${kind} version ${version}`);
  return content;
}

const frameLine = ({ kind, version }: StateFormat, content: Uint8Array): string =>
  `rustynet-state ${frameVersion} ${kind} ${version} ${content.length}`;

const hashText = (line: string, content: Uint8Array): string =>
  encodeHex(hashOf("rustynet/atomic-file/v1", encodeUtf8(`${line}\n`), content));

const corrupt = (path: string, what: string): Fault =>
  new Fault("store_corrupt", `${path} cannot be believed: ${what}`, {
    remedy: `restore ${path} from a backup, or move it away to start without it`,
  });

const unknown = (path: string, what: string): Fault =>
  new Fault("version_unknown", `${path} was written by another version: ${what}`, {
    remedy: "run the version that wrote it, or a newer one",
  });
