/** cidr-twin: addresses and prefixes by the slow and obvious way, as lists of bits. */

export type BitPrefix = { readonly family: 4 | 6; readonly bits: readonly boolean[] };

const widths = { 4: 32, 6: 128 } as const;

export const randomBits = (family: 4 | 6, chance: () => boolean): readonly boolean[] =>
  Array.from({ length: widths[family] }, chance);

export function numberOfBits(bits: readonly boolean[]): bigint {
  return bits.reduce((sum, bit) => sum * 2n + (bit ? 1n : 0n), 0n);
}

/** RFC 5952 section 4, from the RFC's rules in their order. */
export function spellIpv6(bits: readonly boolean[]): string {
  const groups = Array.from({ length: 8 }, (_, i) => numberOfBits(bits.slice(16 * i, 16 * i + 16)));
  let [start, length] = [-1, 1];
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (i + run < 8 && groups[i + run] === 0n) run++;
    if (run > length) [start, length] = [i, run];
  }
  const text = (some: readonly bigint[]) => some.map((group) => group.toString(16)).join(":");
  if (start < 0) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

export const spellIpv4 = (bits: readonly boolean[]): string =>
  [0, 8, 16, 24].map((from) => numberOfBits(bits.slice(from, from + 8))).join(".");

export const spell = (family: 4 | 6, bits: readonly boolean[]): string =>
  family === 4 ? spellIpv4(bits) : spellIpv6(bits);

/** The prefix as text: its bits, and zeros behind them. */
export function spellPrefix({ family, bits }: BitPrefix): string {
  const zeros = Array.from({ length: widths[family] - bits.length }, () => false);
  return `${spell(family, [...bits, ...zeros])}/${bits.length}`;
}

export const isPrefixOf = (left: readonly boolean[], right: readonly boolean[]): boolean =>
  left.length <= right.length && left.every((bit, i) => bit === right[i]);
