/**
 * certificate makes the control server's own TLS key (P-256) and a certificate for it that it signs
 * itself. Nodes know the key by its hash; the certificate only carries it.
 */
// The certificate library's dependency injection needs this, and needs it first.
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { encodeBase64, encodeHex } from "../base/bytes.ts";
import { Secret } from "../base/secret.ts";
import type { Random } from "../crypto/ed25519.ts";
import type { UnixS } from "../model/time.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const dayMs = 86_400_000;
const lifetimeDays = 3_653;

/** `host` is a DNS name or an address without brackets. Both results are PEM. */
export async function makeCertificate(
  host: string,
  now: UnixS,
  random: Random,
): Promise<{ readonly certificate: string; readonly tlsKey: Secret }> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const isAddress = /^[0-9.]+$|:/.test(host);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=rustynet-control",
    keys,
    signingAlgorithm: algorithm,
    // A positive number of 16 bytes (RFC 5280 section 4.1.2.2).
    serialNumber: `01${encodeHex(random(15))}`,
    // A day back, for nodes whose clocks are behind.
    notBefore: new Date(now * 1_000 - dayMs),
    notAfter: new Date(now * 1_000 + lifetimeDays * dayMs),
    extensions: [
      new x509.SubjectAlternativeNameExtension([{ type: isAddress ? "ip" : "dns", value: host }]),
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(["1.3.6.1.5.5.7.3.1"]),
    ],
  });
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  const tlsKey = new Secret(new TextEncoder().encode(pemOf("PRIVATE KEY", pkcs8)));
  pkcs8.fill(0);
  return { certificate: `${certificate.toString("pem")}\n`, tlsKey };
}

const pemOf = (label: string, bytes: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${encodeBase64(bytes).replace(/.{1,64}/g, "$&\n")}-----END ${label}-----\n`;
