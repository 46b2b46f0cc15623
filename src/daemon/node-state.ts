/**
 * node-state is what the daemon keeps on disk: its keys, the network it belongs to, the log, and how
 * far it has come. Everything is verified again when it is read; only that order of writing is owned
 * here which makes a crash between any two writes harmless (protocol.md section 8).
 */
import * as fs from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import { decodeCanonical, encodeCanonical } from "../crypto/canonical.ts";
import { keygen, type Random, SigningSecret } from "../crypto/ed25519.ts";
import { Envelope } from "../crypto/envelope.ts";
import type { Custody, KeyKind } from "../crypto/key-file.ts";
import { TunnelSecret, tunnelKeygen } from "../crypto/tunnel-key.ts";
import { explain } from "../membership/explain.ts";
import { append, found, type Membership } from "../membership/membership.ts";
import type { Rejection } from "../membership/rejection.ts";
import { LogEntry } from "../membership/update.ts";
import { NetworkId, NodeId, StateRoot } from "../model/ids.ts";
import { SigningKey, TlsPin } from "../model/keys.ts";
import { Counter, UnixS } from "../model/time.ts";
import { type AppendLog, type LogEnd, openAppendLog, recordMaxBytes } from "../store/append-log.ts";
import { readStateFile, writeStateFile } from "../store/atomic-file.ts";
import { makeDirectory } from "../store/disk.ts";
import { readKeyFile, writeKeyFile } from "../store/key-file.ts";
import { openView, restoreAdvertisements, type View } from "../trust/view.ts";
import { ControlUrl } from "../wire/join-token.ts";
import { AdvertisementFile } from "./advertisement-file.ts";

/** The network this node belongs to, and whether it is to be up. */
export const Enrollment = v.strictObject({
  url: ControlUrl,
  pin: TlsPin,
  network: NetworkId,
  genesis: StateRoot,
  node: NodeId,
  wanted: v.picklist(["up", "down"]),
});
export type Enrollment = v.InferOutput<typeof Enrollment>;

/** The furthest point that was ever acted upon: nothing before it is believed again. */
const Watermark = v.strictObject({
  epoch: Counter,
  root: StateRoot,
  generation: Counter,
  signedAt: UnixS,
  signers: v.optional(v.array(SigningKey), []),
});
type Watermark = v.InferOutput<typeof Watermark>;

const OwnAdvertisement = v.strictObject({ envelope: Envelope });
const Genesis = v.strictObject({ envelope: Envelope });

const files = {
  enrollment: { kind: "enrollment", version: 1 },
  genesis: { kind: "genesis", version: 1 },
  watermark: { kind: "watermark", version: 1 },
  own: { kind: "own-advertisement", version: 1 },
} as const;
type FileName = keyof typeof files;

const advertisementsName = "advertisements";
const logName = "membership.log";
const logFormat = { kind: "membership", version: 1 } as const;
/** What is in the log was judged by the clock of its day when it came in. */
const anyTimeS = 253_402_300_799;

export type NodeKeys = { readonly identity: SigningSecret; readonly tunnel: TunnelSecret };

export class NodeState {
  readonly #directory: string;
  readonly #random: Random;
  readonly #advertisements: AdvertisementFile;
  #log: LogEnd | null = null;

  /** The directory is made if it is missing, for its owner alone. */
  constructor(directory: string, random: Random) {
    this.#directory = directory;
    this.#random = random;
    this.#advertisements = new AdvertisementFile(join(directory, advertisementsName));
    makeDirectory(directory, 0o700);
  }

  /** The keys of this node, made on first use. */
  readKeys(custody: Custody): NodeKeys {
    const identity = this.#readOrMake("identity", custody, () => keygen(this.#random).seed);
    const tunnel = this.#readOrMake("tunnel", custody, () => tunnelKeygen(this.#random).scalar);
    return { identity: new SigningSecret(identity), tunnel: new TunnelSecret(tunnel) };
  }

  readEnrollment(): Enrollment | null {
    return this.#read("enrollment", Enrollment);
  }

  writeEnrollment(enrollment: Enrollment): void {
    this.#write("enrollment", enrollment);
  }

  /** Keeps the beginning of a network that was just joined. Its enrollment is written last. */
  writeJoined(genesis: Envelope, entries: readonly LogEntry[], enrollment: Enrollment): void {
    // What an attempt that was cut off left behind would otherwise be the beginning of this log.
    this.#removeFiles([...Object.keys(files), advertisementsName, logName]);
    this.#write("genesis", { envelope: genesis });
    this.appendEntries(entries);
    this.writeEnrollment(enrollment);
  }

  /**
   * What the node believed when it last ran, verified from the genesis root on. Throws
   * `store_corrupt` when it is not what was acted upon.
   */
  readView(enrollment: Enrollment): View {
    const watermark = this.#read("watermark", Watermark);
    const membership = this.#replay(enrollment, watermark);
    const view = openView(enrollment.node, membership);
    if (watermark === null) return view;
    const { generation, signedAt, signers } = watermark;
    const kept = this.#advertisements.read();
    return restoreAdvertisements({ ...view, generation, signedAt, signers }, kept, anyTimeS);
  }

  appendEntries(entries: readonly LogEntry[]): void {
    for (const entry of entries) (this.#log ?? this.#openLog()).append(encodeCanonical(entry));
  }

  /**
   * Makes the view durable: only then may it be acted upon. The entries come first. After a fault it
   * has to be read again, since some of it may have been kept.
   */
  writeView(view: View, entries: readonly LogEntry[]): void {
    this.appendEntries(entries);
    this.#advertisements.write(view.advertisements);
    const { membership, generation, signedAt, signers } = view;
    const mark: Watermark = {
      epoch: membership.state.epoch,
      root: membership.root,
      generation,
      signedAt,
      signers: [...signers],
    };
    this.#write("watermark", mark);
  }

  /** What this node last said of itself: the next statement has a higher number. */
  readOwnAdvertisement(): Envelope | null {
    return this.#read("own", OwnAdvertisement)?.envelope ?? null;
  }

  writeOwnAdvertisement(envelope: Envelope): void {
    this.#write("own", { envelope });
  }

  /** Forgets network and keys. The enrollment goes first: without it the rest means nothing. */
  forget(): void {
    const keys = ["identity.key", "tunnel.key"];
    this.#removeFiles([...Object.keys(files), advertisementsName, logName, ...keys]);
  }

  #removeFiles(names: readonly string[]): void {
    this.#closeLog();
    this.#advertisements.close();
    for (const name of names) fs.rmSync(join(this.#directory, name), { force: true });
  }

  /** The log leads through the watermark, or it is not the log that was acted upon. */
  #replay(enrollment: Enrollment, watermark: Watermark | null): Membership {
    const genesis = this.#read("genesis", Genesis);
    if (genesis === null) throw this.#corrupt("the genesis statement is missing");
    const founded = found(genesis.envelope, enrollment.genesis);
    if (!founded.ok) throw this.#corrupt(`the genesis statement: ${wordsFor(founded.error)}`);
    let membership = founded.value;
    // A log knows the records that were there when it was opened: what was appended since counts too.
    for (const record of this.#openLog().records) {
      const entry = v.safeParse(LogEntry, decodeJson(record));
      if (!entry.success) throw this.#corrupt("a log record is no entry");
      const next = append(membership, entry.output, anyTimeS);
      if (!next.ok)
        throw this.#corrupt(`entry ${membership.state.epoch + 1}: ${wordsFor(next.error)}`);
      membership = next.value;
      if (membership.state.epoch === watermark?.epoch && membership.root !== watermark.root)
        throw this.#corrupt("the log leads elsewhere than what was acted upon");
    }
    if (watermark !== null && membership.state.epoch < watermark.epoch)
      throw this.#corrupt("the log ends before what was acted upon");
    return membership;
  }

  #closeLog(): void {
    this.#log?.close();
    this.#log = null;
  }

  /** Keeps the end of it alone: what was read may be large. */
  #openLog(): AppendLog {
    this.#closeLog();
    const log = openAppendLog(join(this.#directory, logName), logFormat);
    this.#log = { append: log.append, close: log.close };
    return log;
  }

  #readOrMake(kind: KeyKind, custody: Custody, make: () => SigningSecret["seed"]) {
    const path = join(this.#directory, `${kind}.key`);
    if (!fs.existsSync(path)) writeKeyFile(path, kind, make(), custody, this.#random);
    return readKeyFile(path, kind, custody);
  }

  #read<T extends v.GenericSchema>(name: FileName, schema: T): v.InferOutput<T> | null {
    const bytes = readStateFile(join(this.#directory, name), files[name]);
    if (bytes === null) return null;
    const parsed = v.safeParse(schema, decodeJson(bytes));
    if (parsed.success) return parsed.output;
    throw this.#corrupt(`${name}: ${v.summarize(parsed.issues)}`);
  }

  #write(name: FileName, value: Parameters<typeof encodeCanonical>[0]): void {
    writeStateFile(join(this.#directory, name), files[name], encodeCanonical(value));
  }

  #corrupt(what: string): Fault {
    return new Fault(
      "store_corrupt",
      `the state in ${this.#directory} cannot be believed: ${what}`,
      {
        remedy: "restore it from a backup, or leave and join again: rustynet logout --local",
      },
    );
  }
}

function wordsFor(rejection: Rejection): string {
  const { message, remedy } = explain(rejection);
  return `${message} (${rejection.code}); ${remedy}`;
}

function decodeJson(bytes: Uint8Array): unknown {
  const decoded = decodeCanonical(bytes, recordMaxBytes);
  return decoded.ok ? decoded.value : null;
}
