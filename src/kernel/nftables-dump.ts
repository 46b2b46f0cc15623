/**
 * nftables-dump reads back what the kernel holds, in the vocabulary of nftables. What the kernel adds
 * by itself (handles, use counts) is left out; what somebody wrote and the vocabulary cannot say is
 * reported as foreign, never skipped, so that a reader cannot mistake one ruleset for another.
 */
import { Fault } from "../base/fault.ts";
import { type Netlink, NetlinkError } from "./netlink.ts";
import { messageFlag, viewOf } from "./netlink-message.ts";
import {
  type Chain,
  chainField,
  chainFlags,
  type Element,
  elementField,
  elementsField,
  type HashSet,
  hookField,
  hooks,
  keyTypes,
  message,
  openMessage,
  policies,
  type Rule,
  ruleField,
  setField,
  setFlags,
  type Table,
  tableField,
} from "./nftables.ts";
import { decodeExpression, type Expression, readValue } from "./nftables-expression.ts";
import { type Fields, fieldsOf, list, nested, text, u32, u64, wordOf } from "./nftables-fields.ts";

/** A table without its elements, which may be many and are read set by set. */
export type HeldTable = {
  readonly sets: readonly HashSet[];
  readonly chains: readonly Chain[];
  /** In the order in which packets meet them, by chain. */
  readonly rules: ReadonlyMap<string, readonly Rule[]>;
  /** What the table holds beyond the vocabulary, in words. */
  readonly foreign: readonly string[];
};

export type HeldElement = Element & {
  /** How long the kernel will still keep it; null for one without a timeout. */
  readonly remainingMs: number | null;
};

const noSuchEntry = 2;
const attemptsMax = 20;

/**
 * Reads until nothing has changed while it read, since a table takes several requests. Also returns
 * the generation, for a transaction that is to hold only for what was read.
 */
export function readConsistently<T>(
  netlink: Netlink,
  read: () => T,
): { readonly generation: number; readonly value: T } {
  let cause: unknown;
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const generation = readGeneration(netlink);
    try {
      const value = read();
      if (readGeneration(netlink) === generation) return { generation, value };
    } catch (error) {
      // What was there a moment ago may be gone now: then this is no failure, but a change.
      if (!(error instanceof NetlinkError) && !(error instanceof TornDump)) throw error;
      if (error instanceof NetlinkError && readGeneration(netlink) === generation) throw error;
      cause = error;
    }
  }
  throw new Fault("busy", "the packet filter rules kept changing while they were read", {
    cause,
    remedy: "find the program that rewrites them without pause: `nft monitor`",
  });
}

/** Returns null when there is no such table. */
export function readTable(netlink: Netlink, table: Table): HeldTable | null {
  const found = readTableFlags(netlink, table);
  if (found === null) return null;
  const foreign: string[] = [];
  if (found !== 0) foreign.push(`table flags ${found}`);
  const sets = collect(dump(netlink, table, message.getSet, setField.table), decodeSet, foreign);
  const chains = collect(
    dump(netlink, table, message.getChain, chainField.table),
    decodeChain,
    foreign,
  );
  const rules = new Map<string, Rule[]>();
  for (const fields of dump(netlink, table, message.getRule, ruleField.table)) {
    const chain = text(fields, ruleField.chain) ?? "";
    const rule = decodeRule(fields);
    if (rule === null) foreign.push(`rule in chain ${chain}`);
    else rules.set(chain, [...(rules.get(chain) ?? []), rule]);
  }
  return { sets, chains, rules, foreign };
}

/** Returns null when an element is not a plain key with or without a timeout. */
export function readElements(
  netlink: Netlink,
  table: Table,
  set: string,
): readonly HeldElement[] | null {
  const request = openMessage(message.getElements, table, messageFlag.dump)
    .attributeText(elementsField.table, table.name)
    .attributeText(elementsField.set, set);
  const elements = netlink
    .request(`read set ${set}`, request)
    .flatMap(({ payload }) => list(fieldsOf(payload.subarray(4)), elementsField.elements))
    .map(decodeElement);
  return areAll(elements) ? withoutTears(elements) : null;
}

/** While a hash set grows, a dump that takes several messages can miss elements and repeat others. */
class TornDump extends Error {
  override readonly name = "TornDump";
}

function withoutTears(elements: readonly HeldElement[]): readonly HeldElement[] {
  const keys = new Set(elements.map(({ key }) => key.toHex()));
  if (keys.size < elements.length) throw new TornDump("a set was read while it was reorganised");
  return elements;
}

const areAll = (elements: readonly (HeldElement | null)[]): elements is readonly HeldElement[] =>
  elements.every((element) => element !== null);

const inet: Table = { family: "inet", name: "" };

function readGeneration(netlink: Netlink): number {
  const request = openMessage(message.getGeneration, inet, 0);
  const [answer] = netlink.request("read the generation of the rules", request);
  const generationId = 1;
  const generation = answer && u32(fieldsOf(answer.payload.subarray(4)), generationId);
  if (generation === undefined) throw new Fault("host_failed", "nf_tables named no generation");
  return generation;
}

function readTableFlags(netlink: Netlink, table: Table): number | null {
  const request = openMessage(message.getTable, table, 0);
  try {
    const [answer] = netlink.request(
      `read table ${table.name}`,
      request.attributeText(tableField.name, table.name),
    );
    return answer === undefined
      ? null
      : (u32(fieldsOf(answer.payload.subarray(4)), tableField.flags) ?? 0);
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === noSuchEntry) return null;
    throw error;
  }
}

/** Not every kernel narrows a dump to the table that was asked for. */
function dump(
  netlink: Netlink,
  table: Table,
  type: number,
  tableAttribute: number,
): readonly Fields[] {
  const request = openMessage(type, table, messageFlag.dump);
  return netlink
    .request(`read table ${table.name}`, request.attributeText(tableAttribute, table.name))
    .map(({ payload }) => fieldsOf(payload.subarray(4)))
    .filter((fields) => text(fields, tableAttribute) === table.name);
}

function collect<T>(
  answers: readonly Fields[],
  decode: (fields: Fields) => T | string,
  foreign: string[],
): readonly T[] {
  const known: T[] = [];
  for (const answer of answers) {
    const decoded = decode(answer);
    if (typeof decoded === "string") foreign.push(decoded);
    else known.push(decoded);
  }
  return known;
}

/** The set, or what is foreign about it. */
export function decodeSet(fields: Fields): HashSet | string {
  const name = text(fields, setField.name) ?? "";
  const flags = u32(fields, setField.flags) ?? 0;
  const number = u32(fields, setField.keyType);
  const key = wordOf(keyTypeNumbers, number);
  const size = u32(fields, setField.keySize);
  const extras = [setField.timeout, setField.expression, setField.expressions];
  const isPlain =
    (flags & ~setFlags.timeout) === 0 &&
    !extras.some((field) => fields.has(field)) &&
    !(nested(fields, setField.description)?.size ?? 0);
  if (key === undefined || size !== keyTypes[key].sizeBytes || !isPlain) return `set ${name}`;
  return { name, key, hasTimeouts: flags === setFlags.timeout };
}

const keyTypeNumbers = {
  ipv4_addr: keyTypes.ipv4_addr.number,
  ipv6_addr: keyTypes.ipv6_addr.number,
  ifname: keyTypes.ifname.number,
};

const chainTypes = ["filter", "nat", "route"] as const;

/** The chain, or what is foreign about it. */
export function decodeChain(fields: Fields): Chain | string {
  const name = text(fields, chainField.name) ?? "";
  const hookFields = nested(fields, chainField.hook);
  const flags = u32(fields, chainField.flags) ?? 0;
  if ((flags & ~chainFlags.base) !== 0) return `chain ${name} with flags ${flags}`;
  if (hookFields === undefined) return { name, base: null };
  const hook = wordOf(hooks, u32(hookFields, hookField.hook));
  const priority = hookFields.get(hookField.priority);
  const policy = wordOf(policies, u32(fields, chainField.policy));
  const type = chainTypes.find((word) => word === text(fields, chainField.type));
  if (hook === undefined || policy === undefined || type === undefined || priority?.length !== 4)
    return `chain ${name}`;
  return { name, base: { type, hook, priority: viewOf(priority).getInt32(0), policy } };
}

/** The rule, or null if one of its expressions is foreign. */
export function decodeRule(fields: Fields): Rule | null {
  const rule: Expression[] = [];
  for (const entry of list(fields, ruleField.expressions)) {
    const expression = decodeExpression(entry);
    if (expression === null) return null;
    rule.push(expression);
  }
  return rule;
}

/** The element, or null if it is more than a key with or without a timeout. */
export function decodeElement(entry: Uint8Array): HeldElement | null {
  const fields = fieldsOf(entry);
  const key = readValue(fields, elementField.key);
  const { data, flags, expression, object, keyEnd, expressions } = elementField;
  if (key === undefined) return null;
  if ([data, flags, expression, object, keyEnd, expressions].some((field) => fields.has(field)))
    return null;
  const timeout = u64(fields, elementField.timeout);
  const remaining = u64(fields, elementField.expiration) ?? timeout;
  return {
    key,
    timeoutMs: timeout === undefined ? null : Number(timeout),
    remainingMs: timeout === undefined ? null : Number(remaining),
  };
}
