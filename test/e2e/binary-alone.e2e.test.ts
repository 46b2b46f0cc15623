/** The binary is enough: in a file system with nothing else of ours, a network is made and carries packets. */
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, cpSync, existsSync, mkdirSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import * as v from "valibot";
import { Status } from "../../src/wire/local-api.ts";
import type { Host } from "../lab/host.ts";
import { Lab } from "../lab/lab.ts";
import { ControlHost, controlPort } from "./control-host.ts";
import { ground, requireBinary } from "./ground.ts";
import { Journal } from "./journal.ts";
import { dualUnderlay, untilAnswered } from "./mesh.ts";
import { NodeHost } from "./node-host.ts";
import type { Place } from "./service.ts";

setDefaultTimeout(60_000);

const tunnelProgram = "/usr/bin/wireguard-go";
const installed = "/usr/local/bin/rustynet";

/** The shared objects that a program is linked to, as the loader finds them. */
async function objectsOf(program: string): Promise<string[]> {
  const listing = Bun.spawn(["/usr/bin/ldd", program], { stdout: "pipe", stderr: "ignore" });
  const text = await listing.stdout.text();
  return [...text.matchAll(/(\/\S+) \(0x/g)].flatMap(([, path]) => path ?? []);
}

/** A root with these programs, the C library and empty folders, and not a file more. */
async function plant(root: string, programs: readonly string[]): Promise<void> {
  for (const folder of ["etc", "proc", "dev", "run", "tmp", "var/lib", "usr/local/bin"])
    mkdirSync(join(root, folder), { recursive: true });
  const objects = await Promise.all([ground.binary, ...programs].map(objectsOf));
  for (const path of new Set([...programs, ...objects.flat()])) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    cpSync(realpathSync(path), join(root, path));
  }
  cpSync(ground.binary, join(root, installed));
  chmodSync(join(root, installed), 0o755);
}

/** Makes the tree a place of its own on this host: its own /run and state, and no way back out. */
async function settle(host: Host, tree: string): Promise<Place> {
  const root = join("/run", basename(tree));
  const mounts = [
    ["/usr/bin/mkdir", "-p", root],
    ["/usr/bin/mount", "--bind", tree, root],
    ...["run", "var/lib", "tmp"].map((folder) => mountMemory(join(root, folder))),
    mountMemory(join(root, "dev")),
    ["/usr/bin/mkdir", join(root, "dev/net")],
    ["/usr/bin/mknod", "-m", "0666", join(root, "dev/net/tun"), "c", "10", "200"],
    ["/usr/bin/mknod", "-m", "0666", join(root, "dev/null"), "c", "1", "3"],
    ["/usr/bin/mknod", "-m", "0666", join(root, "dev/urandom"), "c", "1", "9"],
    ["/usr/bin/ln", "-s", "/run", join(root, "var/run")],
    ["/usr/bin/mount", "-t", "proc", "proc", join(root, "proc")],
  ];
  for (const argv of mounts) await host.output(argv);
  return { prefix: ["/usr/sbin/chroot", root], binary: installed, root };
}

const mountMemory = (path: string): string[] => [
  ...["/usr/bin/mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", path],
];

/*
 *   control ──┬── alice    (each in a root with the binary, the C library and a tunnel program alone)
 *             └── bob
 */
let lab: Lab | null = null;
afterAll(() => lab?.close());

test("a network is made, joined and used with the binary alone", async () => {
  requireBinary();
  lab = await Lab.open("alone");
  const wan = await lab.switch("wan", dualUnderlay);
  const tree = join(lab.folder, "tree");
  await plant(tree, ground.backend === "userspace" ? [tunnelProgram] : []);
  expect(existsSync(join(tree, "usr/bin/node")) || existsSync(join(tree, "usr/bin/bun"))).toBe(
    false,
  );
  expect(existsSync(join(tree, "bin/sh"))).toBe(false);
  expect(statSync(join(tree, installed)).size).toBeGreaterThan(1_000_000);
  const [first, second, third] = await lab.hosts(["control", "alice", "bob"], { on: [wan] });
  if (!first || !second || !third) throw new Error("a host for each name");
  const places = await Promise.all([first, second, third].map((host) => settle(host, tree)));
  const [here, there, elsewhere] = places;
  if (!here || !there || !elsewhere) throw new Error("a place for each host");
  const journal = new Journal();
  const url = `https://${first.ipv4}:${controlPort}`;
  const control = new ControlHost({ host: first, journal, url, place: here });
  const alice = new NodeHost({ host: second, journal, place: there });
  const bob = new NodeHost({ host: third, journal, place: elsewhere });

  expect((await alice.run("version")).stdout).toContain("rustynet");
  const made = await control.init();
  expect(made.stderr).toBe("");
  expect(made.stdout).toContain("rustynet credential create");
  await control.start();
  for (const node of [alice, bob]) {
    await node.start();
    await node.up(await control.token());
  }
  await untilAnswered(second, (await bob.self()).ipv4);
  expect(await alice.output("ping", "bob", "-c", "1")).toContain("bob");
  const status = v.parse(Status, JSON.parse(await bob.output("status", "--json")));
  expect(status).toMatchObject({ state: "running", tunnel: { backend: ground.backend } });
  for (const each of [control, alice, bob]) expect((await each.service.stop()).exitCode).toBe(0);
});
