/** subject is the executable that figures and drills are about: the one that this commit builds. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";

const Manifest = v.object({
  commit: v.string(),
  built: v.array(v.object({ target: v.string(), file: v.string(), sha256: v.string() })),
});

/** What scripts/build says of this machine's executable. Throws when it was not built. */
export function readSubject(root: string): { readonly sha256: string; readonly commit: string } {
  const { commit, own } = readBuilt(root);
  return { sha256: own.sha256, commit };
}

export const builtAt = (root: string): Date =>
  statSync(join(root, "artifacts/build", readBuilt(root).own.file)).mtime;

function readBuilt(root: string) {
  const text = readFileSync(join(root, "artifacts/build/manifest.json"), "utf8");
  const { commit, built } = v.parse(v.pipe(v.string(), v.parseJson(), Manifest), text);
  const own = built.find(({ target }) => target === `linux-${process.arch}`);
  if (own === undefined) throw new Error("this machine's executable is not built: scripts/build");
  return { commit, own };
}
