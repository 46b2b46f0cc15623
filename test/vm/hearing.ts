/** hearing takes what comes out of a guest: events line by line, and the console when it went wrong. */
import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import * as v from "valibot";
import { GuestEvent } from "./plan.ts";

const root = resolve(import.meta.dir, "../..");
const consoleLinesShown = 40;

/** Null, and a word about it, for what is no event. */
export function parseEvent(line: string): GuestEvent | null {
  try {
    return v.parse(GuestEvent, JSON.parse(line));
  } catch {
    console.log(`  the guest said what is no event: ${line.slice(0, 200)}`);
    return null;
  }
}

/** Shows the end of a console that was kept. */
export function showConsole(path: string): void {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  console.log(`  the end of its console, ${relative(root, path)}:`);
  for (const line of lines.slice(-consoleLinesShown)) console.log(`    ${line.trimEnd()}`);
}
