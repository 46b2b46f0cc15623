/** blake2s is the keyed hash of RFC 7693, which neither Bun nor node:crypto has with a key: for tests alone. */
import { assert } from "../../src/base/assert.ts";

const blockBytes = 64;
const initial = [
  ...[0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a],
  ...[0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19],
] as const;
/** Section 2.7: in which order each round takes the words of the block. */
const schedules = [
  "0123456789abcdef",
  "ea489fd61c02b753",
  "b8c052fdae367194",
  "7931dcbe265a40f8",
  "905724afe1bc683d",
  "2c6a0b834d75fe19",
  "c51fed4a0763928b",
  "db7ec13950f4862a",
  "6fe9b308c2d714a5",
  "a2847615fb9e3cd0",
].map((digits) => digits.split("").map((digit) => Number.parseInt(digit, 16)));
/** Section 3.1: columns of the state, then diagonals. */
const quarters = [...[0x048c, 0x159d, 0x26ae, 0x37bf], ...[0x05af, 0x16bc, 0x278d, 0x349e]].map(
  (nibbles) => [12, 8, 4, 0].map((shift) => (nibbles >> shift) & 15),
);

/** `key`: up to 32 bytes, none for a plain hash. `outputBytes`: 1 to 32, and part of what is hashed. */
export function blake2s(
  input: Uint8Array,
  { key = new Uint8Array(), outputBytes = 32 }: { key?: Uint8Array; outputBytes?: number } = {},
): Uint8Array {
  assert(key.length <= 32 && outputBytes >= 1 && outputBytes <= 32, "RFC 7693, section 2.1");
  const state = Uint32Array.from(initial);
  state[0] = at(state, 0) ^ 0x01010000 ^ (key.length << 8) ^ outputBytes;
  const padded =
    key.length === 0 ? input : Buffer.concat([key, Buffer.alloc(blockBytes - key.length), input]);
  const blocks = Math.max(1, Math.ceil(padded.length / blockBytes));
  for (let i = 0; i < blocks; i++) {
    const block = new Uint8Array(blockBytes);
    block.set(padded.subarray(i * blockBytes, (i + 1) * blockBytes));
    compress(state, block, Math.min(padded.length, (i + 1) * blockBytes), i === blocks - 1);
  }
  const view = new DataView(new ArrayBuffer(32));
  for (const [i, word] of state.entries()) view.setUint32(4 * i, word, true);
  return new Uint8Array(view.buffer, 0, outputBytes);
}

/** Section 3.2. `countBytes`: of all input so far, below 4 GiB here. */
function compress(
  state: Uint32Array,
  block: Uint8Array,
  countBytes: number,
  isLast: boolean,
): void {
  const view = new DataView(block.buffer);
  const words = Uint32Array.from({ length: 16 }, (_, i) => view.getUint32(4 * i, true));
  const v = Uint32Array.from([...state, ...initial]);
  v[12] = at(v, 12) ^ countBytes;
  if (isLast) v[14] = ~at(v, 14);
  for (const schedule of schedules)
    for (const [i, [a = 0, b = 0, c = 0, d = 0]] of quarters.entries()) {
      mix(v, [a, b, c, d], at(words, schedule[2 * i] ?? 0), at(words, schedule[2 * i + 1] ?? 0));
    }
  for (const i of state.keys()) state[i] = at(state, i) ^ at(v, i) ^ at(v, i + 8);
}

function mix(
  v: Uint32Array,
  [a, b, c, d]: readonly [number, number, number, number],
  x: number,
  y: number,
): void {
  for (const [word, first, second] of [
    [x, 16, 12],
    [y, 8, 7],
  ] as const) {
    v[a] = at(v, a) + at(v, b) + word;
    v[d] = turn(at(v, d) ^ at(v, a), first);
    v[c] = at(v, c) + at(v, d);
    v[b] = turn(at(v, b) ^ at(v, c), second);
  }
}

const turn = (word: number, bits: number): number => (word >>> bits) | (word << (32 - bits));
const at = (words: Uint32Array, i: number): number => words[i] ?? 0;
