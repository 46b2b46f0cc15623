/**
 * key-file: private keys on disk, and who keeps them. A key is read only from a place that nobody
 * else can read or replace; a refusal carries the command that puts it right.
 */
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { unreachable } from "../base/assert.ts";
import { Fault } from "../base/fault.ts";
import { Secret } from "../base/secret.ts";
import type { Random } from "../crypto/ed25519.ts";
import {
  type Custody,
  type KeyFileRejection,
  type KeyKind,
  custodyKindOf,
  keyFileMaxBytes,
  openKeyFile,
  sealKeyFile,
} from "../crypto/key-file.ts";
import { createFile, type Disk, faulting, nodeDisk } from "./disk.ts";

/** The systemd credential that holds the passphrase of this host's keys (systemd.exec(5)). */
export const credentialName = "rustynet-key";
export const passphraseMinBytes = 8;
const passphraseMaxBytes = 4_096;

/** Writes a new key file of mode 0600, durably. Throws `already_exists` rather than overwrite one. */
export function writeKeyFile(
  path: string,
  kind: KeyKind,
  secret: Secret,
  custody: Custody,
  random: Random,
  disk: Disk = nodeDisk,
): void {
  refuseDirectory(dirname(path), 0o077);
  createFile(disk, path, sealKeyFile(kind, secret, custody, random));
}

/**
 * Reads a key of this kind. Throws `not_found`, `key_custody` when somebody else could have read or
 * replaced the file, and `store_corrupt`, `version_unknown` or `algorithm_denied` for what is in it.
 */
export function readKeyFile(path: string, kind: KeyKind, custody: Custody): Secret {
  refuseDirectory(dirname(path), 0o077);
  const bytes = readGuarded(path, keyFileMaxBytes, [userId()], 0o077);
  const opened = openKeyFile(bytes, kind, custody);
  bytes.fill(0);
  if (!opened.ok) throw faultOf(path, opened.error);
  return opened.value;
}

/** How the key in this file is kept. Throws like `readKeyFile`, but needs no passphrase. */
export function readCustodyKind(path: string): Custody["kind"] {
  refuseDirectory(dirname(path), 0o077);
  const found = custodyKindOf(readGuarded(path, keyFileMaxBytes, [userId()], 0o077));
  if (!found.ok) throw faultOf(path, found.error);
  return found.value;
}

/** Throws `key_custody` unless the directory is this user's own, and nobody else has access to it. */
export const refuseSharedDirectory = (path: string): void => refuseDirectory(path, 0o077);

/** Where the operator said that the passphrase is: paths only, never the passphrase itself. */
export type PassphraseSource = {
  /** `$CREDENTIALS_DIRECTORY`, which systemd sets. */
  readonly credentialsDirectory?: string | undefined;
  readonly passphraseFile?: string | undefined;
  /** Keep keys unencrypted. Only ever by an option that says so. */
  readonly plain?: boolean | undefined;
};

/** Returns how keys are kept here. Throws `key_custody`, naming the ways out, when nobody said. */
export function readPassphrase(source: PassphraseSource): Custody {
  const { credentialsDirectory, passphraseFile, plain = false } = source;
  if (plain && passphraseFile !== undefined) {
    throw new Fault("config_invalid", "a passphrase file and plain keys exclude each other", {
      remedy: "drop one of the two options",
    });
  }
  if (plain) return { kind: "plain" };
  if (passphraseFile !== undefined) {
    // Others may see that the file is there, but not put another in its place.
    refuseDirectory(dirname(passphraseFile), 0o022);
    return passphraseFrom(passphraseFile, [userId(), 0], 0o077);
  }
  const credential = credentialsDirectory && join(credentialsDirectory, credentialName);
  // systemd owns these files and may give the service access by an ACL, whose mask shows as group bits.
  if (credential && fs.existsSync(credential))
    return passphraseFrom(credential, [userId(), 0], 0o007);
  throw new Fault("key_custody", "no passphrase for this host's keys was given", {
    remedy:
      `give the service a systemd credential named ${credentialName} (LoadCredential=), ` +
      "or name a file with --passphrase-file, " +
      "or choose unencrypted keys with --plain-keys",
  });
}

function passphraseFrom(path: string, owners: readonly number[], forbidden: number): Custody {
  const bytes = readGuarded(path, passphraseMaxBytes, owners, forbidden);
  // Editors and echo end a file with a newline, which nobody means as a part of the passphrase.
  const isEnded = bytes.at(-1) === 0x0a;
  const passphrase = new Secret(isEnded ? bytes.slice(0, -1) : bytes);
  bytes.fill(0);
  return underPassphrase(passphrase, {
    where: `the passphrase in ${path}`,
    remedy: `put at least ${passphraseMinBytes} bytes there: openssl rand -hex 32`,
  });
}

/** Throws `key_custody` for a passphrase that is too short, saying where it came from. */
export function underPassphrase(
  passphrase: Secret,
  source: { readonly where: string; readonly remedy: string },
): Custody {
  if (passphrase.sizeBytes >= passphraseMinBytes) return { kind: "passphrase", passphrase };
  throw new Fault("key_custody", `${source.where} is too short`, { remedy: source.remedy });
}

/** Reads a file that has one of these owners and none of the forbidden mode bits, and is no link. */
function readGuarded(
  path: string,
  sizeMaxBytes: number,
  owners: readonly number[],
  forbidden: number,
): Uint8Array {
  const fd = faulting("open", path, () =>
    // Looked at after it is open, so that nobody can swap it in between. A pipe must not block us.
    fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK),
  );
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) throw custodyFault(`${path} is not a regular file`, undefined);
    refuseMode(path, stat, owners, forbidden, "0600");
    if (stat.size > sizeMaxBytes) throw new Fault("store_corrupt", `${path} is too large`);
    return faulting("read", path, () => readAll(fd, stat.size));
  } finally {
    fs.closeSync(fd);
  }
}

/** Into an array of our own: the other ways to read leave copies that nobody wipes. */
function readAll(fd: number, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let end = 0;
  for (;;) {
    const read = fs.readSync(fd, bytes, end, sizeBytes - end, end);
    end += read;
    if (read === 0 || end === sizeBytes) return bytes.subarray(0, end);
  }
}

function refuseDirectory(path: string, forbidden: number): void {
  const stat = faulting("open", path, () => fs.lstatSync(path));
  if (!stat.isDirectory()) throw custodyFault(`${path} is not a directory itself`, undefined);
  const owners = forbidden === 0o077 ? [userId()] : [userId(), 0];
  refuseMode(path, stat, owners, forbidden, forbidden === 0o077 ? "0700" : "0755");
}

function refuseMode(
  path: string,
  { uid, mode }: { readonly uid: number; readonly mode: number },
  owners: readonly number[],
  forbidden: number,
  wanted: string,
): void {
  const chown = `chown ${userId()} ${quoted(path)}`;
  const chmod = `chmod ${wanted} ${quoted(path)}`;
  const isOpen = (mode & forbidden) !== 0;
  if (!owners.includes(uid)) {
    throw custodyFault(`${path} belongs to user ${uid}`, isOpen ? `${chown} && ${chmod}` : chown);
  }
  if (isOpen) {
    const bits = (mode & 0o7777).toString(8).padStart(4, "0");
    throw custodyFault(`others have access to ${path} (mode ${bits})`, chmod);
  }
}

function custodyFault(message: string, remedy: string | undefined): Fault {
  return new Fault("key_custody", message, remedy === undefined ? {} : { remedy });
}

const userId = (): number => process.geteuid?.() ?? 0;

/** As the remedy is typed into a shell. */
const quoted = (path: string): string =>
  /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;

function faultOf(path: string, rejection: KeyFileRejection): Fault {
  switch (rejection.code) {
    case "key_file_malformed":
      return new Fault("store_corrupt", `${path} is not a key file: ${rejection.issue}`, restore);
    case "version_unknown":
      return new Fault("version_unknown", `${path} has version ${rejection.version}`, {
        remedy: "run the version that wrote it, or a newer one",
      });
    case "algorithm_denied":
      return new Fault(
        "algorithm_denied",
        `${path} is sealed with ${rejection.algorithm}`,
        restore,
      );
    case "key_kind_mismatch": {
      const { expected, found } = rejection;
      return new Fault("key_custody", `${path} holds the ${found} key and not the ${expected} key`);
    }
    case "passphrase_needed":
      return new Fault("key_custody", `${path} is sealed and no passphrase was given`, {
        remedy: "name a file with --passphrase-file, and leave out --plain-keys",
      });
    case "key_file_plain":
      return new Fault("key_custody", `${path} is not encrypted, and a passphrase was given`, {
        remedy: "find out who put it there; --plain-keys accepts it",
      });
    case "unsealing_failed":
      return new Fault("key_custody", `${path} does not open: wrong passphrase, or damaged`, {
        remedy: "give the passphrase it was sealed with, or restore it from a backup",
      });
    default:
      return unreachable(rejection);
  }
}

const restore = { remedy: "restore it from a backup" };
