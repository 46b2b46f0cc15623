/**
 * init makes a network: keys, genesis statement, certificate and database, in a directory that gets
 * its name when all of it is there. A crash before that leaves nothing that counts.
 */
import { X509Certificate, createPrivateKey } from "node:crypto";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";
import type { Clock } from "../base/clock.ts";
import { encodeUtf8 } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import type { Secret } from "../base/secret.ts";
import { keygen, type Random } from "../crypto/ed25519.ts";
import type { Custody } from "../crypto/key-file.ts";
import { lockFile } from "../kernel/file-lock.ts";
import { ipv4RangeDefault } from "../membership/addresses.ts";
import type { Membership } from "../membership/membership.ts";
import { Endpoint, splitEndpoint } from "../model/ip.ts";
import { ApproverName } from "../model/names.ts";
import { createFile, makeDirectory, nodeDisk } from "../store/disk.ts";
import { readPassphrase, writeKeyFile } from "../store/key-file.ts";
import { ControlUrl } from "../wire/join-token.ts";
import { abuseLimitsDefault } from "./abuse.ts";
import { makeCertificate } from "./certificate.ts";
import {
  encodeNetworkConfig,
  filesIn,
  layout,
  type NetworkConfig,
  readNetworkConfig,
} from "./config.ts";
import { foundNetwork } from "./founding.ts";
import type { InitOptions } from "./options.ts";
import { tlsPinOf } from "./tls-files.ts";

export type Outcome =
  | { readonly kind: "made"; readonly config: NetworkConfig; readonly founded: Founded }
  | { readonly kind: "there_already"; readonly config: NetworkConfig };

export type Founded = { readonly network: string; readonly genesis: string; readonly pin: string };

export type InitSurroundings = {
  readonly credentialsDirectory: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
};

/**
 * Throws `already_exists` when a network is there that was made with other answers, and `key_custody`
 * when nobody said how the keys are to be kept.
 */
export async function initNetwork(
  options: InitOptions,
  surroundings: InitSurroundings,
): Promise<Outcome> {
  const places = layout(options["state-dir"]);
  // What is there is only compared, and its server may be running: that needs no lock.
  const there = findNetwork(options, places);
  if (there !== null) return there;
  makeDirectory(options["state-dir"], 0o700);
  using _lock = lockFile(
    places.lock,
    "another program makes a network in this state directory",
    "let it end, and try again",
  );
  const madeMeanwhile = findNetwork(options, places);
  if (madeMeanwhile !== null) return madeMeanwhile;
  const custody = readPassphrase({
    credentialsDirectory: surroundings.credentialsDirectory,
    passphraseFile: options["passphrase-file"],
    plain: options["plain-keys"],
  });
  const config = configFrom(options, custody);
  const fresh = `${places.network}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { mode: 0o700 });
  const founded = await fill(fresh, config, custody, surroundings);
  giveToOwner(fresh, options["state-dir"]);
  nodeDisk.syncDirectory(fresh);
  renameSync(fresh, places.network);
  nodeDisk.syncDirectory(dirname(places.network));
  return { kind: "made", config, founded };
}

/** Null when there is none yet. Throws `already_exists` when it was made with other answers. */
function findNetwork(options: InitOptions, places: ReturnType<typeof layout>): Outcome | null {
  const config = readNetworkConfig(places.config);
  if (config === null) return null;
  refuseOtherAnswers(options, config, places.network);
  return { kind: "there_already", config };
}

function configFrom(options: InitOptions, custody: Custody): NetworkConfig {
  const listen = options.listen ?? v.parse(Endpoint, "0.0.0.0:8443");
  const { "tls-cert": certificate, "tls-key": key } = options;
  if ((certificate === undefined) !== (key === undefined)) {
    throw new Fault("usage", "a certificate and its key belong together", {
      remedy: "give both --tls-cert and --tls-key, or neither",
    });
  }
  const { address, ...others } = abuseLimitsDefault;
  return {
    version: 1,
    url: options.url ?? urlFrom(listen),
    listen,
    range: options.range ?? ipv4RangeDefault,
    approver: options.name ?? v.parse(ApproverName, "owner"),
    custody: custody.kind === "plain" ? "plain" : "sealed",
    tls:
      certificate === undefined || key === undefined
        ? { kind: "self_signed" }
        : { kind: "files", certificate, key },
    limits: {
      address: {
        burst: options["enroll-burst"] ?? address.burst,
        refillPerMinute: options["enroll-per-minute"] ?? address.refillPerMinute,
      },
      ...others,
    },
  };
}

/** Nodes have to know where to go, and "everywhere" is not a place. */
function urlFrom(listen: Endpoint): ControlUrl {
  const { address } = splitEndpoint(listen);
  if (address === "0.0.0.0" || address === "::") {
    throw new Fault("usage", "nodes need to know where this server is", {
      remedy: "rustynet control init --url https://HOST:8443, by a name or address they can reach",
    });
  }
  const url = new URL(`https://${listen}`).origin;
  return v.parse(ControlUrl, url);
}

async function fill(
  directory: string,
  config: NetworkConfig,
  custody: Custody,
  { clock, random }: InitSurroundings,
): Promise<Founded> {
  const files = filesIn(directory);
  const approver = keygen(random);
  const control = keygen(random);
  writeKeyFile(files.approverKey, "approver", approver.seed, custody, random);
  writeKeyFile(files.controlKey, "control", control.seed, custody, random);
  const certificate = await certificateFor(config, clock, random, (pem, tlsKey) => {
    writeKeyFile(files.tlsKey, "tls", tlsKey, custody, random);
    createFile(nodeDisk, files.certificate, encodeUtf8(pem));
  });
  const founding = {
    ipv4Range: config.range,
    approverName: config.approver,
    approver,
    control: control.publicKey,
  };
  const membership: Membership = await foundNetwork(files.database, founding, clock.nowS(), random);
  createFile(nodeDisk, files.config, encodeNetworkConfig(config));
  const { network } = membership.state;
  return { network, genesis: membership.root, pin: tlsPinOf(certificate) };
}

async function certificateFor(
  { tls, url }: NetworkConfig,
  clock: Clock,
  random: Random,
  keep: (certificate: string, tlsKey: Secret) => void,
): Promise<string> {
  if (tls.kind === "files") return readOwnCertificate(tls.certificate, tls.key);
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  const { certificate, tlsKey } = await makeCertificate(host, clock.nowS(), random);
  keep(certificate, tlsKey);
  return certificate;
}

/** The operator's certificate, once it is clear that the key is its own. */
function readOwnCertificate(certificate: string, key: string): string {
  try {
    const pem = readFileSync(certificate, "utf8");
    if (new X509Certificate(pem).checkPrivateKey(createPrivateKey(readFileSync(key)))) return pem;
  } catch (cause) {
    throw new Fault("config_invalid", `cannot use ${certificate} with ${key}`, {
      cause,
      remedy: "both are PEM files that this user can read",
    });
  }
  throw new Fault("config_invalid", `${key} is not the key of ${certificate}`, {
    remedy: "name the key that the certificate was made for",
  });
}

/** Compares what was asked for now with what was chosen then; what was not asked for does not differ. */
function refuseOtherAnswers(options: InitOptions, there: NetworkConfig, place: string): void {
  const tls = there.tls.kind === "files" ? there.tls : { certificate: undefined, key: undefined };
  const pairs = [
    ["url", options.url, there.url],
    ["listen", options.listen, there.listen],
    ["range", options.range, there.range],
    ["name", options.name, there.approver],
    ["tls-cert", options["tls-cert"], tls.certificate],
    ["tls-key", options["tls-key"], tls.key],
    ["plain-keys", options["plain-keys"] || undefined, there.custody === "plain"],
    ["enroll-burst", options["enroll-burst"], there.limits.address.burst],
    ["enroll-per-minute", options["enroll-per-minute"], there.limits.address.refillPerMinute],
  ] as const;
  const [first] = pairs.filter(([, asked, found]) => asked !== undefined && asked !== found);
  if (first === undefined) return;
  const [name, , found] = first;
  throw new Fault(
    "already_exists",
    `${place} holds a network that was made with another --${name} (${found ?? "none"})`,
    { remedy: "use that network, or name another --state-dir; nothing was changed" },
  );
}

/** Root may make the network for the user that will run it: whoever owns the state directory. */
function giveToOwner(fresh: string, stateDirectory: string): void {
  chmodSync(fresh, 0o700);
  const { uid, gid } = statSync(stateDirectory);
  if (process.geteuid?.() !== 0 || uid === 0) return;
  for (const name of [...readdirSync(fresh), "."]) chownSync(join(fresh, name), uid, gid);
}
