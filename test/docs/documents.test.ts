/** The documents keep up with the code: every code is explained, and every link leads somewhere. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Glob } from "bun";
import { exitCode, faultClass } from "../../src/base/fault.ts";

const root = resolve(import.meta.dir, "../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const troubleshooting = read("docs/operations/troubleshooting.md");

test.each(Object.keys(faultClass))("the fault %s is explained", (code) => {
  expect(troubleshooting).toContain(`\`${code}\``);
});

test.each(Object.entries(faultClass))("%s stands under its class, %s", (code, ofClass) => {
  const errors = troubleshooting.slice(troubleshooting.indexOf("## Errors"));
  const section = errors.split("\n### ").find((part) => part.includes(`(${exitCode[ofClass]})\n`));
  expect(section).toContain(`\`${code}\``);
});

const rejection = /\| \{ readonly code: "(\w+)"/g;
const mapRejections = [...read("src/trust/view.ts").matchAll(rejection)].map(
  ([, code = ""]) => code,
);

test("the refusals of a map are found in the source", () => {
  expect(mapRejections.length).toBeGreaterThan(10);
});

test.each(mapRejections)("the refusal of a map %s is explained", (code) => {
  const section = troubleshooting.split("\n## ").find((part) => part.startsWith("Maps"));
  expect(section).toContain(`\`${code}\``);
});

const findings = [...new Glob("src/{daemon,cli}/*.ts").scanSync(root)].flatMap((path) =>
  [...read(path).matchAll(/^\s*code: "(\w+)"/gm)].map(([, code = ""]) => code),
);

test.each([...new Set(findings)])("the finding %s is explained", (code) => {
  expect(troubleshooting).toContain(`\`${code}\``);
});

const documents = ["README.md", "CHANGELOG.md", ...new Glob("docs/**/*.md").scanSync(root)];

test.each(documents)("the links of %s lead somewhere", (path) => {
  const targets = [...read(path).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map(
    ([, target = ""]) => target,
  );
  const local = targets.filter((target) => !/^[a-z]+:/.test(target));
  const broken = local.filter((target) => !existsSync(join(root, dirname(path), target)));
  expect(broken).toEqual([]);
});

test("the README is short enough to be read", () => {
  expect(read("README.md").split("\n").length).toBeLessThan(200);
});
