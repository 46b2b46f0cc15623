/** lint: every rule that docs/style.md leaves to the linter is one that the linter really holds. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cp, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import * as v from "valibot";
import { run } from "../../scripts/run.ts";

const root = resolve(import.meta.dir, "../..");
const lines = (count: number, line: string) => `${line}\n`.repeat(count);
const branches = Array.from({ length: 21 }, (_, i) => `if (n === ${i}) return ${i};`).join("\n");

/** What is planted: the rule that must object, the file, and its text. */
const planted: readonly (readonly [rule: string, path: string, text: string])[] = [
  [
    "eslint(complexity)",
    "src/host/complex.ts",
    `export function pick(n: number): number {\n${branches}\nreturn n;\n}`,
  ],
  [
    "eslint(max-lines-per-function)",
    "src/host/long.ts",
    `export function long(out: number[]): void {\n${lines(61, "out.push(1);")}}`,
  ],
  [
    "eslint(max-depth)",
    "src/host/deep.ts",
    "export function deep(a: boolean): number {\nif (a) { if (!a) { if (a) { if (!a) { if (a) { return 1; } } } } }\nreturn 0;\n}",
  ],
  ["eslint(eqeqeq)", "src/host/loose.ts", "export const same = (a: number, b: number) => a == b;"],
  ["eslint(no-console)", "src/host/talk.ts", "console.log(1);"],
  ["eslint(no-eval)", "src/host/evil.ts", 'eval("1");'],
  ["eslint(no-new-func)", "src/host/function.ts", 'export const f = new Function("return 1");'],
  ["eslint(no-unused-vars)", "src/host/unused.ts", "const unused = 1;"],
  ["eslint(no-var)", "src/host/old.ts", "export var old = 1;"],
  ["eslint(prefer-const)", "src/host/let.ts", "let fixed = 1;\nexport const one = fixed;"],
  [
    "import(no-cycle)",
    "src/host/cycle-a.ts",
    'import { b } from "./cycle-b.ts";\nexport const a = () => b;',
  ],
  [
    "import(no-cycle)",
    "src/host/cycle-b.ts",
    'import { a } from "./cycle-a.ts";\nexport const b = () => a;',
  ],
  ["import(no-default-export)", "src/host/default.ts", "export default 1;"],
  ["node(no-process-env)", "src/host/environment.ts", 'export const home = process.env["HOME"];'],
  ["oxc(no-barrel-file)", "src/host/barrel.ts", 'export * from "./cycle-a.ts";'],
  ["typescript(ban-ts-comment)", "src/host/hush.ts", "// @ts-ignore\nexport const n: number = 1;"],
  [
    "typescript(consistent-type-imports)",
    "src/host/type-import.ts",
    'import { Shape } from "./shape.ts";\nexport type Two = Shape[];',
  ],
  [
    "typescript(no-explicit-any)",
    "src/host/any.ts",
    "export const anything = (value: any): unknown => value;",
  ],
  [
    "typescript(no-floating-promises)",
    "src/host/floating.ts",
    "export function start(work: () => Promise<void>): void {\nwork();\n}",
  ],
  [
    "typescript(no-misused-promises)",
    "src/host/misused.ts",
    "export function pick(work: () => Promise<boolean>): number {\nif (work()) return 1;\nreturn 0;\n}",
  ],
  ["typescript(no-namespace)", "src/host/space.ts", "export namespace Space {}"],
  [
    "typescript(no-non-null-assertion)",
    "src/host/bang.ts",
    "export const sure = (text: string | null): string => text!;",
  ],
  [
    "typescript(only-throw-error)",
    "src/host/throw.ts",
    'export function fail(): never {\nthrow "text";\n}',
  ],
  [
    "typescript(switch-exhaustiveness-check)",
    "src/host/switch.ts",
    'export function rank(kind: "a" | "b"): number {\nswitch (kind) {\ncase "a":\nreturn 1;\n}\nreturn 0;\n}',
  ],
  [
    "typescript(no-unnecessary-type-assertion)",
    "src/host/needless.ts",
    "export const text = (value: string): string => value as string;",
  ],
  [
    "typescript(return-await)",
    "src/host/return.ts",
    "export async function f(work: () => Promise<void>): Promise<void> {\ntry { return work(); } catch { return; }\n}",
  ],
  [
    "unicorn(throw-new-error)",
    "src/host/new.ts",
    'export function f(): never {\nthrow Error("x");\n}',
  ],
  ["unicorn(error-message)", "src/host/mute.ts", "export const error = () => new Error();"],
  ["unicorn(filename-case)", "src/host/camelCase.ts", "export const one = 1;"],
];

/** What must pass: the same words where they are allowed. */
const allowed: readonly (readonly [path: string, text: string])[] = [
  ["src/daemon/config.ts", 'export const home = process.env["HOME"];'],
  ["src/host/shape.ts", "export type Shape = string;"],
  ["test/host/noise.test.ts", "console.log(process.argv);"],
];

const Report = v.object({
  diagnostics: v.array(v.object({ code: v.string(), filename: v.string() })),
});
let folder = "";
let findings: v.InferOutput<typeof Report>["diagnostics"] = [];

async function plant(path: string, text: string): Promise<void> {
  await mkdir(join(folder, dirname(path)), { recursive: true });
  await Bun.write(join(folder, path), `${text}\n`);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rustynet-lint-"));
  for (const file of [".oxlintrc.json", "tsconfig.json"]) {
    await cp(join(root, file), join(folder, file));
  }
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  for (const [, path, text] of planted) await plant(path, text);
  for (const [path, text] of allowed) await plant(path, text);
  const oxlint = join(root, "node_modules/.bin/oxlint");
  const { stdout } = await run([oxlint, "--format=json", "src", "test"], { cwd: folder });
  findings = v.parse(Report, JSON.parse(stdout)).diagnostics;
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const codesIn = (path: string) =>
  findings.filter(({ filename }) => filename === path).map(({ code }) => code);

test.each(planted)("%s objects to %s", (rule, path) => {
  expect(codesIn(path)).toContain(rule);
});

test.each(allowed)("nothing objects to %s", (path) => {
  expect(codesIn(path)).toEqual([]);
});

const mistyped: readonly (readonly [code: string, text: string])[] = [
  ["TS1294", "export enum Kind { A }"],
  ["TS2322", "export const first = (all: readonly string[]): string => all[0];"],
  ["TS2375", "export const named: { name?: string } = { name: undefined };"],
  ["TS4111", "export const home = (env: Record<string, string>) => env.HOME;"],
  ["TS6133", "export function f(): void {\nconst unused = 1;\n}"],
];

test.each(mistyped)("the type check knows %s", async (code, text) => {
  await plant("src/host/mistyped.ts", text);
  const { stdout, stderr } = await run([process.execPath, "check", "src/host/mistyped.ts"], {
    cwd: folder,
  });
  expect(stdout + stderr).toContain(`error ${code}`);
});

test("every rule that the configuration names has something planted against it", async () => {
  const config = v.parse(
    v.object({ rules: v.record(v.string(), v.unknown()) }),
    Bun.JSONC.parse(await Bun.file(join(root, ".oxlintrc.json")).text()),
  );
  const held = Object.entries(config.rules).filter(([, level]) => level !== "off");
  const named = held.map(([name]) => name).map((name) => name.replace(/^(.*)\/(.*)$/, "$1($2)"));
  const tested = new Set(planted.map(([rule]) => rule));
  expect(named.filter((rule) => !tested.has(rule))).toEqual([]);
});
