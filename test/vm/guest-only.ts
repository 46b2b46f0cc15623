/** guest-only keeps a test file in the virtual lab's guest: on any other machine it would change that machine. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { Fault } from "../../src/base/fault.ts";
import { guestWord } from "./plan.ts";

export const isGuest = (commandLine: string = readFileSync("/proc/cmdline", "utf8")): boolean =>
  commandLine.trim().split(/\s+/).includes(guestWord);

/**
 * Called before a file defines its first test. Throws Fault `unavailable`, so that the file does not load, unless
 * this machine was booted as the guest: what a person can set by mistake, such as a variable, is not asked.
 */
export function requireGuest(file: string, commandLine?: string): void {
  if (isGuest(commandLine)) return;
  const name = basename(file);
  const isOfDisk = !name.endsWith(".vm.test.ts");
  const command = `scripts/lab-vm ${isOfDisk ? "systemd" : name.slice(0, name.indexOf("."))}`;
  const why = "runs in the guest of the virtual lab alone, and was not begun";
  throw new Fault("unavailable", `${name} ${why}; run: ${command}`, { remedy: command });
}
