/**
 * initiation makes first messages of WireGuard's handshake from somebody who has no key that the receiver
 * knows: as far as anybody comes who has read the receiver's public key, and for whom it has to work.
 */
import { createHash, randomBytes } from "node:crypto";
import { blake2s } from "../../support/blake2s.ts";

/** Section 5.4.2 of the paper: type and reserved bytes, sender, ephemeral, static, timestamp, mac1, mac2. */
const layout = { mac1At: 116, mac2At: 132, lengthBytes: 148 } as const;

/** `good`: made with the receiver's public key, so that it is looked into. `bad`: as of somebody who only scans. */
export type Mac1 = "good" | "bad";

/** Section 5.4.4: the receiver's public key is all that a mac1 needs. */
export function makeInitiation(receiverKey: Uint8Array, mac1: Mac1): Uint8Array {
  const message = new Uint8Array(randomBytes(layout.lengthBytes));
  message.set([1, 0, 0, 0]);
  message.fill(0, layout.mac2At);
  if (mac1 === "bad") return message;
  const key = createHash("blake2s256").update("mac1----").update(receiverKey).digest();
  message.set(blake2s(message.subarray(0, layout.mac1At), { key, outputBytes: 16 }), layout.mac1At);
  return message;
}
