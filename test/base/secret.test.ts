/** secret: however it is shown, its bytes are not. */
import { expect, test } from "bun:test";
import { inspect } from "node:util";
import { encodeBase64, encodeHex, encodeUtf8 } from "../../src/base/bytes.ts";
import { openLog } from "../../src/base/log.ts";
import { Secret } from "../../src/base/secret.ts";

const text = "correct horse battery staple";
const make = () => new Secret(encodeUtf8(text));
const spellings = [
  text,
  encodeHex(encodeUtf8(text)),
  encodeBase64(encodeUtf8(text)),
  [...encodeUtf8(text)].join(","),
  [...encodeUtf8(text)].join(", "),
];

function expectHidden(shown: string): void {
  for (const spelling of spellings) expect(shown).not.toContain(spelling);
}

const ways: readonly (readonly [way: string, show: (secret: Secret) => string])[] = [
  ["JSON", (secret) => JSON.stringify(secret)],
  ["JSON inside of something", (secret) => JSON.stringify({ deep: [{ secret }] })],
  ["a template", (secret: unknown) => `${secret as string}`],
  ["concatenation", (secret) => `a${String(secret)}`],
  ["String", (secret) => String(secret)],
  ["toLocaleString", (secret) => secret.toLocaleString()],
  ["inspect", (secret) => inspect(secret, { depth: null, showHidden: true, getters: true })],
  ["inspect inside of something", (secret) => inspect({ a: [secret] }, { depth: null })],
  ["Bun.inspect", (secret) => Bun.inspect({ secret }, { depth: 9 })],
  [
    "an error's message",
    (secret) => inspect(new Error(`no: ${String(secret)}`, { cause: secret })),
  ],
  ["its keys", (secret) => Object.entries(secret).flat().join() + Reflect.ownKeys(secret).join()],
  ["a copy", (secret) => JSON.stringify(Object.fromEntries(Object.entries(secret)))],
  ["a clone", (secret) => inspect(structuredClone(secret))],
  ["for in", (secret) => JSON.stringify(Object.assign({}, secret))],
];

test.each(ways)("a secret shown by %s is not seen", (_way, show) => {
  expectHidden(show(make()));
});

test("console prints the placeholder", async () => {
  const program = `
    import { Secret } from "${import.meta.dir}/../../src/base/secret.ts";
    const secret = new Secret(new TextEncoder().encode("${text}"));
    console.log(secret, [secret], { secret }, "%s %o %j", secret);
    console.error(secret);
    console.table([{ secret }]);
    console.dir(secret, { depth: 9, showHidden: true });
    throw new Error("end of " + secret, { cause: secret });`;
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe", stderr: "pipe" });
  const [out, error] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(out).toContain("[secret]");
  expect(error).toContain("end of [secret]");
  // The source line that Bun quotes above a stack holds the text itself; nothing else may.
  expectHidden(out);
  expectHidden(error.replaceAll(/^\s*\d+ \|.*$/gm, ""));
});

test("a log line holds the placeholder", () => {
  const lines: string[] = [];
  const log = openLog(
    (_level, line) => lines.push(line),
    () => 0,
  );
  log.info("key_read", { key: String(make()) });
  expect(lines.join()).toContain("[secret]");
  expectHidden(lines.join());
});

test("the bytes are lent, and are those that were given", () => {
  expect(make().expose<Uint8Array>((bytes) => new Uint8Array(bytes))).toEqual(encodeUtf8(text));
  expect(make().sizeBytes).toBe(text.length);
});

test("the array that the bytes came in is wiped, and the secret keeps its own", () => {
  const bytes = encodeUtf8(text);
  const secret = new Secret(bytes);
  expect(bytes.every((byte) => byte === 0)).toBe(true);
  expect(secret.expose((own) => own[0])).toBe(encodeUtf8(text)[0]);
});

test("a Buffer's memory is not shared", () => {
  const bytes = Buffer.from(text);
  const secret = new Secret(bytes);
  bytes.fill(7);
  expect(secret.expose<Uint8Array>((own) => new Uint8Array(own))).toEqual(encodeUtf8(text));
});

test("a wiped secret is zeros of the same size", () => {
  const secret = make();
  secret.wipe();
  expect(secret.expose((bytes) => bytes.every((byte) => byte === 0))).toBe(true);
  expect(secret.sizeBytes).toBe(text.length);
});
