/**
 * nftables is the vocabulary of packet filters as nf_tables has it: tables, chains, sets, rules, the
 * changes to them, and the kernel's numbers for all that (linux/netfilter/nf_tables.h). It knows
 * nothing of what any filter of ours is for.
 */
import { messageFlag, MessageWriter } from "./netlink-message.ts";
import type { Expression } from "./nftables-expression.ts";

export type Table = { readonly family: keyof typeof families; readonly name: string };

export type Chain = {
  readonly name: string;
  /** Where the chain hangs in the kernel's packet path; null for one that is only jumped to. */
  readonly base: BaseChain | null;
};

export type BaseChain = {
  readonly type: "filter" | "nat" | "route";
  readonly hook: keyof typeof hooks;
  /** Signed: the lower runs the earlier. */
  readonly priority: number;
  readonly policy: keyof typeof policies;
};

/** A hash set: a look-up costs the same for one element and for a hundred thousand. */
export type HashSet = {
  readonly name: string;
  readonly key: keyof typeof keyTypes;
  /** Whether elements may carry a timeout, after which the kernel drops them by itself. */
  readonly hasTimeouts: boolean;
};

export type Element = {
  /** In network order, and of the size that the set's key type has. */
  readonly key: Uint8Array;
  readonly timeoutMs: number | null;
};

export type Rule = readonly Expression[];

/** One change to one table. Adding what is there is no error, except for a rule, which is appended. */
export type Statement =
  | { readonly kind: "add_table" }
  | { readonly kind: "delete_table" }
  | { readonly kind: "add_chain"; readonly chain: Chain }
  /** Removes the chain's rules and leaves the chain. */
  | { readonly kind: "flush_chain"; readonly chain: string }
  | { readonly kind: "add_rule"; readonly chain: string; readonly rule: Rule }
  | { readonly kind: "add_set"; readonly set: HashSet }
  | { readonly kind: "flush_set"; readonly set: string }
  | { readonly kind: "add_elements"; readonly set: string; readonly elements: readonly Element[] }
  /** Each must be there, or the transaction fails. */
  | {
      readonly kind: "delete_elements";
      readonly set: string;
      readonly elements: readonly Element[];
    };

export const families = { inet: 1, ip: 2, ip6: 10 } as const;
export const hooks = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
export const policies = { drop: 0, accept: 1 } as const;
/**
 * `number` and `byteOrder` mean nothing to the kernel, which keeps them for the nft program: by them it
 * knows how to print a key (nftables, include/datatype.h: 1 is the host's order, 2 big-endian).
 */
export const keyTypes = {
  ipv4_addr: { number: 7, sizeBytes: 4, byteOrder: 2 },
  ipv6_addr: { number: 8, sizeBytes: 16, byteOrder: 2 },
  ifname: { number: 41, sizeBytes: 16, byteOrder: 1 },
} as const;
export const setFlags = { timeout: 0x10 } as const;
export const chainFlags = { base: 1 } as const;

/** NFT_MSG_* of linux/netfilter/nf_tables.h. */
export const message = {
  newTable: 0,
  getTable: 1,
  deleteTable: 2,
  newChain: 3,
  getChain: 4,
  newRule: 6,
  getRule: 7,
  deleteRule: 8,
  newSet: 9,
  getSet: 10,
  newElements: 12,
  getElements: 13,
  deleteElements: 14,
  newGeneration: 15,
  getGeneration: 16,
} as const;

export const listEntry = 1;
export const tableField = { name: 1, flags: 2 } as const;
export const chainField = { table: 1, name: 3, hook: 4, policy: 5, type: 7, flags: 10 } as const;
export const hookField = { hook: 1, priority: 2 } as const;
export const ruleField = { table: 1, chain: 2, expressions: 4 } as const;
export const setField = {
  table: 1,
  name: 2,
  flags: 3,
  keyType: 4,
  keySize: 5,
  description: 9,
  id: 10,
  timeout: 11,
  userData: 13,
  expression: 17,
  expressions: 18,
} as const;
export const elementsField = { table: 1, set: 2, elements: 3 } as const;
export const elementField = {
  key: 1,
  data: 2,
  flags: 3,
  timeout: 4,
  expiration: 5,
  expression: 7,
  object: 9,
  keyEnd: 10,
  expressions: 11,
} as const;

export const subsystem = 10;
export const version = 0;

/** Opens a message of nf_tables: the netlink header and `struct nfgenmsg`. */
export function openMessage(type: number, table: Table, flags: number): MessageWriter {
  const writer = new MessageWriter((subsystem << 8) | type, messageFlag.request | flags);
  return writer.u8(families[table.family]).u8(version).u16(0);
}
