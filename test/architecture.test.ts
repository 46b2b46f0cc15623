/** architecture: the folder rules hold for the tree, and each of them fails on a planted violation. */
import { expect, test } from "bun:test";
import { resolve } from "node:path";
import { Glob } from "bun";
import {
  linesNotice,
  linesOf,
  mayImport,
  pureFolders,
  type RuleName,
  rules,
  type Source,
  switchedTests,
} from "./architecture/rules.ts";
import { codeOnly, tokensOf, withoutComments } from "./architecture/source-text.ts";

const src = resolve(import.meta.dir, "../src");
const ruleNames = Object.keys(rules) as RuleName[];
const sources: readonly Source[] = await Promise.all(
  [...new Glob("**/*.ts").scanSync(src)]
    .sort()
    .map(async (path) => ({ path, text: await Bun.file(`${src}/${path}`).text() })),
);

test.each(ruleNames)("every file of src %s", (name) => {
  const findings = sources.flatMap((source) =>
    rules[name](source).map((finding) => `src/${source.path}: ${finding}`),
  );
  expect(findings).toEqual([]);
});

const tests: readonly Source[] = await Promise.all(
  [...new Glob("**/*.test.ts").scanSync(import.meta.dir)]
    .sort()
    .map(async (path) => ({ path, text: await Bun.file(`${import.meta.dir}/${path}`).text() })),
);

test("every test runs, always", () => {
  const findings = tests.flatMap((source) =>
    switchedTests(source).map((finding) => `test/${source.path}: ${finding}`),
  );
  expect(findings).toEqual([]);
});

test.each(["test.only(name, () => {});", "describe.skip(name, () => {});", "test.todo(name);"])(
  "a test that is switched off, or switches others off, is found: %j",
  (text) => {
    expect(switchedTests({ path: "a.test.ts", text })).not.toEqual([]);
  },
);

test("a table of tests is none of these", () => {
  const text = "test.each([1])(name, () => {});";
  expect(switchedTests({ path: "a.test.ts", text })).toEqual([]);
});

test("src holds no file but TypeScript and SQL", () => {
  const others = [...new Glob("**/*").scanSync(src)].filter((path) => !/\.(?:ts|sql)$/.test(path));
  expect(others).toEqual([]);
});

test("files that grow too long are named", () => {
  const long = sources.filter(({ text }) => linesOf(text) > linesNotice);
  for (const { path, text } of long) {
    console.warn(`notice: src/${path} has ${linesOf(text)} lines; ${linesNotice} ask for a split`);
  }
});

test("the import table is a ladder: no folder reaches itself", () => {
  const reach = (folder: string, seen: ReadonlySet<string>): boolean =>
    seen.has(folder) ||
    (mayImport[folder] ?? []).some((next) => reach(next, new Set([...seen, folder])));
  expect(Object.keys(mayImport).filter((folder) => reach(folder, new Set()))).toEqual([]);
});

test("pure folders import only pure folders", () => {
  for (const folder of pureFolders) {
    expect((mayImport[folder] ?? []).filter((other) => !pureFolders.has(other))).toEqual([]);
  }
});

const header = "/** sample owns nothing. */\n";
const planted: readonly (readonly [rule: RuleName, path: string, text: string])[] = [
  ["imports only what its folder may", "membership/a.ts", 'import { b } from "../store/b.ts";'],
  ["imports only what its folder may", "cli/a.ts", 'import type { B } from "../daemon/b.ts";'],
  ["imports only what its folder may", "base/a.ts", 'import "../model/ids.ts";'],
  [
    "imports only what its folder may",
    "cli/a.ts",
    "import {\n  a,\n  b,\n} from '../control/b.ts';",
  ],
  ["imports only what its folder may", "wire/a.ts", 'export type { B } from "../host/b.ts";'],
  ["imports only what its folder may", "daemon/a.ts", 'import { b } from "../host/_b.ts";'],
  ["imports only what its folder may", "novelty/a.ts", ""],
  ["passes nobody else's names on", "model/a.ts", 'export * from "./b.ts";'],
  ["passes nobody else's names on", "model/a.ts", 'export { b } from "./b.ts";'],
  ["is pure if its folder is", "base/a.ts", "const now = Date.now();"],
  ["is pure if its folder is", "base/a.ts", "const now = new Date();"],
  ["is pure if its folder is", "wire/a.ts", "const text = `at ${Date.now()}`;"],
  ["is pure if its folder is", "wire/a.ts", "const text = `${`http://${Math.random()}`}`;"],
  ["is pure if its folder is", "model/a.ts", "const r = Math.random();"],
  ["is pure if its folder is", "policy/a.ts", "const text = await Bun.file(path).text();"],
  ["is pure if its folder is", "crypto/a.ts", "crypto.getRandomValues(bytes);"],
  ["is pure if its folder is", "crypto/a.ts", 'import { randomBytes } from "node:crypto";'],
  ["is pure if its folder is", "crypto/a.ts", 'import crypto from "node:crypto";'],
  [
    "is pure if its folder is",
    "crypto/a.ts",
    'import * as native from "node:crypto";\nnative.randomUUID();',
  ],
  [
    "is pure if its folder is",
    "crypto/a.ts",
    'import * as native from "node:crypto";\nconst same = native;',
  ],
  ["is pure if its folder is", "wire/a.ts", 'import { createHash } from "node:crypto";'],
  ["is pure if its folder is", "dataplane/a.ts", 'import { readFileSync } from "fs";'],
  ["is pure if its folder is", "dataplane/a.ts", "setTimeout(work, 5);"],
  ["verifies signatures in one place", "wire/a.ts", 'import { verify } from "node:crypto";'],
  ["verifies signatures in one place", "control/a.ts", 'import { verify as v } from "crypto";'],
  ["verifies signatures in one place", "control/a.ts", 'import crypto from "node:crypto";'],
  [
    "verifies signatures in one place",
    "control/a.ts",
    'import * as native from "node:crypto";\nnative.verify(null, a, b, c);',
  ],
  ["verifies signatures in one place", "crypto/a.ts", 'import { Point } from "@noble/ed25519";'],
  ["verifies signatures in one place", "control/a.ts", "await crypto.subtle.verify(a, b, c, d);"],
  ["leaves lazy loading to main.ts", "cli/a.ts", 'const m = await import("./b.ts");'],
  ["opens by saying what it owns", "cli/a.ts", "import a from 'b';"],
  ["opens by saying what it owns", "cli/a.ts", "/** a */"],
  ["opens by saying what it owns", "cli/a.ts", "// a is said in the wrong kind of comment."],
  ["is short enough to read", "cli/a.ts", "a();\n".repeat(501)],
  ["keeps the tunnel's make to its adapter", "backend/a.ts", "// WireGuard does this."],
  ["keeps the tunnel's make to its adapter", "host/a.ts", 'const kind = "wireguard";'],
  ["keeps the tunnel's make to its adapter", "host/a.ts", "const name = `wg-${n}`;"],
  ["keeps the tunnel's make to its adapter", "host/a.ts", "const wg_key = 1;"],
  ["keeps the tunnel's make to its adapter", "host/wireguard.ts", ""],
  [
    "keeps the tunnel's make to its adapter",
    "daemon/a.ts",
    'import { a } from "../backend/wireguard/a.ts";',
  ],
  ["is finished", "cli/a.ts", "// TODO: later"],
  ["is finished", "cli/a.ts", "/* FIXME */"],
  ["reads the environment only as configuration", "cli/a.ts", 'const home = process.env["HOME"];'],
  ["reads the environment only as configuration", "cli/main.ts", "const env = Bun.env;"],
  ["runs no shell", "host/a.ts", 'import { $ } from "bun";'],
  ["runs no shell", "host/a.ts", "await Bun.$`ip link`;"],
  ["runs no shell", "host/a.ts", 'import { execSync } from "node:child_process";'],
];

test.each(planted)("a file that breaks the rule is found: it %s (%s)", (name, path, text) => {
  expect(rules[name]({ path, text })).not.toEqual([]);
});

test("every rule has something planted against it", () => {
  const broken = new Set(planted.map(([name]) => name));
  expect(ruleNames.filter((name) => !broken.has(name))).toEqual([]);
});

const sound: readonly (readonly [path: string, text: string])[] = [
  ["membership/a.ts", 'import { ok } from "../base/result.ts";\nimport * as v from "valibot";'],
  ["model/a.ts", "// Date.now() and fetch are only spoken of here.\nexport const a = 1;"],
  ["model/a.ts", 'export const text = "process and fetch // are words";\nexport const b = 2;'],
  ["model/a.ts", "export type A = { readonly process: string; fetch?: number };"],
  ["model/a.ts", "export const at = (clock: Clock) => clock.fetch.process;"],
  ["model/a.ts", "export const day = (s: number) => new Date(s * 1000).toISOString();"],
  ["crypto/a.ts", 'import { createHash, hkdfSync } from "node:crypto";'],
  ["crypto/a.ts", 'import * as native from "node:crypto";\nnative.createHash("sha256");'],
  [
    "crypto/ed25519.ts",
    'import { verify } from "node:crypto";\nimport { Point } from "@noble/ed25519";',
  ],
  ["control/a.ts", 'import { randomBytes } from "node:crypto";'],
  ["backend/open.ts", 'import { openKernel } from "./wireguard/kernel.ts";'],
  ["backend/wireguard/kernel.ts", 'export const kind = "wireguard";'],
  ["daemon/config.ts", 'export const home = process.env["HOME"];'],
  ["daemon/config.ts", "export const total = (parts: number) => `$` + parts;"],
  ["main.ts", 'const modes = { cli: () => import("./cli/main.ts") };'],
];

test.each(sound)("a file that keeps the rules is left alone: %s", (path, text) => {
  const source = { path, text: header + text };
  expect(ruleNames.flatMap((name) => rules[name](source))).toEqual([]);
});

const readings: readonly (readonly [text: string, code: string, said: string])[] = [
  ["a / b / c // d", "a / b / c  ", "a / b / c  "],
  ['const q = /["\'`]/; f("x")', "const q =  ; f( )", 'const q = /["\'`]/; f("x")'],
  ["`a ${b} c` + d", " b  + d", "`a ${b} c` + d"],
  ["`${{ a: `${x}` }}` // y", " { a:  x  }   ", "`${{ a: `${x}` }}`  "],
  ['"https://x" /* y */', "   ", '"https://x"  '],
  ["`https://${x}/y` // z", " x   ", "`https://${x}/y`  "],
];

test.each(readings)("code, quoted text and comment are told apart: %s", (text, code, said) => {
  expect(
    tokensOf(text)
      .map((token) => token.text)
      .join(""),
  ).toBe(text);
  expect(withoutComments(text)).toBe(said);
  expect(codeOnly(text)).toBe(code);
});
