/** golden joins commented lines of hex into bytes: `golden("0800 0100  # length 8, type 1", …)`. */

export function golden(...lines: readonly string[]): Uint8Array {
  const digits = lines.map((line) => line.replace(/#.*$/, "").replaceAll(/\s/g, "")).join("");
  return Uint8Array.fromHex(digits);
}
