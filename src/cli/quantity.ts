/** quantity reads numbers and spans of time as people type them: `5`, `90s`, `1h30m`, `7d`. */
import { Fault } from "../base/fault.ts";
import { quoted } from "./text.ts";

const unitS = { d: 86_400, h: 3_600, m: 60, s: 1 } as const;
const pattern = /^(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?$/;

/** Whole seconds, at least one. Throws Fault `usage` for anything else. */
export function parseDurationS(option: string, text: string): number {
  const match = pattern.exec(text);
  const [, d, h, m, s] = match ?? [];
  const parts = { d, h, m, s };
  const seconds = (["d", "h", "m", "s"] as const).reduce(
    (sum, unit) => sum + Number(parts[unit] ?? 0) * unitS[unit],
    0,
  );
  if (match !== null && seconds > 0) return seconds;
  throw new Fault("usage", `${option} ${quoted(text)} is no span of time`, {
    remedy: "write it as 90s, 5m, 1h30m or 7d",
  });
}

/** Throws Fault `usage` unless the text is a whole number in these bounds. */
export function parseCount(option: string, text: string, least: number, most: number): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= least && count <= most) return count;
  throw new Fault("usage", `${option} ${quoted(text)} is no number from ${least} to ${most}`);
}
