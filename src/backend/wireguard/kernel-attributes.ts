/** kernel-attributes holds the numbers of the kernel's interface (linux/wireguard.h). */

export const familyName = "wireguard";
export const familyVersion = 1;
export const command = { get: 0, set: 1 } as const;
export const deviceAttribute = {
  name: 2,
  secret: 3,
  publicKey: 4,
  listenPort: 6,
  mark: 7,
  peers: 8,
} as const;
export const peerAttribute = {
  publicKey: 1,
  flags: 3,
  endpoint: 4,
  keepalive: 5,
  lastHandshake: 6,
  receivedBytes: 7,
  sentBytes: 8,
  prefixes: 9,
} as const;
export const prefixAttribute = { family: 1, address: 2, bits: 3 } as const;
export const peerFlag = { remove: 1, updateOnly: 4 } as const;
