/** What phase 1 wants on paper is there: who holds which key, what crosses which boundary, which threats. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/checks.ts";

const section = (path: string, heading: string): string => {
  const text = readFileSync(join(root, path), "utf8");
  const from = text.indexOf(`\n## ${heading}`);
  const to = text.indexOf("\n## ", from + 1);
  return from === -1 ? "" : text.slice(from, to === -1 ? undefined : to);
};

test.each(["approver", "identity", "control", "tunnel", "TLS"])(
  "the hierarchy of keys says of the %s key who makes it, who holds it, and what it says",
  (key) => {
    const row = section("docs/protocol.md", "3 Keys")
      .split("\n")
      .find((line) => line.startsWith(`| ${key} `));
    const cells = (row ?? "").split("|").map((cell) => cell.trim());
    expect(cells.slice(1, -1).filter((cell) => cell !== "")).toHaveLength(4);
  },
);

const boundaries = section("docs/architecture.md", "Trust boundaries and threats");

test.each([
  "control → node",
  "node → control",
  "command line → daemon",
  "daemon → tunnel",
  "disk → program",
])("the boundary %s has what crosses it and what is enforced", (name) => {
  expect(boundaries).toMatch(new RegExp(`^\\| ${name} +\\|[^|\\n]{3,}\\|[^|\\n]{3,}\\|$`, "m"));
});

const threats: readonly (readonly [threat: string, words: RegExp])[] = [
  ["abuse from the internet", /internet attacker[\s\S]*rate limits/],
  ["replay", /replay/],
  ["credential stuffing", /credential stuffing|guess/],
  ["the administrator's surface", /insider|administrator/],
  ["a compromised node", /compromised node/],
  ["a thief of disks", /thief of disks/],
  ["a downgrade", /downgrad/],
];

test.each(threats)("the threat model covers %s", (_, words) => {
  expect(boundaries).toMatch(words);
});
