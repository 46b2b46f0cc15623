/** tls-files reads the certificate and the key that the control server shows to nodes. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import * as v from "valibot";
import { encodeHex } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import { Secret } from "../base/secret.ts";
import type { Custody } from "../crypto/key-file.ts";
import { sha256 } from "../crypto/hash.ts";
import { TlsPin } from "../model/keys.ts";
import { readKeyFile } from "../store/key-file.ts";
import type { filesIn, NetworkConfig } from "./config.ts";

export type TlsMaterial = {
  /** A chain, PEM, the leaf first. */
  readonly certificate: string;
  /** PEM. */
  readonly tlsKey: Secret;
};

/** By what a join token knows this server: the hash of its TLS public key. */
export function tlsPinOf(certificate: string): TlsPin {
  const { publicKey } = new X509Certificate(certificate);
  return v.parse(TlsPin, encodeHex(sha256(publicKey.export({ type: "spki", format: "der" }))));
}

/** Throws `key_custody` or `not_found` for our own files, `config_invalid` for the operator's. */
export function readTls(
  tls: NetworkConfig["tls"],
  files: ReturnType<typeof filesIn>,
  custody: Custody,
): TlsMaterial {
  if (tls.kind === "self_signed") {
    const tlsKey = readKeyFile(files.tlsKey, "tls", custody);
    return { certificate: readText(files.certificate), tlsKey };
  }
  const tlsKey = new Secret(new TextEncoder().encode(readText(tls.key)));
  return { certificate: readText(tls.certificate), tlsKey };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new Fault("config_invalid", `cannot read ${path}`, {
      cause,
      remedy: "see that the file is there and that the service's user may read it",
    });
  }
}
