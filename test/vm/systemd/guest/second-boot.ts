/** After a reboot that nobody helped, and then until nothing of the product is left on the host. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { requireGuest } from "../../guest-only.ts";
import { visitResults } from "../places.ts";
import { attempt, isActive, pingWhile, property, say, statusOf, untilMeshed } from "./this-host.ts";

requireGuest(import.meta.path);

const units = ["rustynet.service", "rustynet-control.service"] as const;

test.each(units)("%s came back by itself, once, and in its order", async (unit) => {
  expect(await isActive(unit)).toBe(true);
  expect(await property(unit, "NRestarts")).toBe("0");
  expect(await say("systemctl --failed --plain --no-legend")).toBe("");
  const boot = await say("journalctl --boot --no-pager --output cat");
  expect(boot).not.toContain("ordering cycle");
});

test("the mesh is back, through the kernel's tunnel", async () => {
  const address = await untilMeshed();
  expect((await statusOf()).tunnel?.backend).toBe("kernel");
  const { sent, answered } = await pingWhile(address, () => say("rustynet ping peer"));
  expect(answered).toBe(sent);
  await say("systemd-analyze critical-chain rustynet.service rustynet-control.service");
});

test("the tunnel's firewall is there, and goes with `down`", async () => {
  expect(await say("nft list tables")).toContain("rustynet");
  await say("rustynet down");
  expect(await leftInKernel()).toEqual([]);
  await say("rustynet up");
  await untilMeshed();
});

test("a node leaves, and both services go without a trace", async () => {
  await say("rustynet logout");
  await say("systemctl disable --now peer.service");
  await say("rustynet service uninstall --purge");
  await say("rustynet service uninstall control --purge");
  expect(existsSync("/usr/local/bin/rustynet")).toBe(false);
  expect(await traces()).toBe(readFileSync(join(visitResults, "before.txt"), "utf8"));
  expect(await leftInKernel()).toEqual([]);
  expect(await say("systemctl list-units --all --plain --no-legend *rustynet*")).toBe("");
  // It ends with 1 when there is none.
  const files = await attempt(["systemctl", "list-unit-files", "--no-legend", "*rustynet*"]);
  expect(files.stdout).toBe("");
});

const traces = (): Promise<string> =>
  say("find / -xdev -name *rustynet* -not -path /media/* -not -path /root/*");

/** What the product makes in the kernel, by the programs of others. */
async function leftInKernel(): Promise<readonly string[]> {
  const seen = await Promise.all(
    ["ip -o link", "nft list tables", "ip rule", "ip -6 rule", "ip route show table all"].map(
      (command) => say(command),
    ),
  );
  return seen.flatMap((text) => text.split("\n")).filter((line) => /rustynet|100\.64\./.test(line));
}

test("with a host key for credentials, the keys' passphrase is sealed, and all works again", async () => {
  await say("systemd-creds setup");
  const url = "https://vpn.example.org:8443";
  await say(`./rustynet-linux-x64 service install control --url ${url} --start`);
  await say("./rustynet-linux-x64 service install --start");
  for (const name of ["daemon", "control"]) {
    expect(existsSync(`/etc/rustynet/${name}.custody-key.sealed`)).toBe(true);
    expect(existsSync(`/etc/rustynet/${name}.custody-key`)).toBe(false);
  }
  const token = await say("rustynet credential create --owner sam");
  await say("rustynet up -", `${token}\n`);
  expect((await statusOf()).state).toBe("running");
  const opened = await attempt([
    ...["systemd-creds", "decrypt", "--name=rustynet-key"],
    ...["/etc/rustynet/control.custody-key.sealed", "-"],
  ]);
  expect(opened.stdout.trim()).toMatch(/^[0-9a-f]{64}$/);
});

test("uninstalling without a word before tells the daemon to go down, and keeps state and keys", async () => {
  await say("rustynet service uninstall");
  expect(await leftInKernel()).toEqual([]);
  expect(existsSync("/var/lib/rustynet")).toBe(true);
  expect(existsSync("/etc/rustynet/daemon.custody-key.sealed")).toBe(true);
  expect(existsSync("/usr/local/bin/rustynet")).toBe(true);
});
