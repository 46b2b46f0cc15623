/** What we build in has a licence that we allow, is pinned by its hash, and is not known to be broken. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import {
  auditFindings,
  licenceFindings,
  sourceFindings,
} from "../../scripts/gates/dependencies.ts";
import { excuse, Exceptions } from "../../scripts/gates/exceptions.ts";

test("licences that only ask to be named are allowed, others are refused by name", () => {
  const mit = { MIT: [{ name: "a", versions: ["1.0.0"] }] };
  expect(licenceFindings(JSON.stringify(mit))).toEqual([]);
  const more = { ...mit, "GPL-3.0": [{ name: "b", versions: ["2.0.0"] }] };
  expect(licenceFindings(JSON.stringify(more))).toEqual(["licence GPL-3.0 of b 2.0.0"]);
});

test.each(["", "no JSON", "{}"])("licences that nobody told of are not fine: %j", (text) => {
  expect(licenceFindings(text)[0]).toStartWith("not measurable");
});

const sound = {
  workspaces: { "": { dependencies: { a: "1.0.0" } } },
  packages: { a: ["a@1.0.0", "", {}, "sha512-AA=="] },
};

test("packages of the registry, pinned and known by their hash, are fine", () => {
  expect(sourceFindings(sound)).toEqual([]);
});

const unsound: readonly (readonly [what: string, lock: unknown, finding: RegExp])[] = [
  ["a range", { ...sound, workspaces: { "": { dependencies: { a: "^1.0.0" } } } }, /not pinned/],
  ["a package of git", { ...sound, packages: { a: ["a@git+ssh://x/y#1", {}, "x"] } }, /not of the/],
  [
    "a package of another place",
    { ...sound, packages: { a: ["a@1.0.0", "https://example.org/", {}, "sha512-AA=="] } },
    /not of the registry/,
  ],
  [
    "a package without a hash",
    { ...sound, packages: { a: ["a@1.0.0", "", {}, ""] } },
    /no SHA-512/,
  ],
  ["a weak hash", { ...sound, packages: { a: ["a@1.0.0", "", {}, "sha1-AA=="] } }, /no SHA-512/],
  [
    "a banned package",
    { ...sound, packages: { elliptic: ["elliptic@6.0.0", "", {}, "sha512-AA=="] } },
    /elliptic is banned/,
  ],
  ["a program at installation", { ...sound, trustedDependencies: ["a"] }, /a may run a program/],
  ["another form", {}, /not measurable/],
];

test.each(unsound)("%s is refused", (_, lock, finding) => {
  expect(sourceFindings(lock).join("\n")).toMatch(finding);
});

const advisory = {
  id: 1,
  url: "https://github.com/advisories/GHSA-aaaa-bbbb-cccc",
  title: "it breaks",
  severity: "high",
};
const audit = (stdout: string, exitCode = 0, stderr = "") =>
  auditFindings({ exitCode, stdout, stderr });

test("an audit that found nothing is fine, and each advisory is named", () => {
  expect(audit("{}")).toEqual([]);
  expect(audit(JSON.stringify({ a: [advisory] }), 1)).toEqual([
    "GHSA-aaaa-bbbb-cccc: a, high, it breaks",
  ]);
});

const silent: readonly (readonly [what: string, stdout: string, exitCode: number])[] = [
  ["refuses", "", 1],
  ["says nothing although it succeeds", "", 0],
  ["answers in another form", "[]", 0],
  ["fails and names nothing", "{}", 1],
];

test.each(silent)(
  "a registry that %s has told of no vulnerabilities, which is no pass",
  (_, stdout, exitCode) => {
    expect(audit(stdout, exitCode, "error: 405")[0]).toStartWith("not measurable");
  },
);

const exception = {
  gate: "vulnerabilities",
  finding: "GHSA-aaaa-bbbb-cccc",
  owner: "anna",
  reason: "the function is not called",
  approvedOn: "2026-03-01",
  until: "2026-03-31",
};
const exceptions = (changes: object = {}): Exceptions =>
  v.parse(Exceptions, { version: 1, exceptions: [{ ...exception, ...changes }] });
const finding = "GHSA-aaaa-bbbb-cccc: a, high, it breaks";
const on = (day: string): Date => new Date(`${day}T12:00:00Z`);

test("an exception in force excuses its finding alone, and says so", () => {
  const excused = excuse("vulnerabilities", [finding, "GHSA-x: b"], exceptions(), on("2026-03-15"));
  expect(excused.findings).toEqual(["GHSA-x: b"]);
  expect(excused.warnings).toEqual([
    "excused until 2026-03-31 by anna: GHSA-aaaa-bbbb-cccc (the function is not called)",
  ]);
});

test.each([
  ["2026-02-28", 2],
  ["2026-03-01", 0],
  ["2026-03-31", 0],
  ["2026-04-01", 2],
] as const)("on %s it leaves %d findings: it ends by itself", (day, left) => {
  expect(excuse("vulnerabilities", [finding], exceptions(), on(day)).findings).toHaveLength(left);
});

test("an exception that nothing needs any more is a finding", () => {
  const { findings } = excuse("vulnerabilities", [], exceptions(), on("2026-03-15"));
  expect(findings.join()).toMatch(/not needed/);
});

test("an exception of another gate excuses nothing here", () => {
  const { findings } = excuse("dependencies", [finding], exceptions(), on("2026-03-15"));
  expect(findings).toEqual([finding]);
});

test.each([
  ["no owner", { owner: "" }],
  ["no reason", { reason: "" }],
  ["no end", { until: "" }],
  ["an end that is no day", { until: "2026-02-30" }],
  ["an end before its beginning", { until: "2026-02-01" }],
  ["more than 90 days", { until: "2026-05-31" }],
  ["a field that nobody knows", { forever: true }],
] as const)("an exception with %s is none", (_, changes) => {
  expect(() => exceptions(changes)).toThrow();
});
