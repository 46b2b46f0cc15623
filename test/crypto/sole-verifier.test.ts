import { expect, test } from "bun:test";
import { join } from "node:path";
import { Glob } from "bun";

const source = join(import.meta.dir, "../../src");
const home = "crypto/ed25519.ts";

/** What would verify or make a signature by another rule than the one in `crypto/ed25519.ts`. */
const strays: readonly RegExp[] = [
  /@noble\/(?:ed25519|curves)/,
  /\bcreateVerify\b|\bcreateSign\b/,
  /\bsubtle\.(?:verify|sign)\b/,
  /\b(?:crypto|native|nodeCrypto)\.(?:verify|sign)\(/,
  /import \{[^}]*\b(?:verify|sign)\b[^}]*\} from "(?:node:)?crypto"/,
];

const straysIn = (text: string): string[] =>
  strays.flatMap((pattern) => pattern.exec(text)?.[0] ?? []);

test("nothing but crypto/ed25519.ts signs or verifies with Ed25519", async () => {
  const found: string[] = [];
  for await (const file of new Glob("**/*.ts").scan(source)) {
    if (file === home) continue;
    const text = await Bun.file(join(source, file)).text();
    found.push(...straysIn(text).map((stray) => `${file}: ${stray}`));
  }
  expect(found).toEqual([]);
});

test("the search finds what it is for", async () => {
  const text = await Bun.file(join(source, home)).text();
  expect(straysIn(text).length).toBeGreaterThanOrEqual(2);
  expect(straysIn('import { createHash, verify } from "node:crypto";')).toHaveLength(1);
  expect(straysIn("await crypto.subtle.verify(name, key, signature, data)")).toHaveLength(1);
  expect(straysIn('import { verify } from "../crypto/ed25519.ts";')).toHaveLength(0);
});
