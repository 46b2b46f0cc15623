/** types: section 1.3 of docs/protocol.md, written from the document alone. */
import { demand, fields, hex64, integer, list, oneOf, type Read, text } from "./text.ts";

const label = /^(?!xn--)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

export const key = hex64;
export const id128 = text(/^[0-9a-f]{32}$/);
export const name = text(label);
export const nodeName: Read<string> = (value) => {
  const given = name(value);
  demand(!/^([0-9]+|0x[0-9a-f]*)$/.test(given), "a node name that is a number");
  return given;
};
export const owner = text(/^[a-z0-9]([a-z0-9._+@-]{0,126}[a-z0-9])?$/);
export const counter = integer(0, 2 ** 48);
export const time = integer(0, 253_402_300_799);

type Address = { readonly number: bigint; readonly bits: 32 | 128 };

/** The number behind an address in its one spelling: WHATWG URLs spell as RFC 5952 asks. */
function addressOf(words: string): Address {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(words)) {
    const bytes = words.split(".").map(Number);
    demand(bytes.every((byte) => byte < 256) && bytes.join(".") === words, `${words}: spelling`);
    return { number: bytes.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n), bits: 32 };
  }
  demand(/^[0-9a-f:]+$/.test(words) && URL.canParse(`http://[${words}]`), `${words}: no address`);
  demand(new URL(`http://[${words}]`).hostname === `[${words}]`, `${words}: spelling`);
  const [left = "", right] = words.split("::");
  const groups = (part: string | undefined) => (part ? part.split(":") : []);
  const zeros = right === undefined ? 0 : 8 - groups(left).length - groups(right).length;
  const all = [...groups(left), ...Array.from({ length: zeros }, () => "0"), ...groups(right)];
  return { number: BigInt(`0x${all.map((group) => group.padStart(4, "0")).join("")}`), bits: 128 };
}

function prefixOf(words: string): Address & { readonly length: number } {
  const [base = "", digits = ""] = words.split("/");
  const address = addressOf(base);
  const length = Number(digits);
  demand(`${base}/${length}` === words && length <= address.bits, `${words}: no prefix`);
  const host = BigInt(address.bits - length);
  demand((address.number >> host) << host === address.number, `${words}: host bits`);
  return { ...address, length };
}

const spelled =
  (look: (words: string) => void): Read<string> =>
  (value) => {
    const words = text(/^/)(value);
    look(words);
    return words;
  };
const family = (bits: 32 | 128) =>
  spelled((words) => demand(addressOf(words).bits === bits, `${words}: the other family`));

export const ipv4 = family(32);
export const ipv6 = family(128);
export const prefix = spelled(prefixOf);
export const rangeOf = (bits: 32 | 128, least: number, most: number) =>
  spelled((words) => {
    const { length, ...range } = prefixOf(words);
    demand(range.bits === bits && length >= least && length <= most, `${words}: no such range`);
  });
export const endpoint = spelled((words) => {
  const match = /^(?:\[(.*:.*)\]|([\d.]+)):([1-9]\d*)$/.exec(words);
  addressOf(match?.[1] ?? match?.[2] ?? "");
  demand(Number(match?.[3]) < 65_536, `${words}: no port`);
});

export function contains(range: string, address: string): boolean {
  const { number, bits, length } = prefixOf(range);
  const inside = addressOf(address);
  const host = BigInt(bits - length);
  return inside.bits === bits && inside.number >> host === number >> host;
}

export const ascending =
  (reader: Read<string>, most: number): Read<readonly string[]> =>
  (value) => {
    const items = list(reader, most)(value);
    demand(
      items.every((item, i) => i === 0 || (items[i - 1] ?? "") < item),
      "not ascending",
    );
    return items;
  };

export const Node = fields({
  id: hex64,
  key,
  name: nodeName,
  owner,
  tags: ascending(name, 32),
  ipv4,
  ipv6,
  status: oneOf("active", "quarantined", "revoked"),
});
export type Node = ReturnType<typeof Node>;

/** Section 4.2. */
export const Voucher = fields({
  key,
  owner,
  tags: ascending(name, 32),
  uses: integer(1, 1_000),
  expiresAt: time,
});
export type Voucher = ReturnType<typeof Voucher>;

export const Head = fields({ epoch: counter, root: hex64 });
