/**
 * root-disk makes the disk that the guest boots from: Debian as its installer leaves a small server,
 * without D-Bus, and one unit that calls on the lab. Made once, and kept until it is renewed.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Release, releases } from "../archive.ts";
import { output, run } from "../../../scripts/run.ts";
import { Fault } from "../../../src/base/fault.ts";

const root = resolve(import.meta.dir, "../../..");
const guest = join(import.meta.dir, "guest");

const packages = [
  ...["systemd", "systemd-sysv", "udev", "kmod", "linux-image-cloud-amd64", "initramfs-tools"],
  // Those that tests judge by, for the product needs none of them.
  ...["iproute2", "nftables", "iputils-ping", "procps", "wireguard-tools"],
];
const units = ["visit.service", "visit.target", "visit-network.service"];
const sizeMib = 1_024;
const leftOut = ["man", "doc", "locale", "info"].map(
  (folder) => `--dpkgopt=path-exclude=/usr/share/${folder}/*`,
);

export type RootDisk = {
  readonly disk: string;
  readonly kernel: string;
  readonly firstFiles: string;
  /** Package and version, one a line. */
  readonly packages: string;
};

/** `home`: of this release alone, for what was made before is removed when it is made anew. */
export async function rootDiskOf(
  release: Release,
  home: string,
  isRenewing: boolean,
): Promise<RootDisk> {
  const own = units.map((name) => readFileSync(join(guest, name), "utf8"));
  const kind = createHash("sha256").update([...packages, ...own, hooks.join()].join("\n"));
  const folder = join(home, `systemd-${kind.digest("hex").slice(0, 16)}`);
  if (isRenewing || !existsSync(folder)) await make(release, home, folder);
  const at = (name: string): string => join(folder, name);
  return {
    ...{ disk: at("root.ext4"), kernel: at("vmlinuz"), firstFiles: at("initrd.img") },
    packages: at("packages.txt"),
  };
}

// Run by mmdebstrap's shell on the machine that builds, with the new system's folder as $1.
const hooks = [
  ...units.map((name) => `upload ${join(guest, name)} /etc/systemd/system/${name}`),
  'mkdir -p "$1/media/visit"',
  'echo "LABEL=visit /media/visit ext4 ro,nofail 0 0" >"$1/etc/fstab"',
  'printf "127.0.0.1 localhost\\n::1 localhost\\n" >"$1/etc/hosts"',
  'echo guest >"$1/etc/hostname"',
  'rm -f "$1/etc/resolv.conf"',
  'chroot "$1" systemctl enable visit.service visit-network.service',
  'chroot "$1" systemctl set-default visit.target',
];

async function make(release: Release, home: string, folder: string): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Fault("permission_denied", "only root can build the system with its users", {
      remedy: "sudo scripts/lab-vm systemd",
    });
  }
  const partial = join(home, "systemd-partial");
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const system = join(partial, "system");
  console.log(`  making Debian ${release} with systemd, once ...`);
  await debootstrap(releases[release], system);
  const at = (name: string): string => join(partial, name);
  await output(
    ["mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", system, at("root.ext4"), `${sizeMib}M`],
    root,
  );
  await Bun.write(
    at("packages.txt"),
    await output(["dpkg-query", `--admindir=${system}/var/lib/dpkg`, "-W"], root),
  );
  for (const name of ["vmlinuz", "initrd.img"]) {
    const [file] = readdirSync(join(system, "boot")).filter((each) => each.startsWith(`${name}-`));
    renameSync(join(system, "boot", file ?? name), at(name));
  }
  rmSync(system, { recursive: true });
  for (const old of readdirSync(home).filter((name) => /^systemd-[0-9a-f]{16}$/.test(name)))
    rmSync(join(home, old), { recursive: true });
  renameSync(partial, folder);
}

async function debootstrap(codename: string, system: string): Promise<void> {
  const argv = [
    // What it mounts while it works is seen by nobody else.
    ...["unshare", "--mount", "mmdebstrap", "--mode=root", "--format=directory"],
    ...["--variant=minbase", "--architectures=amd64", `--include=${packages.join(",")}`],
    ...['--aptopt=APT::Install-Recommends "false"', ...leftOut],
    ...hooks.map((hook) => `--customize-hook=${hook}`),
    ...[codename, system, ...sourcesOfHost(codename)],
  ];
  const { exitCode, stderr } = await run(argv, { cwd: root });
  if (exitCode === 0) return;
  throw new Fault("unavailable", `mmdebstrap failed:\n${stderr.trim().slice(-2_000)}`, {
    remedy: "look whether Debian's archive can be reached (sudo apt-get update)",
  });
}

/** The archive that this machine uses itself, if it is the same release. */
function sourcesOfHost(codename: string): readonly string[] {
  const path = "/etc/apt/sources.list.d/debian.sources";
  return existsSync(path) && readFileSync(path, "utf8").includes(codename) ? [path] : [];
}
