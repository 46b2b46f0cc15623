/**
 * private-namespace runs a test file inside namespaces of its own: an empty network, and an empty
 * /run. Outside, the file has one test, which runs it again inside and shows what it said when it
 * failed, and the lines that begin with "figure: " always.
 */
import { expect, test } from "bun:test";
import { readlinkSync } from "node:fs";
import { pace } from "./pace.ts";

const marker = "RUSTYNET_TEST_NAMESPACE";
const runMaxMs = 120_000 * pace;
const testMaxMs = 5_000 * pace;

/** What ran, for setting things up: throws with the program's words when it fails. */
export function run(...argv: readonly string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...argv], { env: {}, cwd: "/" });
  if (exitCode !== 0)
    throw new Error(`${argv.join(" ")}: ${stderr.toString()}${stdout.toString()}`);
  return stdout.toString();
}

/** What the tests inside may know of the outside. */
const inheritedBy = (outer: string): Record<string, string> => ({
  PATH: process.env["PATH"] ?? "",
  RUSTYNET_TEST_PACE: String(pace),
  [marker]: outer,
});

/**
 * True inside. `file` is the calling test's path; the tests that it defines when this is true never
 * run in the machine's own network.
 */
export function isInPrivateNamespace(file: string): boolean {
  if (process.env[marker] === undefined) {
    test(
      `in a network namespace of its own: ${file.slice(file.lastIndexOf("/") + 1)}`,
      () => {
        const outer = readlinkSync("/proc/self/ns/net");
        const { exitCode, stdout, stderr } = Bun.spawnSync(
          [
            ...["/usr/bin/unshare", "--net", "--mount", "--"],
            ...[process.execPath, "test", `--timeout=${testMaxMs}`, file],
          ],
          { env: inheritedBy(outer), timeout: runMaxMs },
        );
        if (exitCode !== 0) throw new Error(`inside:\n${stdout.toString()}\n${stderr.toString()}`);
        expect(exitCode).toBe(0);
        for (const line of stdout.toString().split("\n"))
          if (line.startsWith("figure: ")) console.log(line);
      },
      runMaxMs,
    );
    return false;
  }
  if (readlinkSync("/proc/self/ns/net") === process.env[marker])
    throw new Error("this must not run in the machine's own network namespace");
  run("/bin/mount", "-t", "tmpfs", "tmpfs", "/run");
  run("/sbin/ip", "link", "set", "lo", "up");
  return true;
}
