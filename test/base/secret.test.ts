import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { Secret } from "../../src/base/secret.ts";

const marker = "5ec7e75ec7e75ec7";
const bytesOf = () => Uint8Array.fromHex(marker);

test("a secret keeps its bytes and wipes the caller's", () => {
  const given = bytesOf();
  const secret = new Secret(given);
  expect(given).toEqual(new Uint8Array(8));
  expect(secret.expose((bytes) => bytes.toHex())).toBe(marker);
});

test("a secret made from a Buffer does not share its memory", () => {
  const secret = new Secret(Buffer.from(marker, "hex"));
  expect(secret.expose((bytes) => bytes.toHex())).toBe(marker);
  const random = new Secret(randomBytes(32));
  expect(random.expose((bytes) => bytes.some((byte) => byte !== 0))).toBe(true);
});

test("a secret shows nothing of itself", () => {
  const secret = new Secret(bytesOf());
  const shown = [
    "".concat(secret as unknown as string),
    JSON.stringify({ secret }),
    inspect({ secret }, { depth: 9, showHidden: true }),
    Bun.inspect({ secret }),
    String(secret),
    JSON.stringify(Object.entries(secret)),
    JSON.stringify(Object.getOwnPropertyNames(secret)),
  ].join(" ");
  expect(shown).not.toContain(marker);
  expect(shown).not.toContain(`${0x5e}`);
});

test("a wiped secret is zeros", () => {
  const secret = new Secret(bytesOf());
  secret.wipe();
  expect(secret.expose((bytes) => bytes.every((byte) => byte === 0))).toBe(true);
});
