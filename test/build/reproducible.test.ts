/** The same sources give the same executable, byte for byte, and a bill of exactly what is in it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { root } from "../../scripts/checks.ts";
import { licencesAllowed } from "../../scripts/gates/dependencies.ts";
import { output } from "../../scripts/run.ts";
import { packageFolder, partsOf, renderSbom } from "../../scripts/sbom.ts";

const folders = [0, 1].map(() => mkdtempSync(join(tmpdir(), "rustynet-build-")));
const [first = "", second = ""] = folders;
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

beforeAll(async () => {
  for (const folder of folders) {
    const argv = [process.execPath, join(root, "scripts/build.ts"), "--out", folder];
    await output(argv, "/");
  }
}, 60_000);

const hashOf = (folder: string, name: string): string =>
  new Bun.CryptoHasher("sha256").update(readFileSync(join(folder, name))).digest("hex");

test.each([`rustynet-linux-${process.arch}`, "sbom.json", "licences.txt"])(
  "two builds give the same bytes of %s",
  (name) => {
    expect(hashOf(first, name)).toBe(hashOf(second, name));
  },
);

const Bill = v.object({
  bomFormat: v.literal("CycloneDX"),
  specVersion: v.literal("1.6"),
  components: v.array(
    v.object({
      name: v.string(),
      version: v.string(),
      purl: v.string(),
      hashes: v.array(v.object({ alg: v.literal("SHA-512"), content: v.string() })),
      licenses: v.tuple([v.object({ license: v.object({ id: v.string() }) })]),
    }),
  ),
});
const readBill = () => v.parse(Bill, JSON.parse(readFileSync(join(first, "sbom.json"), "utf8")));

test("the bill names each part with its hash and a licence that we allow", () => {
  const { components } = readBill();
  expect(components.map(({ purl }) => purl)).toEqual([
    ...new Set(components.map(({ purl }) => purl)),
  ]);
  for (const { name, hashes, licenses } of components) {
    expect([name, hashes[0]?.content.length]).toEqual([name, 128]);
    expect(licencesAllowed).toContain(licenses[0].license.id);
  }
});

test("the bill holds the runtime and what is imported, and nothing that only tests use", () => {
  const names = readBill().components.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["bun", "hono", "valibot", "@noble/ed25519"]));
  expect(names).not.toContain("oxlint");
  expect(names).not.toContain("@types/bun");
});

test.each([
  ["src/main.ts", null],
  ["node_modules/hono/dist/a.js", "node_modules/hono"],
  ["node_modules/@noble/ed25519/index.js", "node_modules/@noble/ed25519"],
  ["node_modules/a/node_modules/tslib/b.js", "node_modules/a/node_modules/tslib"],
])("%s belongs to %p", (path, folder) => {
  expect(packageFolder(path)).toBe(folder);
});

test("a package without a licence or a version has no place in a bill", () => {
  const metafile = { inputs: { "node_modules/a/b.js": { bytes: 1 } } };
  expect(() => partsOf(metafile, () => ({ name: "a", version: "1.0.0" }))).toThrow();
});

test("two versions of one package are two parts", () => {
  const inputs = {
    "node_modules/a/b.js": { bytes: 1 },
    "node_modules/c/node_modules/a/b.js": { bytes: 1 },
  };
  const parts = partsOf({ inputs }, (folder) => ({
    ...{ name: "a", license: "MIT", version: folder.includes("/c/") ? "1.0.0" : "2.0.0" },
  }));
  const product = { name: "p", version: "1", license: "MIT", integrity: () => null };
  const bill = renderSbom(product, { name: "bun", version: "1", license: "MIT" }, parts);
  expect(bill).toContain("pkg:npm/a@1.0.0");
  expect(bill).toContain("pkg:npm/a@2.0.0");
});
