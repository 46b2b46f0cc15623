/**
 * approver-home is what an approver keeps on their own machine (protocol.md section 8): the key, its
 * public half, and which network it is for. Nobody else can read or replace any of it.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { Fault } from "../base/fault.ts";
import { decodeCanonical, encodeCanonical } from "../crypto/canonical.ts";
import { keygen, keySizeBytes, type Random, SigningSecret } from "../crypto/ed25519.ts";
import type { Custody } from "../crypto/key-file.ts";
import { lockFile } from "../kernel/file-lock.ts";
import type { ApproverName } from "../model/names.ts";
import { readStateFile, writeStateFile } from "../store/atomic-file.ts";
import { makeDirectory } from "../store/disk.ts";
import {
  readCustodyKind,
  readKeyFile,
  refuseSharedDirectory,
  writeKeyFile,
} from "../store/key-file.ts";
import { Head } from "../wire/advertisement.ts";
import { ApproverCard } from "../wire/approver-card.ts";
import { NetworkCard } from "../wire/network-card.ts";

/** Each a state file of the name. */
const files = {
  card: { kind: "approver-card", version: 1 },
  network: { kind: "network-card", version: 1 },
  watermark: { kind: "approver-watermark", version: 1 },
} as const;
type FileName = keyof typeof files;

export class ApproverHome {
  readonly directory: string;
  readonly keyPath: string;

  constructor(directory: string) {
    this.directory = directory;
    this.keyPath = join(directory, "approver.key");
  }

  /** The public half, or null when no key was made. Throws `key_custody` and `store_corrupt`. */
  readCard(): ApproverCard | null {
    if (!this.#isThere() || !fs.existsSync(this.keyPath)) return null;
    const card = this.#read("card", ApproverCard);
    if (card === null) throw this.#corrupt("the key has no card beside it");
    return card;
  }

  /** Which network the approver belongs to, or null when nobody said so yet. */
  readNetwork(): NetworkCard | null {
    return this.#isThere() ? this.#read("network", NetworkCard) : null;
  }

  readCustodyKind(): Custody["kind"] {
    return readCustodyKind(this.keyPath);
  }

  /** The key itself. Throws `key_custody` for the wrong passphrase. */
  readSecret(custody: Custody): SigningSecret {
    const seed = readKeyFile(this.keyPath, "approver", custody);
    if (seed.sizeBytes !== keySizeBytes) throw this.#corrupt("approver.key holds no Ed25519 key");
    const secret = new SigningSecret(seed);
    if (this.readCard()?.key === secret.publicKey) return secret;
    throw this.#corrupt("approver.key is not the key that the card names");
  }

  /** Makes the key, once. Throws `already_exists` rather than replace one. */
  makeKey(name: ApproverName, custody: Custody, random: Random): ApproverCard {
    this.#open();
    using _lock = this.#lock();
    if (fs.existsSync(this.keyPath))
      throw new Fault("already_exists", `there is a key at ${this.keyPath}`, {
        remedy: "use it, or name another directory with --dir; nothing was changed",
      });
    const secret = keygen(random);
    const card = v.parse(ApproverCard, { key: secret.publicKey, name });
    // The key comes last: without it the card means nothing, and is written anew the next time.
    this.#write("card", card);
    writeKeyFile(this.keyPath, "approver", secret.seed, custody, random);
    return card;
  }

  /** How far the log was verified on this machine: nothing that does not lead through there is believed. */
  readWatermark(): Head | null {
    return this.#isThere() ? this.#read("watermark", Head) : null;
  }

  writeWatermark(head: Head): void {
    this.#write("watermark", head);
  }

  writeNetwork(card: NetworkCard): void {
    this.#open();
    this.#write("network", card);
  }

  /** One maker at a time: of two, the card of one could end up beside the key of the other. */
  #lock(): Disposable {
    const remedy = "wait until it is done: rustynet approver show";
    return lockFile(join(this.directory, "lock"), "a key is being made there", remedy);
  }

  #isThere(): boolean {
    if (!fs.existsSync(this.directory)) return false;
    refuseSharedDirectory(this.directory);
    return true;
  }

  #open(): void {
    makeDirectory(this.directory, 0o700);
    refuseSharedDirectory(this.directory);
  }

  #read<T extends v.GenericSchema>(name: FileName, schema: T): v.InferOutput<T> | null {
    const bytes = readStateFile(join(this.directory, name), files[name]);
    if (bytes === null) return null;
    const decoded = decodeCanonical(bytes);
    const parsed = v.safeParse(schema, decoded.ok ? decoded.value : null);
    if (parsed.success) return parsed.output;
    throw this.#corrupt(`${name}: ${v.summarize(parsed.issues)}`);
  }

  #write(name: FileName, value: Parameters<typeof encodeCanonical>[0]): void {
    writeStateFile(join(this.directory, name), files[name], encodeCanonical(value));
  }

  #corrupt(what: string): Fault {
    return new Fault("store_corrupt", `what is in ${this.directory} cannot be believed: ${what}`, {
      remedy: "restore it from a backup, or make a new key in another place: --dir DIR",
    });
  }
}

export type NetworkChange = "none" | "first" | "moved" | "other";

/** What this card would change: a network that moved has another address or TLS key, and the same log. */
export function networkChangeOf(held: NetworkCard | null, card: NetworkCard): NetworkChange {
  if (held === null) return "first";
  if (held.network !== card.network || held.genesis !== card.genesis) return "other";
  return held.url === card.url && held.pin === card.pin ? "none" : "moved";
}
