/**
 * sbom lists what is in the executable, from what the bundler put there: a bill of materials (CycloneDX 1.6,
 * JSON) and the licences. The same input gives the same bytes, so there is no time and no random number in it.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";

/** What `bun build --metafile` writes, as far as we read it: each file that went into the bundle. */
const Metafile = v.object({ inputs: v.record(v.string(), v.object({ bytes: v.number() })) });

const Package = v.object({
  name: v.string(),
  version: v.string(),
  license: v.string(),
  description: v.optional(v.string()),
});
export type Package = v.InferOutput<typeof Package>;

/** A part of the executable that is not ours. */
export type Part = Package & {
  /** Relative to the root, such as `node_modules/hono`. */
  readonly folder: string;
  /** How many of its files are in the bundle. */
  readonly files: number;
};

/** The folder of the package that a file belongs to: the innermost one, as packages nest. */
export function packageFolder(path: string): string | null {
  const match = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path);
  return match?.[0] ?? null;
}

/** Returns the packages that the bundle is made of, by name and version. */
export function partsOf(
  metafile: unknown,
  readPackage: (folder: string) => unknown,
): readonly Part[] {
  const { inputs } = v.parse(Metafile, metafile);
  const files = new Map<string, number>();
  for (const path of Object.keys(inputs)) {
    const folder = packageFolder(path);
    if (folder !== null) files.set(folder, (files.get(folder) ?? 0) + 1);
  }
  return [...files]
    .map(([folder, count]) => ({ ...v.parse(Package, readPackage(folder)), folder, files: count }))
    .sort((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1));
}

const keyOf = ({ name, version }: Package): string => `${name}@${version}`;

/** The name of a package where packages have names of their own everywhere (purl). */
const purlOf = ({ name, version }: Package): string =>
  `pkg:npm/${name.replace(/^@/, "%40")}@${version}`;

export type Product = {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  /** Hashes of packages by `name@version`, as bun.lock has them: `sha512-` and base64. */
  readonly integrity: (key: string) => string | null;
};

const licenceOf = (expression: string) =>
  /\s(?:OR|AND|WITH)\s|^\(/.test(expression) ? [{ expression }] : [{ license: { id: expression } }];

function componentOf(part: Package & { files?: number }, { integrity }: Product) {
  const hash = integrity(keyOf(part))?.replace(/^sha512-/, "");
  const content = hash === undefined ? null : Buffer.from(hash, "base64").toString("hex");
  return {
    type: "library",
    "bom-ref": purlOf(part),
    name: part.name,
    version: part.version,
    ...(part.description === undefined ? {} : { description: part.description }),
    ...(content === null ? {} : { hashes: [{ alg: "SHA-512", content }] }),
    licenses: licenceOf(part.license),
    purl: purlOf(part),
    ...(part.files === undefined
      ? {}
      : { properties: [{ name: "rustynet:files", value: String(part.files) }] }),
  };
}

/** The bill as text. `runtime` is Bun, which the executable carries as a whole. */
export function renderSbom(product: Product, runtime: Package, parts: readonly Part[]): string {
  const own = `pkg:generic/${product.name}@${product.version}`;
  const bill = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      component: {
        type: "application",
        "bom-ref": own,
        name: product.name,
        version: product.version,
        licenses: licenceOf(product.license),
      },
    },
    components: [componentOf(runtime, product), ...parts.map((part) => componentOf(part, product))],
    dependencies: [{ ref: own, dependsOn: [runtime, ...parts].map(purlOf) }],
  };
  return `${JSON.stringify(bill, null, 2)}\n`;
}

/** Each licence once, with who is under it and the texts that their packages carry. */
export function renderLicences(
  runtime: Package,
  parts: readonly Part[],
  readText: (folder: string) => string | null,
): string {
  const list = [runtime, ...parts].map((part) => `${keyOf(part)}  ${part.license}`);
  const texts = parts.map((part) => {
    const text = readText(part.folder)?.trim() ?? "(the package carries no text of its licence)";
    return `${"=".repeat(80)}\n${keyOf(part)}  ${part.license}\n\n${text}\n`;
  });
  return [
    "What is in the executable besides our own code, each under its licence.",
    "",
    ...list,
    "",
    "Bun is linked with libraries of others, JavaScriptCore (LGPL-2) among them:",
    "https://bun.com/docs/project/license lists them, and says how to relink it.",
    "",
    ...texts,
  ].join("\n");
}

const Lock = v.object({ packages: v.record(v.string(), v.array(v.unknown())) });

/** Returns the text of both lists for what `metafile` says. */
export function billsOf(root: string, metafile: unknown): { sbom: string; licences: string } {
  const json = (path: string): unknown => JSON.parse(readFileSync(join(root, path), "utf8"));
  const { packages } = v.parse(Lock, Bun.JSONC.parse(readFileSync(join(root, "bun.lock"), "utf8")));
  const hashes = new Map(
    Object.values(packages).flatMap(([key, , , hash]): [string, string][] =>
      typeof key === "string" && typeof hash === "string" ? [[key, hash]] : [],
    ),
  );
  const own = v.parse(Package, json("package.json"));
  const parts = partsOf(metafile, (folder) => json(join(folder, "package.json")));
  const runtime = { name: "bun", version: Bun.version, license: "MIT" };
  const product = { ...own, integrity: (key: string) => hashes.get(key) ?? null };
  const readText = (folder: string): string | null => textIn(join(root, folder));
  return {
    sbom: renderSbom(product, runtime, parts),
    licences: renderLicences(runtime, parts, readText),
  };
}

const licenceFiles = ["LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "license", "License.txt"];

function textIn(folder: string): string | null {
  const found = licenceFiles.map((name) => join(folder, name)).find((path) => existsSync(path));
  return found === undefined ? null : readFileSync(found, "utf8");
}
