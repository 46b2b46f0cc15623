/** main: what a daemon does to a host on which another one lives already. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownerMark } from "../../src/backend/wireguard/link.ts";
import { exitCode } from "../../src/base/fault.ts";
import { lockFile } from "../../src/kernel/file-lock.ts";
import { isInPrivateNamespace, run } from "../support/private-namespace.ts";

const executable = join(import.meta.dir, "../../src/main.ts");

if (isInPrivateNamespace(import.meta.path)) {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "rustynet-daemon-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  test("one that finds the socket taken ends, and leaves the other's tunnel alone", async () => {
    const socket = join(directory, "daemon.sock");
    run("/sbin/ip", "link", "add", "rustynet0", "type", "bridge");
    run("/sbin/ip", "link", "set", "rustynet0", "alias", ownerMark);
    using _other = lockFile(`${socket}.lock`, "taken", "end it");
    const second = Bun.spawn(
      [
        ...[process.execPath, executable, "daemon", "--plain-keys"],
        ...["--socket", socket, "--state-dir", join(directory, "state")],
      ],
      { env: {}, stdio: ["ignore", "ignore", "pipe"], timeout: 20_000 },
    );
    expect(await second.exited).toBe(exitCode.temporary);
    expect(await second.stderr.text()).toContain("another process serves");
    expect(run("/sbin/ip", "-o", "link", "show", "rustynet0")).toContain("rustynet0");
  });
}
