/** qr-code: what is drawn reads back as the text, in a terminal and in the picture. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { renderQrLines, renderQrSvg } from "../../src/cli/qr-code.ts";
import { keygen } from "../../src/crypto/ed25519.ts";
import { ApproverCard, encodeApproverCard } from "../../src/wire/approver-card.ts";
import { Prng } from "../support/prng.ts";
import { type Modules, modulesOf, readQr } from "../support/qr-reader.ts";

const prng = new Prng(11);
const cards = [1, 4, 12, 30, 63].map((letters) => {
  const { publicKey: key } = keygen((sizeBytes) => prng.bytes(sizeBytes));
  return encodeApproverCard(v.parse(ApproverCard, { key, name: "a".repeat(letters) }));
});

/** The dark modules of the picture, each a square of ten, without the white around them. */
function modulesOfSvg(svg: string): Modules {
  const size = Number(/viewBox="0 0 (\d+) /.exec(svg)?.[1]) / 10 - 8;
  const dark = new Set(
    [...svg.matchAll(/M(\d+),(\d+)h10v10h-10z/g)].map(([, x, y]) => `${Number(y)},${Number(x)}`),
  );
  const row = (r: number) =>
    Array.from({ length: size }, (_, c) => dark.has(`${10 * (r + 4)},${10 * (c + 4)}`));
  return Array.from({ length: size }, (_, r) => row(r));
}

test.each(cards)("%s reads back from a terminal's lines, which fit one", (text) => {
  const lines = renderQrLines(text);
  expect(readQr(modulesOf(lines, 2))).toBe(text);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
});

test.each(cards)("%s reads back from the picture", (text) => {
  expect(readQr(modulesOfSvg(renderQrSvg(text)))).toBe(text);
});

test("the picture has four modules of white around it, dark on white", () => {
  const svg = renderQrSvg(cards[0] ?? "");
  expect(svg).toContain('<rect fill="white"');
  expect(svg).toContain('<path fill="black" d="M40,40h10v10h-10z');
  expect(svg).toEndWith("</svg>\n");
});
