/**
 * The install guide (docs/operations/install.md) followed to the letter on a fresh Debian: a control
 * server and a node on this host, and a second node in a namespace on the other end of a wire.
 */
import { beforeAll, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../../../lab/wait-for.ts";
import { requireGuest } from "../../guest-only.ts";
import { builds, nextVersion, visitFolder, visitResults } from "../places.ts";
import {
  attempt,
  isActive,
  peerSocket,
  pingWhile,
  processOf,
  property,
  say,
  statusOf,
  untilMeshed,
} from "./this-host.ts";

requireGuest(import.meta.path);

const units = ["rustynet.service", "rustynet-control.service"] as const;
let peerAddress = "";

beforeAll(async () => {
  await Bun.write(join(visitResults, "before.txt"), await traces());
  copyFileSync(join(visitFolder, builds.first), "/root/rustynet-linux-x64");
});

/** Every name of the product on this host. */
const traces = (): Promise<string> =>
  say("find / -xdev -name *rustynet* -not -path /media/* -not -path /root/*");

test("this is a host with systemd as its first process, and without D-Bus, Bun, Node or Git", () => {
  expect(readFileSync("/proc/1/comm", "utf8").trim()).toBe("systemd");
  for (const name of ["bun", "node", "git", "dbus-daemon", "wireguard-go"])
    expect([name, Bun.which(name)]).toEqual([name, null]);
});

test("a control server is installed, makes its network and starts", async () => {
  const done = await say(
    "./rustynet-linux-x64 service install control --url https://vpn.example.org:8443 --start",
  );
  expect(done).toContain("wrote /etc/systemd/system/rustynet-control.service");
  expect(await isActive("rustynet-control.service")).toBe(true);
  expect(await property("rustynet-control.service", "UnitFileState")).toBe("enabled");
});

test("a node is installed, starts and joins with a token", async () => {
  const token = await say("rustynet credential create --owner sam");
  await say("./rustynet-linux-x64 service install --start");
  expect(await isActive("rustynet.service")).toBe(true);
  const up = await say("rustynet up -", `${token}\n`);
  expect(up).toContain("guest is up at 100.64.0.1");
  expect(await say("rustynet status")).toContain("running");
});

test("it uses the kernel's tunnel, whose module nobody had loaded", async () => {
  expect((await statusOf()).tunnel).toMatchObject({ backend: "kernel", interface: "rustynet0" });
});

test("a second node joins, by hand as the guide says for hosts without systemd, and both meet", async () => {
  mkdirSync("/etc/peer");
  writeFileSync("/etc/peer/passphrase", crypto.randomUUID(), { mode: 0o600 });
  writeFileSync("/etc/systemd/system/peer.service", peerUnit);
  await say("systemctl enable --now peer.service");
  const token = await say("rustynet credential create --owner sam");
  await say(`rustynet up - --name peer --socket ${peerSocket}`, `${token}\n`);
  peerAddress = await untilMeshed();
  expect(await say("rustynet ping peer")).toContain("answer 1 from peer");
});

/** This host's systemd only keeps the second node alive: it stands for another host. */
const peerUnit = `[Unit]
After=network.target rustynet-control.service
[Service]
Type=notify
NetworkNamespacePath=/run/netns/peer
RuntimeDirectory=peer
StateDirectory=peer
StateDirectoryMode=0700
ExecStart=${visitFolder}/${builds.first} daemon --passphrase-file /etc/peer/passphrase --state-dir /var/lib/peer --socket ${peerSocket}
Restart=always
[Install]
WantedBy=multi-user.target
`;

test.each([
  { unit: units[0], user: "rustynet", capabilities: "0000000000001000" },
  { unit: units[1], user: "rustynet-control", capabilities: "0000000000000000" },
])("$unit runs as $user, closed in, with $capabilities", async ({ unit, user, capabilities }) => {
  const status = await processOf(unit);
  const id = await say(`id -u ${user}`);
  expect(status.get("Uid")).toBe([id, id, id, id].join(" "));
  for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
    expect([set, status.get(set)]).toEqual([set, capabilities]);
  expect(status.get("NoNewPrivs")).toBe("1");
  expect(status.get("Seccomp")).toBe("2");
  expect(await say(`getent passwd ${user}`)).toEndWith(":/usr/sbin/nologin");
});

test("files have the owners and rights that the guide says", async () => {
  const owners = await say(`stat -c %U:%G:%a:%n ${Object.keys(rights).join(" ")}`);
  const found = Object.fromEntries(
    owners.split("\n").map((line) => {
      const [user, group, mode, name = ""] = line.split(":");
      return [name, `${user} ${group} ${mode}`];
    }),
  );
  expect(found).toEqual(rights);
  const state = await say("find /var/lib/rustynet /var/lib/rustynet-control -type f -perm /077");
  expect(state).toBe("");
});

const rights = {
  "/usr/local/bin/rustynet": "root root 755",
  "/etc/sysusers.d/rustynet.conf": "root root 644",
  "/etc/sysusers.d/rustynet-control.conf": "root root 644",
  "/etc/tmpfiles.d/rustynet.conf": "root root 644",
  "/etc/tmpfiles.d/rustynet-control.conf": "root root 644",
  "/etc/systemd/system/rustynet.service": "root root 644",
  "/etc/systemd/system/rustynet-control.service": "root root 644",
  "/etc/rustynet/daemon.custody-key": "root root 600",
  "/etc/rustynet/control.custody-key": "root root 600",
  "/etc/rustynet/daemon.installed.json": "root root 644",
  "/var/lib/rustynet": "rustynet rustynet 700",
  "/var/lib/rustynet-control": "rustynet-control rustynet-control 700",
  "/run/rustynet": "rustynet rustynet 750",
  "/run/rustynet/daemon.sock": "rustynet rustynet 660",
  "/run/rustynet-control/operator.sock": "rustynet-control rustynet-control 600",
};

test.each([
  ["rustynet.service", "daemon"],
  ["rustynet-control.service", "control"],
] as const)("%s has its passphrase from systemd, in no environment", async (unit, name) => {
  const secret = readFileSync(`/etc/rustynet/${name}.custody-key`, "utf8");
  expect(readFileSync(`/run/credentials/${unit}/rustynet-key`, "utf8")).toBe(secret);
  const pid = await property(unit, "MainPID");
  for (const file of ["environ", "cmdline"])
    expect(readFileSync(`/proc/${pid}/${file}`, "utf8")).not.toContain(secret);
  expect((await attempt(["systemctl", "show", unit])).stdout).not.toContain(secret);
  expect(await property(unit, "Environment")).toBe("DO_NOT_TRACK=1");
});

test("others look only when they are in the group, and never operate", async () => {
  await say("useradd visitor");
  const asVisitor = (command: string) =>
    attempt(["runuser", "-u", "visitor", "--", ...command.split(" ")]);
  expect((await asVisitor("rustynet status")).exitCode).toBe(77);
  expect((await asVisitor("rustynet credential create")).exitCode).toBe(77);
  await say("usermod -aG rustynet visitor");
  expect((await asVisitor("rustynet status")).exitCode).toBe(0);
  expect((await asVisitor("rustynet down")).exitCode).toBe(77);
});

test.each(units)("the journal has the lines of %s, each with its own priority", async (unit) => {
  const lines = (await say(`journalctl --unit ${unit} --output json --no-pager`))
    .split("\n")
    .map((line): Record<string, string> => JSON.parse(line))
    .filter(({ _SYSTEMD_UNIT, MESSAGE }) => _SYSTEMD_UNIT === unit && MESSAGE?.startsWith("{"));
  expect(lines.length).toBeGreaterThan(0);
  const numbers: Readonly<Record<string, string>> = {
    ...{ debug: "7", info: "6", notice: "5", warning: "4", error: "3" },
  };
  for (const { MESSAGE = "", PRIORITY } of lines)
    expect([PRIORITY, MESSAGE]).toEqual([numbers[JSON.parse(MESSAGE).level], MESSAGE]);
});

test.each([
  ["rustynet.service", 1.9],
  ["rustynet-control.service", 1.4],
] as const)("systemd finds nothing wrong with %s, and its exposure is %f", async (unit, most) => {
  const verified = await attempt(["systemd-analyze", "verify", `/etc/systemd/system/${unit}`]);
  expect(verified).toEqual({ exitCode: 0, stdout: "", stderr: "" });
  const text = await say(`systemd-analyze security --no-pager ${unit}`);
  expect(/Overall exposure level for \S+: (\S+)/.exec(text)?.[1]).toBe(String(most));
});

test("installing again changes nothing and restarts nothing", async () => {
  const before = await Promise.all(units.map((unit) => property(unit, "MainPID")));
  const again = await say("./rustynet-linux-x64 service install --start");
  const control = await say(
    "./rustynet-linux-x64 service install control --url https://vpn.example.org:8443 --start",
  );
  expect(`${again}${control}`).not.toMatch(/^wrote/m);
  expect(await Promise.all(units.map((unit) => property(unit, "MainPID")))).toEqual(before);
});

const disturbances: Readonly<Record<string, () => Promise<unknown>>> = {
  "systemctl restart of the daemon": () => say("systemctl restart rustynet"),
  "systemctl restart of the control server": () => say("systemctl restart rustynet-control"),
  "kill -9 of the daemon": () => killed("rustynet.service"),
  "kill -9 of the control server": () => killed("rustynet-control.service"),
  "systemctl stop and start of the daemon": async () => {
    await say("systemctl stop rustynet");
    expect(await property("rustynet", "Result")).toBe("success");
    await say("systemctl start rustynet");
  },
};

/** Waits for systemd to have brought back another process. */
async function killed(unit: string): Promise<void> {
  const before = await property(unit, "MainPID");
  // Zero would be this process and all of its group.
  expect(Number(before)).toBeGreaterThan(1);
  await say(`kill -9 ${before}`);
  await waitFor(
    `${unit} to come back`,
    async () => (await isActive(unit)) && (await property(unit, "MainPID")) !== before,
    { pollMs: 500 },
  );
}

test.each(Object.keys(disturbances))("no ping is lost over a %s", async (name) => {
  expect(peerAddress).not.toBe("");
  const { sent, answered } = await pingWhile(peerAddress, async () => {
    await disturbances[name]?.();
    await untilMeshed();
  });
  expect(sent).toBeGreaterThan(4);
  expect(answered).toBe(sent);
});

test("an upgrade replaces the build with the mesh up, and no ping is lost", async () => {
  const custody = readFileSync("/etc/rustynet/daemon.custody-key", "utf8");
  const before = await property("rustynet.service", "MainPID");
  copyFileSync(join(visitFolder, builds.next), "/root/rustynet-next");
  expect(peerAddress).not.toBe("");
  const { sent, answered } = await pingWhile(peerAddress, async () => {
    await say("./rustynet-next service install --start");
    await say("./rustynet-next service install control --start");
    await untilMeshed();
  });
  expect(answered).toBe(sent);
  expect(await property("rustynet.service", "MainPID")).not.toBe(before);
  expect((await statusOf()).version).toBe(nextVersion);
  expect(await say("rustynet --version")).toContain(nextVersion);
  expect(readFileSync("/etc/rustynet/daemon.custody-key", "utf8")).toBe(custody);
  expect(existsSync("/usr/local/bin/rustynet.new")).toBe(false);
});
