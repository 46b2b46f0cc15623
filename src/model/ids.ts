/** ids: what networks, nodes, states and statements are called, one branded type each. */
import * as v from "valibot";

const hex = (digits: number) =>
  v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${digits}}$`), `not ${digits} hex digits`));

/** NetworkId is 128 random bits, chosen once by `control init`. */
export const NetworkId = v.pipe(hex(32), v.brand("NetworkId"));
export type NetworkId = v.InferOutput<typeof NetworkId>;

/** NodeId is the SHA-256 of the identity key with which the node was first admitted. */
export const NodeId = v.pipe(hex(64), v.brand("NodeId"));
export type NodeId = v.InferOutput<typeof NodeId>;

/** StateRoot is the hash that stands for one whole membership state. */
export const StateRoot = v.pipe(hex(64), v.brand("StateRoot"));
export type StateRoot = v.InferOutput<typeof StateRoot>;

/** UpdateId is 128 random bits that tell one membership update from every other. */
export const UpdateId = v.pipe(hex(32), v.brand("UpdateId"));
export type UpdateId = v.InferOutput<typeof UpdateId>;

/** PolicyHash is the hash of a policy document. */
export const PolicyHash = v.pipe(hex(64), v.brand("PolicyHash"));
export type PolicyHash = v.InferOutput<typeof PolicyHash>;

/** Nonce is 128 random bits, used once. */
export const Nonce = v.pipe(hex(32), v.brand("Nonce"));
export type Nonce = v.InferOutput<typeof Nonce>;

/** CredentialId names an enrollment credential: the first 64 bits of its secret's SHA-256. */
export const CredentialId = v.pipe(hex(16), v.brand("CredentialId"));
export type CredentialId = v.InferOutput<typeof CredentialId>;
