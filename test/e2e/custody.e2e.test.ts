/** Keys are kept so that nobody else can read them, services need few rights, and nobody tells a secret. */
import { expect } from "bun:test";
import { assert } from "../../src/base/assert.ts";
import { localSocketDefault } from "../../src/wire/local-api.ts";
import { controlStateDir } from "./control-host.ts";
import { ground } from "./ground.ts";
import { meshTest, onMesh, untilAnswered } from "./mesh.ts";
import { nodeStateDir } from "./node-host.ts";
import { keysIn } from "./secrets.ts";

/** Nobody in particular, and an account as the service has one. */
const nobody = { uid: 65_534, gid: 65_534 };
const service = { uid: 990, gid: 990 };

/*
 *   control ──┬── alice
 *             └── bob
 */
const { test } = onMesh("custody", { nodes: [{ name: "alice" }, { name: "bob" }] });

for (const [path, mode, right] of [
  [nodeStateDir, "0755", "0700"],
  [`${nodeStateDir}/identity.key`, "0644", "0600"],
  [`${nodeStateDir}/tunnel.key`, "0640", "0600"],
] as const)
  test(`a node whose ${path} has mode ${mode} stays closed and says what to run`, async (mesh) => {
    const { alice, bob } = mesh.nodes;
    await mesh.untilReached(alice, bob);
    const { ipv4 } = await bob.self();
    await bob.service.stop();
    await bob.host.output(["/usr/bin/chmod", mode, path]);
    await bob.start();
    const { reason } = await bob.untilState("restricted");
    expect(reason).toMatchObject({ code: "key_custody", remedy: `chmod ${right} ${path}` });
    // The tunnel of the run before is still there, and lets nothing pass.
    expect((await alice.host.ping(ipv4, { count: 2, timeoutS: 1 })).received).toBe(0);
    const told = await bob.run("status");
    expect(told.exitCode).not.toBe(0);
    expect(told.stdout).toContain(`chmod ${right} ${path}`);
    await bob.service.stop();
    // What it says is what mends it.
    assert(reason?.remedy !== undefined, "there is a way out");
    await bob.host.output(["/usr/bin/env", ...reason.remedy.split(" ")]);
    await bob.start();
    await mesh.untilMeshed(alice, bob);
  });

test("a control server whose keys others can read does not start, and says what to run", async (mesh) => {
  const { service: control, host } = mesh.control;
  await control.stop();
  const path = `${controlStateDir}/approver.key`;
  await host.output(["/usr/bin/chmod", "0644", path]);
  const { exitCode, stderr } = await (await control.spawn(["control"])).finished();
  expect(exitCode).toBe(77);
  expect(stderr).toContain(`chmod 0600 ${path}`);
  await host.output(["/usr/bin/chmod", "0600", path]);
  await mesh.control.start();
});

test("keys that are lost are not made anew behind a membership", async (mesh) => {
  const { alice, bob } = mesh.nodes;
  const { ipv4 } = await bob.self();
  await bob.service.stop();
  const kept = `${nodeStateDir}/identity.key`;
  await bob.host.output(["/usr/bin/mv", kept, "/run/kept.key"]);
  await bob.start();
  expect((await bob.status()).state).toBe("restricted");
  expect((await alice.host.ping(ipv4, { count: 2, timeoutS: 1 })).received).toBe(0);
  await bob.service.stop();
  await bob.host.output(["/usr/bin/mv", "/run/kept.key", kept]);
  await bob.start();
  await mesh.untilMeshed(alice, bob);
});

test("whoever is neither root nor of the group gets nothing from the sockets", async (mesh) => {
  const { alice } = mesh.nodes;
  const argv = [ground.binary, "status", "--json"];
  const looked = await alice.host.run(argv, { as: nobody });
  expect(looked.exitCode).not.toBe(0);
  expect(looked.stdout).not.toContain((await alice.self()).ipv4);
  const made = await mesh.control.host.run(
    [ground.binary, "credential", "create", "--owner", "eve", "--json"],
    { as: nobody },
  );
  expect(made.exitCode).not.toBe(0);
  expect(made.stdout).not.toContain("rnjoin1");
  // Not even with the way to the socket open: the kernel says who asks.
  await alice.host.output(["/usr/bin/chmod", "0777", localSocketDefault.replace(/\/[^/]*$/, "")]);
  await alice.host.output(["/usr/bin/chmod", "0666", localSocketDefault]);
  const refused = await alice.host.run(argv, { as: nobody });
  expect(refused.exitCode).toBe(77);
  expect(refused.stdout).toContain("permission_denied");
});

/*
 *   control ──┬── alice   (all keys sealed under passphrases)
 *             └── bob
 */
const passphraseFile = "/etc/rustynet/passphrase";
const passphrase = "correct horse battery staple";
const sealed = ["--passphrase-file", passphraseFile];

meshTest(
  "sealed keys work from end to end, and no key lies in the plain",
  {
    nodes: [
      { name: "alice", custody: sealed },
      { name: "bob", custody: sealed },
    ],
    passphraseFile,
    prepare: async ({ control, nodes }) => {
      for (const { host } of [control, nodes.alice, nodes.bob]) {
        await host.writeFile(passphraseFile, `${passphrase}\n`);
        await host.output(["/usr/bin/chmod", "0600", passphraseFile]);
      }
    },
  },
  async (mesh) => {
    const { alice, bob } = mesh.nodes;
    await mesh.untilMeshed(alice, bob);
    expect(keysIn(alice.service, nodeStateDir)).toEqual([]);
    expect(keysIn(mesh.control.service, controlStateDir)).toEqual([]);
    await mesh.control.service.kill();
    await mesh.control.start();
    await bob.restart();
    await bob.untilConnected();
    // Another passphrase opens nothing, and nothing is open.
    const { ipv4 } = await bob.self();
    await bob.service.stop();
    await bob.host.writeFile(passphraseFile, "incorrect horse battery staple");
    await bob.start();
    expect((await bob.untilState("restricted")).reason?.code).toBe("key_custody");
    expect((await alice.host.ping(ipv4, { count: 2, timeoutS: 1 })).received).toBe(0);
    await bob.service.stop();
    await bob.host.writeFile(passphraseFile, passphrase);
    await bob.host.output(["/usr/bin/chmod", "0644", passphraseFile]);
    const careless = await (await bob.service.spawn(bob.daemonArgs)).finished();
    expect(careless.exitCode).toBe(77);
    expect(careless.stderr).toContain(`chmod 0600 ${passphraseFile}`);
    await bob.host.output(["/usr/bin/chmod", "0600", passphraseFile]);
    await bob.start();
    await mesh.untilMeshed(alice, bob);
    const leaks = mesh.journal.leaks(new Map([["the passphrase", passphrase]]));
    expect(leaks).toEqual([]);
  },
);

/*
 *   control ──┬── alice   (as root)
 *             └── bob     (as a user of its own, with CAP_NET_ADMIN and nothing more, as in the unit)
 */
meshTest(
  "a daemon needs no root: CAP_NET_ADMIN is enough",
  { nodes: [{ name: "alice" }, { name: "bob", at: "nothing" }] },
  async (mesh) => {
    const { alice, bob } = mesh.nodes;
    const owner = `${service.uid}:${service.gid}`;
    for (const folder of ["/run/rustynet", "/run/wireguard", nodeStateDir]) {
      await bob.host.output(["/usr/bin/mkdir", "-p", "-m", "0700", folder]);
      await bob.host.output(["/usr/bin/chown", owner, folder]);
    }
    await bob.start({ ...service, capabilities: ["net_admin"] });
    await bob.up(await mesh.control.token());
    await mesh.untilMeshed(alice, bob);
    const status = await bob.host.readFile(`/proc/${bob.service.process.pid}/status`);
    expect(status).toMatch(/^Uid:\s+990\s+990\s+990\s+990$/m);
    expect(status).toMatch(/^CapEff:\s+0000000000001000$/m);
    await bob.service.kill();
    await bob.start({ ...service, capabilities: ["net_admin"] });
    await bob.untilConnected();
    await bob.output("logout");
    expect(await bob.network()).not.toContain("rustynet");
    await bob.up(await mesh.control.token());
    await untilAnswered(alice.host, (await bob.self()).ipv4);
  },
);
