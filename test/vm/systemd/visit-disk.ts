/** visit-disk makes the disk that the lab brings into the guest: tests, their runtime, and two builds. */
import { copyFileSync, cpSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { output } from "../../../scripts/run.ts";
import { boots, builds, nextVersion } from "./places.ts";

const root = resolve(import.meta.dir, "../../..");
const guest = join(import.meta.dir, "guest");
const sizeMib = 512;

/** Writes the disk to `path`, by way of a folder beside it. */
export async function writeVisitDisk(path: string): Promise<void> {
  const folder = `${path}.partial`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  copyFileSync(process.execPath, join(folder, "bun"));
  copyFileSync(join(root, "artifacts/build", builds.first), join(folder, builds.first));
  await buildNext(join(folder, "next"));
  for (const name of ["visit.sh", "network.sh"])
    copyFileSync(join(guest, name), join(folder, name));
  const entrypoints = ["drive", ...boots].map((name) => join(guest, `${name}.ts`));
  const bundle = ["--target=bun", "--external=bun:test", `--outdir=${folder}`];
  await output([process.execPath, "build", ...bundle, ...entrypoints], root);
  rmSync(path, { force: true });
  await output(
    ["mke2fs", "-q", "-t", "ext4", "-L", "visit", "-d", folder, path, `${sizeMib}M`],
    root,
  );
  rmSync(folder, { recursive: true });
}

/** Builds the same sources under the next version. */
async function buildNext(out: string): Promise<void> {
  const tree = `${out}-tree`;
  mkdirSync(tree);
  for (const name of ["src", "systemd", "scripts", "tsconfig.json", "bun.lock", "package.json"])
    cpSync(join(root, name), join(tree, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
  const settings = join(tree, "package.json");
  const text = await Bun.file(settings).text();
  await Bun.write(settings, text.replace(/"version": "[^"]*"/, `"version": "${nextVersion}"`));
  await output([process.execPath, join(tree, "scripts/build.ts"), `--out=${out}`], tree);
  rmSync(tree, { recursive: true });
}
