/**
 * node-state is what the daemon keeps on disk: its keys, the network it belongs to, the log, and how
 * far it has come. Everything is verified again when it is read; only that order of writing is owned
 * here which makes a crash between any two writes harmless (protocol.md section 8).
 */
import * as fs from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import type { Fault } from "../base/fault.ts";
import type { Secret } from "../base/secret.ts";
import { encodeCanonical } from "../crypto/canonical.ts";
import { keygen, type Random, SigningSecret } from "../crypto/ed25519.ts";
import { Envelope } from "../crypto/envelope.ts";
import type { Custody, KeyKind } from "../crypto/key-file.ts";
import { TunnelSecret, tunnelKeygen } from "../crypto/tunnel-key.ts";
import { found, type Membership } from "../membership/membership.ts";
import type { LogEntry } from "../membership/update.ts";
import { NetworkId, NodeId, StateRoot } from "../model/ids.ts";
import { SigningKey, TlsPin } from "../model/keys.ts";
import { NodeName } from "../model/names.ts";
import { Counter, UnixS } from "../model/time.ts";
import { readStateFile, writeStateFile } from "../store/atomic-file.ts";
import { type Disk, faulting, nodeDisk } from "../store/disk.ts";
import { readKeyFile, writeKeyFile } from "../store/key-file.ts";
import { openView, restoreAdvertisements, type View } from "../trust/view.ts";
import type { History } from "../wire/enrollment.ts";
import { ControlUrl } from "../wire/join-token.ts";
import { NetworkCard } from "../wire/network-card.ts";
import { AdvertisementFile } from "./advertisement-file.ts";
import { AuditFile, auditName } from "./audit-file.ts";
import { EvidenceFile, evidenceName } from "./evidence.ts";
import {
  decodeJson,
  MembershipFile,
  membershipNames,
  stateFault,
  wordsFor,
} from "./membership-file.ts";

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

/** What this host asked to join, and has no answer to yet. Its secret has a file of its own, sealed. */
const RequestRecord = v.strictObject({
  card: NetworkCard,
  name: NodeName,
  askedAt: UnixS,
  wanted: v.picklist(["up", "down"]),
});
export type KeptRequest = v.InferOutput<typeof RequestRecord> & { readonly secret: Secret };

const OwnAdvertisement = v.strictObject({ envelope: Envelope });
const Genesis = v.strictObject({ envelope: Envelope });

const files = {
  enrollment: { kind: "enrollment", version: 1 },
  genesis: { kind: "genesis", version: 1 },
  watermark: { kind: "watermark", version: 1 },
  own: { kind: "own-advertisement", version: 1 },
  request: { kind: "join-request", version: 1 },
} as const;
type FileName = keyof typeof files;

const advertisementsName = "advertisements";
const requestKeyName = "request.key";
/** The record goes first and comes last: without it the secret means nothing. */
const requestNames = ["request", requestKeyName];
const networkNames = [
  ...Object.keys(files).filter((name) => name !== "request"),
  advertisementsName,
  evidenceName,
  ...membershipNames,
];
/** None of the small files is larger. */
const fileMaxBytes = 4 << 20;
/** What was said was judged by the clock of its day when it came in. */
const anyTimeS = 253_402_300_799;

export type NodeKeys = { readonly identity: SigningSecret; readonly tunnel: TunnelSecret };

export class NodeState {
  readonly #directory: string;
  readonly #random: Random;
  readonly #disk: Disk;
  readonly #advertisements: AdvertisementFile;
  readonly #membership: MembershipFile;
  readonly evidence: EvidenceFile;
  readonly audit: AuditFile;

  /** The directory is there, for its owner alone. Keys are read and written past `disk`. */
  constructor(directory: string, random: Random, disk: Disk = nodeDisk) {
    this.#directory = directory;
    this.#random = random;
    this.#disk = disk;
    this.#advertisements = new AdvertisementFile(join(directory, advertisementsName), disk);
    this.#membership = new MembershipFile(directory, disk);
    this.evidence = new EvidenceFile(directory, disk);
    this.audit = new AuditFile(directory, disk);
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
  writeJoined({ genesis, snapshot, entries }: History, enrollment: Enrollment): void {
    // What an attempt that was cut off left behind would otherwise be the beginning of this log.
    this.#removeFiles(networkNames);
    this.#write("genesis", { envelope: genesis });
    this.#membership.begin(snapshot, entries);
    this.writeEnrollment(enrollment);
    this.removeRequest();
  }

  /** Null when nothing is asked. The caller's place in the queue outlives the process by this. */
  readRequest(custody: Custody): KeptRequest | null {
    const record = this.#read("request", RequestRecord);
    if (record === null) return null;
    const secret = readKeyFile(join(this.#directory, requestKeyName), "credential", custody);
    return { ...record, secret };
  }

  /** Takes the place of an earlier one. */
  writeRequest({ secret, ...record }: KeptRequest, custody: Custody): void {
    this.removeRequest();
    const path = join(this.#directory, requestKeyName);
    writeKeyFile(path, "credential", secret, custody, this.#random, this.#disk);
    this.#write("request", record);
  }

  /** The same request, with another word on whether it is still wanted. */
  updateRequest({ secret: _, ...record }: KeptRequest): void {
    this.#write("request", record);
  }

  removeRequest(): void {
    this.#remove(requestNames);
  }

  /**
   * What the node believed when it last ran, verified from the genesis root on. Throws
   * `store_corrupt` when it is not what was acted upon.
   */
  readView(enrollment: Enrollment): View {
    const watermark = this.#read("watermark", Watermark);
    const membership = this.#membership.read(this.#readGenesis(enrollment), watermark);
    const view = openView(enrollment.node, membership);
    if (watermark === null) return view;
    const { generation, signedAt, signers } = watermark;
    const kept = this.#advertisements.read();
    return restoreAdvertisements({ ...view, generation, signedAt, signers }, kept, anyTimeS);
  }

  /**
   * Makes the view durable: only then may it be acted upon. The entries come first. After a fault it
   * has to be read again, since some of it may have been kept.
   */
  writeView(view: View, entries: readonly LogEntry[]): void {
    this.#membership.append(entries);
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
    this.#membership.tidy(membership);
  }

  /** The way that the log took since its last checkpoint. */
  steps(enrollment: Enrollment): ReturnType<MembershipFile["steps"]> {
    return this.#membership.steps(this.#readGenesis(enrollment));
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
    this.#removeFiles([...networkNames, ...requestNames, auditName, ...keys]);
  }

  #removeFiles(names: readonly string[]): void {
    this.#membership.close();
    this.#advertisements.close();
    this.evidence.forget();
    this.audit.close();
    this.#remove(names);
  }

  /** In this order. They are gone from the medium when this returns: a key that was given up stays gone. */
  #remove(names: readonly string[]): void {
    faulting("remove files in", this.#directory, () => {
      for (const name of names) this.#disk.remove(join(this.#directory, name));
      this.#disk.syncDirectory(this.#directory);
    });
  }

  #readGenesis(enrollment: Enrollment): Membership {
    const genesis = this.#read("genesis", Genesis);
    if (genesis === null) throw this.#corrupt("the genesis statement is missing");
    const founded = found(genesis.envelope, enrollment.genesis);
    if (founded.ok) return founded.value;
    throw this.#corrupt(`the genesis statement: ${wordsFor(founded.error)}`);
  }

  #readOrMake(kind: KeyKind, custody: Custody, make: () => SigningSecret["seed"]) {
    const path = join(this.#directory, `${kind}.key`);
    if (!fs.existsSync(path)) writeKeyFile(path, kind, make(), custody, this.#random);
    return readKeyFile(path, kind, custody);
  }

  #read<T extends v.GenericSchema>(name: FileName, schema: T): v.InferOutput<T> | null {
    const bytes = readStateFile(join(this.#directory, name), files[name], this.#disk);
    if (bytes === null) return null;
    const parsed = v.safeParse(schema, decodeJson(bytes, fileMaxBytes));
    if (parsed.success) return parsed.output;
    throw this.#corrupt(`${name}: ${v.summarize(parsed.issues)}`);
  }

  #write(name: FileName, value: Parameters<typeof encodeCanonical>[0]): void {
    writeStateFile(join(this.#directory, name), files[name], encodeCanonical(value), this.#disk);
  }

  #corrupt(what: string): Fault {
    return stateFault(this.#directory, what);
  }
}
