/**
 * As systemd runs it on a real host: each service under its own user, the daemon with one capability
 * and no more, keys sealed by a passphrase from the credentials folder.
 *
 *   control ──┬── alice
 *             ├── bob
 *            wan
 */
import { expect, setDefaultTimeout, test } from "bun:test";
import type { Host } from "../lab/host.ts";
import { Lab } from "../lab/lab.ts";
import type { RunAs } from "../lab/station.ts";
import { ground, requireBinary } from "./ground.ts";

setDefaultTimeout(60_000);

const controlUser: RunAs = { uid: 991, gid: 991 };
const daemonUser: RunAs = { uid: 992, gid: 992, capabilities: ["net_admin"] };
const nobody: RunAs = { uid: 65_534, gid: 65_534 };
const env = { CREDENTIALS_DIRECTORY: "/run/credentials" };

const shell = (host: Host, lines: readonly string[]): Promise<string> =>
  host.output(["/bin/sh", "-euc", lines.join("\n")], { env: { PATH: "/usr/sbin:/usr/bin" } });

/** What the unit's StateDirectory=, RuntimeDirectory=, BindPaths= and LoadCredential= do. */
function furnish(host: Host, { uid }: RunAs, name: string): Promise<string> {
  const owned = `install -d -o ${uid} -g ${uid}`;
  return shell(host, [
    "mountpoint -q /var/lib/rustynet && umount /var/lib/rustynet",
    `${owned} -m 0700 /var/lib/${name}`,
    `${owned} -m 0750 /run/${name} /run/${name}/tunnel`,
    "mkdir /run/wireguard /run/credentials",
    `mount --bind /run/${name}/tunnel /run/wireguard`,
    "head -c 32 /dev/urandom | base64 >/run/credentials/rustynet-key",
    `chown ${uid} /run/credentials/rustynet-key`,
    "chmod 0400 /run/credentials/rustynet-key",
  ]);
}

const run = (host: Host, argv: readonly string[], options = {}): Promise<string> =>
  host.output([ground.binary, ...argv], { timeoutMs: 30_000, ...options });

async function join(host: Host, control: Host): Promise<void> {
  await furnish(host, daemonUser, "rustynet");
  const argv = [ground.binary, "daemon", "--backend", ground.backend];
  const daemon = await host.spawn(argv, { as: daemonUser, env });
  await daemon.waitForLine("started");
  const token = await run(control, ["credential", "create", "--owner", "sam"]);
  await run(host, ["up", "-"], { stdin: token });
}

test("services under users of their own make a mesh, and let nobody else in", async () => {
  requireBinary();
  await using lab = await Lab.open("users");
  const wan = await lab.switch("wan", { ipv4: "192.0.2.0/24" });
  const control = await lab.host("control", { on: [wan] });
  const alice = await lab.host("alice", { on: [wan] });
  const bob = await lab.host("bob", { on: [wan] });

  await furnish(control, controlUser, "rustynet-control");
  const url = `https://${control.ipv4}:8443`;
  await run(control, ["control", "init", "--url", url], { as: controlUser, env });
  const server = await control.spawn([ground.binary, "control"], { as: controlUser, env });
  await server.waitForLine("serving");
  for (const host of [alice, bob]) await join(host, control);
  expect(await run(alice, ["ping", "bob"])).toContain("answer 1 from bob");

  const looking = await alice.run([ground.binary, "status"], { as: nobody });
  expect(looking).toMatchObject({ exitCode: 77, stdout: "" });
  expect(looking.stderr).toContain("this user may not talk to the daemon");
  const operating = await control.run([ground.binary, "credential", "create"], { as: nobody });
  expect(operating).toMatchObject({ exitCode: 77, stdout: "" });

  const files = await shell(alice, ["find /var/lib/rustynet -mindepth 1 -printf '%m %u %f\\n'"]);
  expect(files).toContain("600 992 identity.key");
  expect(
    files
      .trim()
      .split("\n")
      .filter((line) => !line.startsWith("600 992 ")),
  ).toEqual([]);
});
