/** tree names what was tested: one hash over every file that a test or a gate could depend on. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { output } from "../run.ts";

/** Pages that scripts write from what tests and benches found: they follow from the tree. */
const written = new Set(["docs/traceability.md", "docs/performance.md"]);

const parts = [
  ...["src", "test", "scripts", "systemd", "docs", "README.md", "CHANGELOG.md"],
  ...["package.json", "bun.lock", "bunfig.toml", "tsconfig.json", ".oxlintrc.json"],
];

/** Files that git tracks or would track, sorted. Needs a repository. */
export async function filesOfTree(root: string, folders: readonly string[] = parts) {
  const argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"];
  const listed = (await output([...argv, ...folders], root)).split("\0");
  return [...new Set(listed)]
    .filter((path) => path !== "" && existsSync(join(root, path)) && !written.has(path))
    .sort();
}

/** SHA-256 over paths and contents. Equal hashes mean that a result of one tree holds for the other. */
export async function hashOfTree(root: string): Promise<string> {
  const hasher = new Bun.CryptoHasher("sha256");
  for (const path of await filesOfTree(root)) {
    const content = new Bun.CryptoHasher("sha256").update(readFileSync(join(root, path)));
    hasher.update(`${path}\0${content.digest("hex")}\0`);
  }
  return hasher.digest("hex");
}
