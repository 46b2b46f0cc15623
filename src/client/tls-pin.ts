/**
 * tls-pin knows the control server by the SHA-256 of its TLS public key (RFC 7469 section 2.4), so
 * that a certificate of its own is as good as one that an authority sold. Nothing is sent before the
 * key is known.
 */
import { X509Certificate } from "node:crypto";
import * as tls from "node:tls";
import { encodeHex } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import { sha256 } from "../crypto/hash.ts";
import type { TlsPin } from "../model/keys.ts";

/** For fetch and WebSocket: trusts the certificate with the pinned key and no other. */
export type PinnedTls = {
  readonly ca: string;
  /** The leaf itself is trusted, whoever signed it. */
  readonly allowPartialTrustChain: true;
  readonly checkServerIdentity: (
    host: string,
    certificate: { raw: Uint8Array },
  ) => Error | undefined;
};

const handshakeMaxMs = 10_000;

/**
 * Connects, looks at the certificate, and hangs up. Throws `pin_mismatch` with both fingerprints,
 * `unavailable`, or `timeout`.
 */
export async function probePin(url: string, pin: TlsPin): Promise<PinnedTls> {
  const certificate = await fetchCertificate(url);
  refuseOther(url, pin, certificate);
  return {
    ca: certificate.toString(),
    allowPartialTrustChain: true,
    // Called for every connection: the server that is asked need not be the one that was probed.
    checkServerIdentity: (_host, { raw }) =>
      pinOf(new X509Certificate(raw)) === pin ? undefined : new Error("another TLS key"),
  };
}

export const pinOf = (certificate: X509Certificate): string =>
  encodeHex(sha256(certificate.publicKey.export({ type: "spki", format: "der" })));

function refuseOther(url: string, pin: TlsPin, certificate: X509Certificate): void {
  const found = pinOf(certificate);
  if (found === pin) return;
  throw new Fault("pin_mismatch", `${url} shows the TLS key ${found}, the token names ${pin}`, {
    remedy:
      "somebody may be in between; if the server was really made anew, get a new token from it",
  });
}

function fetchCertificate(url: string): Promise<X509Certificate> {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  // RFC 6066 section 3: an address is no server name.
  const servername = /^[0-9.]+$|:/.test(host) ? "" : host;
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host,
      port: Number(port === "" ? 443 : port),
      servername,
      minVersion: "TLSv1.3",
      // Whose certificate it is gets decided by its key, in `refuseOther`, before anything is sent.
      rejectUnauthorized: false,
    });
    const fail = (code: "timeout" | "unavailable", why: string, cause?: unknown) => {
      socket.destroy();
      const remedy = "see that the control server runs and that this host can reach it";
      reject(new Fault(code, `cannot reach ${url}: ${why}`, { cause, remedy }));
    };
    socket.setTimeout(handshakeMaxMs, () => fail("timeout", "no answer in time"));
    socket.on("error", (cause) => fail("unavailable", cause.message, cause));
    socket.on("secureConnect", () => {
      const certificate = socket.getPeerX509Certificate();
      socket.destroy();
      if (certificate === undefined) fail("unavailable", "the server shows no certificate");
      else resolve(certificate);
    });
  });
}
