/**
 * nftables-encode writes changes as the messages of one transaction (linux/netfilter/nfnetlink.h).
 */
import { assert, unreachable } from "../base/assert.ts";
import { messageFlag, MessageWriter } from "./netlink-message.ts";
import {
  type Chain,
  chainField,
  type Element,
  elementField,
  elementsField,
  type HashSet,
  hookField,
  hooks,
  keyTypes,
  listEntry,
  message,
  openMessage,
  policies,
  type Rule,
  ruleField,
  setField,
  setFlags,
  type Statement,
  subsystem,
  type Table,
  tableField,
  version,
} from "./nftables.ts";
import { encodeExpression, writeValue } from "./nftables-expression.ts";

const batchMessage = { begin: 16, end: 17 } as const;
const batchGeneration = 1;
/** A tag of the set's user data, which is tag, size, value (libnftnl, udata.h). */
const keyByteOrder = 0;

/** How many bytes of elements one message takes: an attribute's length is 16 bits wide. */
const elementsMaxBytes = 60_000;

/**
 * The messages of one transaction: the kernel does all of it or none, and no packet sees a part. With
 * a generation the kernel refuses (ERESTART) if any ruleset was changed since that generation was
 * read. Only the last change asks for an answer; a change that fails is answered without asking.
 */
export function encodeTransaction(
  table: Table,
  statements: readonly Statement[],
  generation: number | null,
): readonly MessageWriter[] {
  assert(statements.length > 0, "a transaction changes something");
  const last = statements.length - 1;
  const changes = statements.flatMap((statement, index) =>
    encodeStatement(table, statement, index === last ? messageFlag.acknowledge : 0),
  );
  const begin = openBatch(batchMessage.begin);
  if (generation !== null) begin.attributeU32Be(batchGeneration, generation);
  return [begin, ...changes, openBatch(batchMessage.end)];
}

/** A batch names its subsystem in `res_id`, which is big-endian. */
const openBatch = (type: number): MessageWriter =>
  new MessageWriter(type, messageFlag.request).u8(0).u8(version).u8(0).u8(subsystem);

function encodeStatement(
  table: Table,
  statement: Statement,
  flags: number,
): readonly MessageWriter[] {
  const open = (type: number): MessageWriter => openMessage(type, table, flags);
  const create = (type: number): MessageWriter =>
    openMessage(type, table, flags | messageFlag.create);
  switch (statement.kind) {
    case "add_table":
      return [create(message.newTable).attributeText(tableField.name, table.name)];
    case "delete_table":
      return [open(message.deleteTable).attributeText(tableField.name, table.name)];
    case "add_chain":
      return [encodeChain(create(message.newChain), table, statement.chain)];
    case "flush_chain":
      return [encodeRule(open(message.deleteRule), table, statement.chain, null)];
    case "add_rule": {
      const append = flags | messageFlag.create | messageFlag.append;
      const writer = openMessage(message.newRule, table, append);
      return [encodeRule(writer, table, statement.chain, statement.rule)];
    }
    case "add_set":
      return [encodeSet(create(message.newSet), table, statement.set)];
    case "flush_set":
      return [encodeElements(open(message.deleteElements), table, statement.set, null)];
    case "add_elements":
      return chunksOf(statement.elements).map((elements) =>
        encodeElements(create(message.newElements), table, statement.set, elements),
      );
    case "delete_elements":
      return chunksOf(statement.elements).map((elements) =>
        encodeElements(open(message.deleteElements), table, statement.set, elements),
      );
    default:
      return unreachable(statement);
  }
}

function encodeChain(to: MessageWriter, table: Table, { name, base }: Chain): MessageWriter {
  to.attributeText(chainField.table, table.name).attributeText(chainField.name, name);
  if (base === null) return to;
  return to
    .nest(chainField.hook, (hook) =>
      hook
        .attributeU32Be(hookField.hook, hooks[base.hook])
        .attributeU32Be(hookField.priority, base.priority),
    )
    .attributeU32Be(chainField.policy, policies[base.policy])
    .attributeText(chainField.type, base.type);
}

/** Without a rule, the message means every rule of the chain. */
function encodeRule(
  to: MessageWriter,
  table: Table,
  chain: string,
  rule: Rule | null,
): MessageWriter {
  to.attributeText(ruleField.table, table.name).attributeText(ruleField.chain, chain);
  if (rule === null) return to;
  return to.nest(ruleField.expressions, (entries) => {
    for (const expression of rule)
      entries.nest(listEntry, (entry) => encodeExpression(entry, expression));
  });
}

function encodeSet(to: MessageWriter, table: Table, set: HashSet): MessageWriter {
  // The kernel wants a number by which later messages of the batch could mean this set; ours use
  // the name.
  const unusedId = 1;
  const { number, sizeBytes, byteOrder } = keyTypes[set.key];
  return to
    .attributeText(setField.table, table.name)
    .attributeText(setField.name, set.name)
    .attributeU32Be(setField.flags, set.hasTimeouts ? setFlags.timeout : 0)
    .attributeU32Be(setField.keyType, number)
    .attributeU32Be(setField.keySize, sizeBytes)
    .attributeU32Be(setField.id, unusedId)
    .attribute(setField.userData, Uint8Array.of(keyByteOrder, 4, byteOrder, 0, 0, 0));
}

/** Without elements, the message means every element of the set. */
function encodeElements(
  to: MessageWriter,
  table: Table,
  set: string,
  elements: readonly Element[] | null,
): MessageWriter {
  to.attributeText(elementsField.table, table.name).attributeText(elementsField.set, set);
  if (elements === null) return to;
  return to.nest(elementsField.elements, (entries) => {
    for (const element of elements)
      entries.nest(listEntry, (entry) => {
        writeValue(entry, elementField.key, element.key);
        if (element.timeoutMs !== null)
          entry.attributeU64Be(elementField.timeout, BigInt(element.timeoutMs));
      });
  });
}

function chunksOf(elements: readonly Element[]): readonly (readonly Element[])[] {
  assert(elements.length > 0, "a message about elements names some: none would mean all of them");
  const nests = 12;
  const timeoutSize = 12;
  const sizeBytes = nests + (elements[0]?.key.length ?? 0) + timeoutSize;
  const length = Math.floor(elementsMaxBytes / sizeBytes);
  const chunks: (readonly Element[])[] = [];
  for (let start = 0; start < elements.length; start += length)
    chunks.push(elements.slice(start, start + length));
  return chunks;
}
