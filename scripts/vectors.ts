/** vectors writes the membership vectors that are missing, and says which of the others have drifted. */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { invalid } from "./vectors-invalid.ts";
import { invalidSnapshots } from "./vectors-missnapped.ts";
import { validSnapshots } from "./vectors-snapshots.ts";
import { valid } from "./vectors-valid.ts";

const home = resolve(import.meta.dir, "../test/vectors");

/** Returns whether the file is, or now is, what was to be written. */
async function freeze(folder: string, name: string, vector: unknown): Promise<boolean> {
  const path = join(home, folder, `${name}.json`);
  const file = Bun.file(path);
  if (!(await file.exists())) {
    await Bun.write(path, `${JSON.stringify(vector, null, 2)}\n`);
    console.log(`written: ${folder}/${name}`);
    return true;
  }
  const isSame = Bun.deepEquals(await file.json(), JSON.parse(JSON.stringify(vector)), true);
  if (!isSame) console.error(`frozen, and would differ: ${folder}/${name}`);
  return isSame;
}

const folders = {
  "membership/valid": valid(),
  "membership/invalid": invalid(),
  "snapshot/valid": validSnapshots(),
  "snapshot/invalid": invalidSnapshots(),
};
let hasDrifted = false;
for (const [folder, vectors] of Object.entries(folders)) {
  await mkdir(join(home, folder), { recursive: true });
  for (const [name, vector] of Object.entries(vectors))
    if (!(await freeze(folder, name, vector))) hasDrifted = true;
}
process.exitCode = hasDrifted ? 1 : 0;
