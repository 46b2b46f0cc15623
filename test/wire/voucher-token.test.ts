/** voucher-token: one spelling, and a seed that nothing shows once it was read. */
import { expect, test } from "bun:test";
import { inspect } from "node:util";
import { encodeVoucherToken, parseVoucherToken } from "../../src/wire/voucher-token.ts";
import { enrollmentOf } from "../daemon/world.ts";
import { Ledger, signerOf } from "../support/world.ts";

const { node: _, wanted: __, ...card } = enrollmentOf(new Ledger(), "me");
const key = signerOf("voucher");
const text = encodeVoucherToken({ card, key });

test("a token says which network it is and carries the key whose public half the log knows", () => {
  expect(text).toStartWith("rnvouch1.");
  const parsed = parseVoucherToken(` ${text}\n`);
  expect(parsed?.card).toEqual(card);
  expect(parsed?.key.publicKey).toBe(key.publicKey);
});

test("what was read shows the seed to nobody", () => {
  const parsed = parseVoucherToken(text);
  const seed = key.seed.expose((bytes) => bytes.toBase64({ alphabet: "base64url" }));
  for (const shown of [JSON.stringify(parsed), inspect(parsed, { depth: 9 })]) {
    expect(shown).not.toContain(seed.slice(0, 40));
    expect(shown).not.toContain(key.seed.expose((bytes) => bytes.toHex()));
  }
});

test("a part of a token, a token with more in it, and another kind of token are none", () => {
  for (const other of ["", text.slice(0, -1), `${text}x`, text.replace("rnvouch1", "rnjoin1")])
    expect(parseVoucherToken(other)).toBeNull();
});
