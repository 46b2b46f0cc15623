/** certificate-chain makes what an operator would get from an authority: root, intermediate, leaf. */
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { Secret } from "../../src/base/secret.ts";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const validity = { notBefore: new Date("2020-01-01"), notAfter: new Date("2080-01-01") };

export async function certificateChain(address: string) {
  const keys = () => crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const [rootKeys, intermediateKeys, leafKeys] = [await keys(), await keys(), await keys()];
  const signs = [new x509.BasicConstraintsExtension(true, undefined, true)];
  const shared = { ...validity, signingAlgorithm: algorithm };
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    ...shared,
    serialNumber: "01",
    name: "CN=root",
    keys: rootKeys,
    extensions: signs,
  });
  const intermediate = await x509.X509CertificateGenerator.create({
    ...shared,
    serialNumber: "02",
    subject: "CN=intermediate",
    issuer: root.subject,
    publicKey: intermediateKeys.publicKey,
    signingKey: rootKeys.privateKey,
    extensions: signs,
  });
  const leaf = await x509.X509CertificateGenerator.create({
    ...shared,
    serialNumber: "03",
    subject: "CN=leaf",
    issuer: intermediate.subject,
    publicKey: leafKeys.publicKey,
    signingKey: intermediateKeys.privateKey,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: "ip", value: address }])],
  });
  const pkcs8 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", leafKeys.privateKey));
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.toBase64()}\n-----END PRIVATE KEY-----\n`;
  return {
    root: root.toString("pem"),
    intermediate: intermediate.toString("pem"),
    leaf: leaf.toString("pem"),
    leafKey: new Secret(new TextEncoder().encode(key)),
  };
}
