/** runtime brings the Bun of another processor, for cross compiling, and proves it by bun.lock. */
import { createHash } from "node:crypto";
import { chmod, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { output } from "./run.ts";

/** Returns the path of the runtime's executable, as a list of one. It is kept under .tools/. */
export async function bringRuntime(name: string, root: string): Promise<readonly [string]> {
  const folder = join(root, ".tools", `${name.replaceAll(/[@/]/g, "-").slice(1)}-${Bun.version}`);
  const path = join(folder, "package/bin/bun");
  if (await Bun.file(path).exists()) return [path];
  const partial = `${folder}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const archive = await fetchPackage(`${name}@${Bun.version}`, partial, root);
  await output(["tar", "-xzf", archive, "-C", partial], root);
  await rm(archive);
  await chmod(join(partial, "package/bin/bun"), 0o755);
  await rm(folder, { recursive: true, force: true });
  await rename(partial, folder);
  return [path];
}

async function fetchPackage(spec: string, folder: string, root: string): Promise<string> {
  const argv = ["npm", "pack", spec, "--silent", "--pack-destination", folder];
  const archive = join(folder, (await output(argv, root)).trim());
  const digest = createHash("sha512")
    .update(await Bun.file(archive).bytes())
    .digest("base64");
  const lock = await Bun.file(join(root, "bun.lock")).text();
  const line = lock.split("\n").find((one) => one.includes(`["${spec}"`));
  if (line?.includes(`"sha512-${digest}"`) !== true) {
    throw new Error(`${spec} is not the package that bun.lock names: got sha512-${digest}`);
  }
  return archive;
}
