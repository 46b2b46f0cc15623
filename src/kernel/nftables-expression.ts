/**
 * nftables-expression is the vocabulary of rules: what one step of a rule does, how the kernel is
 * told, and how its answer is read back (linux/netfilter/nf_tables.h). A kind is the kernel's own
 * name of the expression. A new kind is a new entry in `Expressions` and in `codecs`.
 */
import type { MessageWriter } from "./netlink-message.ts";
import { type Fields, fieldsOf, nested, text, u8, u32, u64, wordOf } from "./nftables-fields.ts";

/** One of the four 16-byte registers (NFT_REG_1 to NFT_REG_4) that carry a value between steps. */
export type Register = 1 | 2 | 3 | 4;

export type Verdict =
  | { readonly kind: "accept" }
  | { readonly kind: "drop" }
  /** Goes through a regular chain, and comes back if that did not decide. */
  | { readonly kind: "jump"; readonly chain: string };

type Expressions = {
  /** Loads what the kernel knows about the packet beside its bytes. Names are 16 bytes, padded. */
  readonly meta: { readonly key: keyof typeof metaKeys; readonly to: Register };
  /** Loads bytes of the packet. */
  readonly payload: {
    readonly base: keyof typeof payloadBases;
    readonly offsetBytes: number;
    readonly sizeBytes: number;
    readonly to: Register;
  };
  /** Loads what connection tracking knows. Numbers are in host byte order. */
  readonly ct: { readonly key: keyof typeof ctKeys; readonly to: Register };
  /** `to = (from & mask) ^ xor`; both of the size of the value. */
  readonly bitwise: {
    readonly from: Register;
    readonly to: Register;
    readonly mask: Uint8Array;
    readonly xor: Uint8Array;
  };
  /** Ends the rule here unless the register compares so. */
  readonly cmp: {
    readonly from: Register;
    readonly is: keyof typeof comparisons;
    readonly value: Uint8Array;
  };
  /** Ends the rule here unless the register is in the set; inverted, unless it is not. */
  readonly lookup: {
    readonly from: Register;
    readonly set: string;
    readonly isInverted: boolean;
  };
  readonly counter: { readonly packets: bigint; readonly bytes: bigint };
  readonly immediate: { readonly verdict: Verdict };
  /** Drops and tells the sender: a TCP reset, or an ICMP error of either family. */
  readonly reject: { readonly answer: "tcp_reset" | keyof typeof icmpCodes };
};

type Kind = keyof Expressions;
export type Expression<K extends Kind = Kind> = {
  readonly [P in K]: { readonly kind: P } & Expressions[P];
}[K];

const metaKeys = {
  mark: 3,
  iifname: 6,
  oifname: 7,
  skuid: 10,
  nfproto: 15,
  l4proto: 16,
} as const;
const payloadBases = { link: 0, network: 1, transport: 2 } as const;
const ctKeys = { state: 0, direction: 1, status: 2, mark: 3 } as const;
const comparisons = { eq: 0, neq: 1, lt: 2, lte: 3, gt: 4, gte: 5 } as const;
const icmpCodes = {
  no_route: 0,
  port_unreachable: 1,
  host_unreachable: 2,
  admin_prohibited: 3,
} as const;

/** The bits of `ct state`, in host byte order (linux/netfilter/nf_conntrack_common.h). */
export const ctStates = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 } as const;
/** The one byte of `ct direction`. */
export const ctDirections = { original: 0, reply: 1 } as const;
/** The one byte of `meta nfproto` (linux/netfilter.h). */
export const nfProtocols = { ipv4: 2, ipv6: 10 } as const;

const verdictCodes = { drop: 0, accept: 1, jump: 0xffff_fffd } as const;
const rejectTypes = { tcpReset: 1, icmpx: 2 } as const;
const bitwiseMaskXor = 0;
const lookupInverted = 1;

type Codec<K extends Kind> = {
  readonly write: (to: MessageWriter, expression: Expressions[K]) => void;
  /** Returns undefined for what the vocabulary cannot say. */
  readonly read: (fields: Fields) => Expressions[K] | undefined;
};

const metaField = { to: 1, key: 2 } as const;
const meta: Codec<"meta"> = {
  write: (message, { key, to }) =>
    message.attributeU32Be(metaField.key, metaKeys[key]).attributeU32Be(metaField.to, to),
  read(fields) {
    const key = wordOf(metaKeys, u32(fields, metaField.key));
    const to = register(fields, metaField.to);
    return key === undefined || to === undefined ? undefined : { key, to };
  },
};

const payloadField = { to: 1, base: 2, offset: 3, size: 4 } as const;
const payload: Codec<"payload"> = {
  write: (message, { base, offsetBytes, sizeBytes, to }) =>
    message
      .attributeU32Be(payloadField.to, to)
      .attributeU32Be(payloadField.base, payloadBases[base])
      .attributeU32Be(payloadField.offset, offsetBytes)
      .attributeU32Be(payloadField.size, sizeBytes),
  read(fields) {
    const to = register(fields, payloadField.to);
    const base = wordOf(payloadBases, u32(fields, payloadField.base));
    const offsetBytes = u32(fields, payloadField.offset);
    const sizeBytes = u32(fields, payloadField.size);
    if (to === undefined || base === undefined) return undefined;
    if (offsetBytes === undefined || sizeBytes === undefined) return undefined;
    return { base, offsetBytes, sizeBytes, to };
  },
};

const ctField = { to: 1, key: 2, direction: 3 } as const;
const ct: Codec<"ct"> = {
  write: (message, { key, to }) =>
    message.attributeU32Be(ctField.key, ctKeys[key]).attributeU32Be(ctField.to, to),
  read(fields) {
    const key = wordOf(ctKeys, u32(fields, ctField.key));
    const to = register(fields, ctField.to);
    // One side of a flow, such as the packets of the replies, is not in the vocabulary.
    if (key === undefined || to === undefined || fields.has(ctField.direction)) return undefined;
    return { key, to };
  },
};

const bitwiseField = { from: 1, to: 2, size: 3, mask: 4, xor: 5, operation: 6 } as const;
const bitwise: Codec<"bitwise"> = {
  write(message, { from, to, mask, xor }) {
    message
      .attributeU32Be(bitwiseField.from, from)
      .attributeU32Be(bitwiseField.to, to)
      .attributeU32Be(bitwiseField.size, mask.length);
    writeValue(message, bitwiseField.mask, mask);
    writeValue(message, bitwiseField.xor, xor);
  },
  read(fields) {
    // Kernels before 5.6 knew no other operation and do not name it.
    const operation = u32(fields, bitwiseField.operation) ?? bitwiseMaskXor;
    const from = register(fields, bitwiseField.from);
    const to = register(fields, bitwiseField.to);
    const mask = readValue(fields, bitwiseField.mask);
    const xor = readValue(fields, bitwiseField.xor);
    if (operation !== bitwiseMaskXor || from === undefined || to === undefined) return undefined;
    return mask === undefined || xor === undefined ? undefined : { from, to, mask, xor };
  },
};

const cmpField = { from: 1, operation: 2, data: 3 } as const;
const cmp: Codec<"cmp"> = {
  write(message, { from, is, value }) {
    message.attributeU32Be(cmpField.from, from).attributeU32Be(cmpField.operation, comparisons[is]);
    writeValue(message, cmpField.data, value);
  },
  read(fields) {
    const from = register(fields, cmpField.from);
    const is = wordOf(comparisons, u32(fields, cmpField.operation));
    const value = readValue(fields, cmpField.data);
    if (from === undefined || is === undefined || value === undefined) return undefined;
    return { from, is, value };
  },
};

const lookupField = { set: 1, from: 2, to: 3, flags: 5 } as const;
const lookup: Codec<"lookup"> = {
  write: (message, { from, set, isInverted }) =>
    message
      .attributeText(lookupField.set, set)
      .attributeU32Be(lookupField.from, from)
      .attributeU32Be(lookupField.flags, isInverted ? lookupInverted : 0),
  read(fields) {
    const set = text(fields, lookupField.set);
    const from = register(fields, lookupField.from);
    const flags = u32(fields, lookupField.flags) ?? 0;
    // A lookup with a destination reads a map.
    if (set === undefined || from === undefined || fields.has(lookupField.to)) return undefined;
    return flags > lookupInverted ? undefined : { from, set, isInverted: flags !== 0 };
  },
};

const counterField = { bytes: 1, packets: 2 } as const;
const counter: Codec<"counter"> = {
  write: (message, { packets, bytes }) =>
    message.attributeU64Be(counterField.bytes, bytes).attributeU64Be(counterField.packets, packets),
  read(fields) {
    const bytes = u64(fields, counterField.bytes);
    const packets = u64(fields, counterField.packets);
    return bytes === undefined || packets === undefined ? undefined : { packets, bytes };
  },
};

const immediateField = { to: 1, data: 2 } as const;
const verdictRegister = 0;
const dataField = { value: 1, verdict: 2 } as const;
const verdictField = { code: 1, chain: 2 } as const;
const immediate: Codec<"immediate"> = {
  write: (message, { verdict }) =>
    message.attributeU32Be(immediateField.to, verdictRegister).nest(immediateField.data, (data) =>
      data.nest(dataField.verdict, (inner) => {
        inner.attributeU32Be(verdictField.code, verdictCodes[verdict.kind]);
        if (verdict.kind === "jump") inner.attributeText(verdictField.chain, verdict.chain);
      }),
    ),
  read(fields) {
    if (u32(fields, immediateField.to) !== verdictRegister) return undefined;
    const data = nested(fields, immediateField.data);
    const inner = data === undefined ? undefined : nested(data, dataField.verdict);
    if (inner === undefined) return undefined;
    const kind = wordOf(verdictCodes, u32(inner, verdictField.code));
    const chain = text(inner, verdictField.chain);
    if (kind === "jump") return chain === undefined ? undefined : { verdict: { kind, chain } };
    return kind === undefined ? undefined : { verdict: { kind } };
  },
};

const rejectField = { type: 1, code: 2 } as const;
const reject: Codec<"reject"> = {
  write(message, { answer }) {
    if (answer === "tcp_reset") message.attributeU32Be(rejectField.type, rejectTypes.tcpReset);
    else
      message
        .attributeU32Be(rejectField.type, rejectTypes.icmpx)
        .attributeU8(rejectField.code, icmpCodes[answer]);
  },
  read(fields) {
    const type = u32(fields, rejectField.type);
    if (type === rejectTypes.tcpReset) return { answer: "tcp_reset" };
    const answer = wordOf(icmpCodes, u8(fields, rejectField.code));
    return type !== rejectTypes.icmpx || answer === undefined ? undefined : { answer };
  },
};

const codecs: { readonly [K in Kind]: Codec<K> } = {
  meta,
  payload,
  ct,
  bitwise,
  cmp,
  lookup,
  counter,
  immediate,
  reject,
};

const expressionField = { name: 1, data: 2 } as const;

/** Writes the name and the data of an expression; the list entry around them is the caller's. */
export function encodeExpression<K extends Kind>(to: MessageWriter, expression: Expression<K>) {
  const codec: Codec<K> = codecs[expression.kind];
  to.attributeText(expressionField.name, expression.kind);
  to.nest(expressionField.data, (inner) => codec.write(inner, expression));
}

/** Returns null for an expression that the vocabulary does not have, or not in that form. */
export function decodeExpression(entry: Uint8Array): Expression | null {
  const fields = fieldsOf(entry);
  const kind = text(fields, expressionField.name) ?? "";
  const data = nested(fields, expressionField.data);
  return isKind(kind) && data !== undefined ? readAs(kind, data) : null;
}

function readAs<K extends Kind>(kind: K, data: Fields): Expression | null {
  const read = codecs[kind].read(data);
  return read === undefined ? null : ({ kind, ...read } as Expression);
}

const isKind = (name: string): name is Kind => Object.hasOwn(codecs, name);

/** Data as nf_tables nests it: the key of an element, the value of a comparison. */
export function writeValue(to: MessageWriter, type: number, value: Uint8Array): void {
  to.nest(type, (data) => data.attribute(dataField.value, value));
}

export function readValue(fields: Fields, type: number): Uint8Array | undefined {
  return nested(fields, type)?.get(dataField.value);
}

function register(fields: Fields, type: number): Register | undefined {
  const number = u32(fields, type);
  return number === 1 || number === 2 || number === 3 || number === 4 ? number : undefined;
}
