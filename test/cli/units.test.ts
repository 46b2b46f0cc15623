/** The unit files: each hardening that docs/operations/install.md promises, and none that would stop the program. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

const folder = join(import.meta.dir, "../../systemd");
const linesOf = async (unit: string) =>
  (await Bun.file(join(folder, unit)).text()).split("\n").filter((line) => /^[A-Z]\w+=/.test(line));

const daemon = await linesOf("rustynet.service");
const control = await linesOf("rustynet-control.service");

describe.each([
  ["rustynet", daemon],
  ["rustynet-control", control],
])("%s", (name, lines) => {
  test.each([
    "Type=notify",
    "Restart=always",
    "RestartSec=1",
    "StartLimitIntervalSec=0",
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "ProtectProc=invisible",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectControlGroups=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "LockPersonality=yes",
    "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "UMask=0077",
    "LimitCORE=0",
    "WorkingDirectory=/",
    "RuntimeDirectoryMode=0750",
    "StateDirectoryMode=0700",
  ])("says %s", (line) => {
    expect(lines).toContain(line);
  });

  test("runs as a user of its own, and not as one that changes", () => {
    expect(lines).toContain(`User=${name}`);
    expect(lines.filter((line) => line.startsWith("DynamicUser="))).toEqual([]);
  });

  test("lets the runtime compile, without which it cannot call the kernel", () => {
    expect(lines.filter((line) => line.startsWith("MemoryDenyWriteExecute="))).toEqual([]);
  });

  test("does not go on after a verdict, which a retry would not change", () => {
    expect(lines).toContain("RestartPreventExitStatus=64 65 77");
  });
});

test("the daemon has one capability, and the control server none", () => {
  const capabilities = (lines: readonly string[]) => lines.filter((line) => /Capabilit/.test(line));
  expect(capabilities(daemon)).toEqual([
    "AmbientCapabilities=CAP_NET_ADMIN",
    "CapabilityBoundingSet=CAP_NET_ADMIN",
  ]);
  expect(capabilities(control)).toEqual(["CapabilityBoundingSet=", "AmbientCapabilities="]);
});

test("the daemon's tunnel outlives it, and only the tunnel's device can be opened", () => {
  expect(daemon).toContain("KillMode=process");
  expect(daemon).toContain("RuntimeDirectoryPreserve=yes");
  expect(daemon.filter((line) => line.startsWith("DeviceAllow="))).toEqual([
    "DeviceAllow=/dev/net/tun rw",
  ]);
});
