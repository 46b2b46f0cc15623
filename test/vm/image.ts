/** image makes what the guest boots: Debian's programs and kernel modules, Bun, the product and its tests. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { output } from "../../scripts/run.ts";
import { Cpio } from "./cpio.ts";
import type { Packages } from "./packages.ts";
import type { Plan } from "./plan.ts";

const root = resolve(import.meta.dir, "../..");
/** Where the guest has the project. Outside of what a host of a lab covers with its own files. */
export const guestRoot = "rustynet";

/** Changes with what `baseOf` does, so that a base of an earlier kind is not taken for one of this. */
const baseKind = "3";
const merged = /^(?:bin|sbin|lib|lib64)(?=\/|$)/;
const left =
  /^(?:usr\/share(?!\/terminfo)|usr\/lib\/x86_64-linux-gnu\/(?:perl|gconv|libperl)|usr\/include|boot|var\/cache)/;
const modules =
  /\/(?:modules\.|kernel$|kernel\/(?:net|crypto|arch|lib|fs$|fs\/overlayfs|drivers$|drivers\/(?:virtio|char|net(?!\/(?:ethernet|hyperv))))(?:\/|$))/;

/** Everything that does not change from run to run, kept by its contents' versions. */
export type Base = { readonly archive: string; readonly kernel: string };

export async function baseOf(home: string, packages: Packages): Promise<Base> {
  const { kernelRelease, kernelArchive, archives } = packages;
  const versions = [baseKind, Bun.version, kernelArchive, ...archives].join("\n");
  const key = createHash("sha256").update(versions).digest("hex").slice(0, 16);
  const folder = join(home, `base-${key}`);
  const base = { archive: join(folder, "base.cpio"), kernel: join(folder, "vmlinuz") };
  if (existsSync(folder)) return base;
  for (const old of readdirSync(home).filter((name) => name.startsWith("base-")))
    rmSync(join(home, old), { recursive: true });
  const partial = join(home, "partial");
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(join(partial, "base"), { recursive: true });
  console.log(`  unpacking ${archives.length + 1} Debian packages ...`);
  const [system, kernel] = [join(partial, "system"), join(partial, "kernel")];
  for (const name of archives) await unpack(join(packages.folder, name), system);
  await unpack(join(packages.folder, kernelArchive), kernel);
  // From Debian 13 on it is there, where depmod(8) does not look.
  const libraries = join(kernel, "usr/lib");
  if (existsSync(libraries)) renameSync(libraries, join(kernel, "lib"));
  await output(["/usr/sbin/depmod", "-b", kernel, kernelRelease], root);
  writeBase(join(partial, "base/base.cpio"), system, kernel);
  renameSync(join(kernel, `boot/vmlinuz-${kernelRelease}`), join(partial, "base/vmlinuz"));
  renameSync(join(partial, "base"), folder);
  rmSync(partial, { recursive: true });
  return base;
}

const unpack = (archive: string, folder: string): Promise<string> =>
  output(["dpkg-deb", "-x", archive, folder], root);

function writeBase(path: string, system: string, kernel: string): void {
  const cpio = Cpio.open(path);
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    cpio.addFolder(`usr/${name}`);
    cpio.addLink(name, `usr/${name}`);
  }
  cpio.addLink("var/run", "/run");
  cpio.addLink("var/lock", "/run/lock");
  const place = (at: string): string | null => {
    const target = at.replace(merged, (folder) => `usr/${folder}`);
    return left.test(target) ? null : target;
  };
  cpio.addTree(system, place);
  cpio.addTree(join(kernel, "lib"), (at) =>
    at === "modules" || !at.slice("modules/".length).includes("/") || modules.test(at)
      ? `usr/lib/${at}`
      : null,
  );
  cpio.addFileOf("usr/bin/bun", process.execPath);
  // What the packages' own scripts would have made.
  cpio.addLink("usr/bin/awk", "mawk");
  cpio.addFile("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/sh\n");
  cpio.addFile("etc/group", "root:x:0:\nnogroup:x:65534:\n");
  cpio.addFile("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
  cpio.addFile("etc/resolv.conf", "# This machine has no resolver.\n");
  cpio.addFile("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n");
  const folders = ["dev", "proc", "sys", "tmp", "run", "root", "mnt", "opt", "srv", "results"];
  for (const folder of [...folders, "usr/local/bin", "usr/local/sbin", "var/lib", "var/log"])
    cpio.addFolder(folder);
  cpio.close();
}

const parts =
  /^(?:src|test|scripts|systemd|node_modules|package\.json|tsconfig\.json|bunfig\.toml)(?=\/|$)/;
/** Node modules that work on people's text, or are other copies of Bun. */
const unused =
  /^node_modules\/(?:\.|bun$|bun-types$|undici-types$|@types$|@oven$|oxlint|@oxlint|typescript$)/;

/** Writes the image of one run: the base, and the tree as it is now. */
export function writeImage(path: string, base: Base, plan: Plan): void {
  const cpio = Cpio.open(path);
  cpio.addArchive(base.archive);
  cpio.addTree(root, (at) => (parts.test(at) && !unused.test(at) ? `${guestRoot}/${at}` : null));
  const binary = `artifacts/build/rustynet-linux-${process.arch}`;
  cpio.addFileOf(`${guestRoot}/${binary}`, join(root, binary));
  cpio.addLink("usr/bin/rustynet", `/${guestRoot}/${binary}`);
  cpio.addFile(`${guestRoot}/plan.json`, JSON.stringify(plan));
  for (const [place, name] of [
    ["init", "init.sh"],
    ["usr/bin/on", "on.sh"],
  ] as const)
    cpio.addFile(place, readFileSync(join(import.meta.dir, "guest", name)), 0o755);
  cpio.close();
}
