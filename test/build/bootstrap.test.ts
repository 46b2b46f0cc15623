/** bootstrap: what pins the tools, and that bringing them is quick, repeatable and safe side by side. */
import { expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { run } from "../../scripts/run.ts";
import { version } from "../../src/base/version.ts";

const root = resolve(import.meta.dir, "../..");
const Package = v.object({
  version: v.string(),
  dependencies: v.record(v.string(), v.string()),
  devDependencies: v.record(v.string(), v.string()),
});
const packageJson = v.parse(Package, await Bun.file(join(root, "package.json")).json());

test("run from source, the version is the package's", () => {
  expect(version).toBe(packageJson.version);
});

test("every dependency is pinned to one version", () => {
  const all = { ...packageJson.dependencies, ...packageJson.devDependencies };
  const loose = Object.entries(all).filter(([, range]) => !/^\d+\.\d+\.\d+$/.test(range));
  expect(loose).toEqual([]);
});

test("the lock file names no registry, so that any mirror will do", async () => {
  expect(await Bun.file(join(root, "bun.lock")).text()).not.toMatch(/https?:\/\//);
});

test("the Bun that runs this is the one that package.json names", () => {
  expect(Bun.version).toBe(packageJson.devDependencies["bun"] ?? "none");
});

test("with everything there, two at once from another folder change and say nothing", async () => {
  const argv = [join(root, "scripts/bootstrap"), "--toolchain"];
  const stamp = Bun.file(join(root, "node_modules/.bootstrap"));
  await run(argv, { cwd: tmpdir() });
  const before = await stamp.text();
  const both = await Promise.all([run(argv, { cwd: tmpdir() }), run(argv, { cwd: "/" })]);
  expect(both).toEqual([
    { exitCode: 0, stdout: "", stderr: "" },
    { exitCode: 0, stdout: "", stderr: "" },
  ]);
  expect(await stamp.text()).toBe(before);
});
