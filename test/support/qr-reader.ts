/**
 * qr-reader reads an undamaged QR code (ISO/IEC 18004) of versions 6 to 9 and level L, module by module
 * from its lines, so that what was drawn is compared with what was meant and not with itself.
 */

/** Rows of modules; true is dark. */
export type Modules = readonly (readonly boolean[])[];

/** Per version: where alignment patterns have their centres, and the data codewords of each block. */
const versions: Readonly<Record<number, { centres: number[]; blocks: number[] }>> = {
  6: { centres: [6, 34], blocks: [68, 68] },
  7: { centres: [6, 22, 38], blocks: [78, 78] },
  8: { centres: [6, 24, 42], blocks: [97, 97] },
  9: { centres: [6, 26, 46], blocks: [116, 116] },
};

const masks: readonly ((row: number, column: number) => number)[] = [
  (r, c) => (r + c) % 2,
  (r) => r % 2,
  (_, c) => c % 3,
  (r, c) => (r + c) % 3,
  (r, c) => (Math.floor(r / 2) + Math.floor(c / 3)) % 2,
  (r, c) => ((r * c) % 2) + ((r * c) % 3),
  (r, c) => (((r * c) % 2) + ((r * c) % 3)) % 2,
  (r, c) => (((r + c) % 2) + ((r * c) % 3)) % 2,
];

/** Two rows to a line, white being drawn; without the white border. */
export function modulesOf(lines: readonly string[], border: number): Modules {
  const light = { "█": [true, true], "▀": [true, false], "▄": [false, true], " ": [false, false] };
  const rows = lines.flatMap((line) =>
    [0, 1].map((half) =>
      Array.from(line, (letter) => light[letter as keyof typeof light][half] !== true),
    ),
  );
  const size = (rows[0]?.length ?? 0) - 2 * border;
  return rows.slice(border, border + size).map((row) => row.slice(border, border + size));
}

/** The text in byte mode. Throws for what it cannot read. */
export function readQr(modules: Modules): string {
  const size = modules.length;
  const version = versions[(size - 17) / 4];
  if (version === undefined) throw new Error(`no version has ${size} modules`);
  const dark = (row: number, column: number) => modules[row]?.[column] === true;
  const { level, mask } = formatOf(dark);
  if (level !== 1) throw new Error(`level ${level} is not L`);
  const isMasked = masks[mask];
  if (isMasked === undefined) throw new Error(`mask ${mask}`);
  const bits: number[] = [];
  for (const [row, column] of dataPlaces(size, version.centres))
    bits.push(Number(dark(row, column)) ^ Number(isMasked(row, column) === 0));
  return textOf(deinterleaved(bits, version.blocks));
}

/** The first five of the 15 format bits, around the upper left pattern, beneath their own mask. */
function formatOf(dark: (row: number, column: number) => boolean) {
  const read = [0, 1, 2, 3, 4].map((column) => Number(dark(8, column))).join("");
  const bits = Number.parseInt(read, 2) ^ 0b10101;
  return { level: bits >> 3, mask: bits & 7 };
}

/** In pairs of columns from the right, up and down by turns, leaving out what is no data. */
function* dataPlaces(size: number, centres: readonly number[]): Generator<[number, number]> {
  let isUpward = true;
  for (let right = size - 1; right > 0; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step++) {
      const row = isUpward ? size - 1 - step : step;
      for (const column of [right, right - 1])
        if (!isFunction(row, column, size, centres)) yield [row, column];
    }
    isUpward = !isUpward;
  }
}

function isFunction(
  row: number,
  column: number,
  size: number,
  centres: readonly number[],
): boolean {
  const far = size - 9;
  const isFinder =
    (row < 9 && column < 9) || (row < 9 && column > far) || (row > far && column < 9);
  const isTiming = row === 6 || column === 6;
  const isVersion =
    size >= 45 && ((row < 6 && column > size - 12) || (column < 6 && row > size - 12));
  const isAlignment = centres.some((r) =>
    centres.some(
      (c) => !isCorner(r, c, size) && Math.abs(row - r) <= 2 && Math.abs(column - c) <= 2,
    ),
  );
  return isFinder || isTiming || isVersion || isAlignment;
}

/** Where a finder pattern is, there is no alignment pattern. */
const isCorner = (row: number, column: number, size: number): boolean =>
  [row, column].every((at) => at === 6 || at === size - 7) && !(row > 6 && column > 6);

function deinterleaved(bits: readonly number[], blocks: readonly number[]): readonly number[] {
  const [length = 0] = blocks;
  const codewords = Array.from({ length: length * blocks.length }, (_, i) =>
    Number.parseInt(bits.slice(8 * i, 8 * i + 8).join(""), 2),
  );
  return blocks.flatMap((_, block) => codewords.filter((_byte, i) => i % blocks.length === block));
}

/** Mode 4, eight bits of length, and the bytes (section 7.4.5). */
function textOf(codewords: readonly number[]): string {
  const bits = codewords.map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const number = (from: number, length: number) =>
    Number.parseInt(bits.slice(from, from + length), 2);
  if (number(0, 4) !== 4) throw new Error("not in byte mode");
  const bytes = Array.from({ length: number(4, 8) }, (_, i) => number(12 + 8 * i, 8));
  return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes));
}
