/** What is unsafe is found where it is code, and left alone where it is only spoken of. */
import { expect, test } from "bun:test";
import {
  unresolvedFindings,
  unsafeFindings,
  unsafeLines,
} from "../../scripts/gates/source-scan.ts";

const kindsIn = (text: string): readonly string[] =>
  unsafeLines({ path: "src/a/b.ts", text }).map(({ what }) => what);

const unsafe: readonly (readonly [text: string, what: string])[] = [
  ["const a = JSON.parse(text) as Config;", "a cast"],
  ["const a = (await answer.json()) as { url: string };", "a cast"],
  ["const a = text as `id-${string}`;", "a cast"],
  ["const a = value as unknown as Config;", "a cast"],
  ["const a = make(\n  1,\n) as Config;", "a cast"],
  ["function f(a: any) {}", "any"],
  ["const a: Record<string, any> = {};", "any"],
  ["const a: any[] = [];", "any"],
  ["// @ts-expect-error it is fine\nf(1);", "a type error that is silenced"],
  ["/* @ts-ignore */ f(1);", "a type error that is silenced"],
  ["eval(text);", "code from text"],
  ['const f = new Function("a", text);', "code from text"],
  ['setTimeout("f()", 5);', "code from text"],
  ["Bun.$`ip link`;", "a shell"],
  ["await $`ip link`;", "a shell"],
  ["spawn(argv, { shell: true });", "a shell"],
  ['Bun.spawn(["/bin/sh", "-c", text]);', "a shell"],
  ["Bun.spawn(`ip link ${name}`);", "a command as text"],
  ['spawnSync("ip link");', "a command as text"],
  ["execSync(command);", "a command as text"],
];

test.each(unsafe)("found: %s", (text, what) => {
  expect(kindsIn(text)).toContain(what);
});

const safe: readonly string[] = [
  "const modes = { a: 1 } as const;",
  "return JSON.parse(text) as unknown;",
  'import * as v from "valibot";',
  'import { a as b } from "./a.ts";',
  'import {\n  first,\n  second as third,\n} from "./a.ts";',
  "// as Config, any, eval(text) and new Function are only spoken of here",
  '"run it as root, or as a member; any will do";',
  "const text = `as ${name} says: any`;",
  "Bun.spawn([path, ...argv]);",
  "const match = pattern.exec(text);",
  "new RegExp(`^[0-9a-f]{${digits}}$`);",
  'const args = { shell: { type: "positional" } };',
  "setTimeout(act, 5);",
];

test.each(safe)("left alone: %s", (text) => {
  expect(kindsIn(text)).toEqual([]);
});

const file = { path: "src/a/b.ts", text: "const a = b as Config;\n" };
const allowance = { file: file.path, line: "const a = b as Config;", why: "it was parsed" };

test("a line that somebody looked at is let be, in its file and as it was", () => {
  expect(unsafeFindings([file], { lines: [] })).toHaveLength(1);
  expect(unsafeFindings([file], { lines: [allowance] })).toEqual([]);
  const elsewhere = { ...allowance, file: "src/a/c.ts" };
  expect(unsafeFindings([file], { lines: [elsewhere] })).toHaveLength(2);
});

test("an allowance that nothing needs any more is a finding", () => {
  const clean = { ...file, text: "const a = b;\n" };
  expect(unsafeFindings([clean], { lines: [allowance] }).join()).toMatch(/any more/);
});

const mark = `[[${"UNRESOLVED"}]]`;

test.each([
  ["src/a.ts", `// ${"TODO"}: later`],
  ["src/a.ts", `// ${mark}`],
  ["docs/a.md", mark],
  ["docs/a.md", `{{${"UNRESOLVED"}}}`],
])("a mark of unfinished work in %s is found: %s", (path, text) => {
  expect(unresolvedFindings([{ path, text }])).toHaveLength(1);
});

test("a page may speak of what a source must not say", () => {
  expect(unresolvedFindings([{ path: "docs/style.md", text: `no ${"TODO"} in src` }])).toEqual([]);
});
