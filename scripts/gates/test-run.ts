/**
 * test-run keeps which tests ran, of which tree, beside their reports. What does not hold for the tree as
 * it is now is stale, and no evidence of anything.
 */
import { existsSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { err, ok, type Result } from "../../src/base/result.ts";
import { casesOf, type TestCase } from "./junit.ts";
import { hashOfTree } from "./tree.ts";

const Hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const RunRecord = v.strictObject({
  version: v.literal(1),
  /** Null when the tree changed while the tests ran: then nobody knows what they tested. */
  tree: v.nullable(Hash),
  startedAt: v.pipe(v.string(), v.isoTimestamp()),
  endedAt: v.pipe(v.string(), v.isoTimestamp()),
  kinds: v.array(v.string()),
  /** Parts of file names: a run with any is of some tests only. */
  filters: v.array(v.string()),
  reports: v.record(v.string(), Hash),
});
export type RunRecord = v.InferOutput<typeof RunRecord>;

export const wholeRun: readonly string[] = ["unit", "netns", "e2e"];

const folderOf = (root: string): string => join(root, "artifacts/test");
const recordPath = (root: string): string => join(folderOf(root), "run.json");
const sha256 = (bytes: Uint8Array): string =>
  new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

export type RunStart = { readonly tree: string; readonly startedAt: string };

export async function startRun(root: string): Promise<RunStart> {
  return { tree: await hashOfTree(root), startedAt: new Date().toISOString() };
}

/** Writes the record of a run that is over. `reports` are names in artifacts/test/, without `.xml`. */
export async function endRun(
  root: string,
  { tree, startedAt }: RunStart,
  ran: Pick<RunRecord, "kinds" | "filters"> & { readonly reports: readonly string[] },
): Promise<void> {
  const isSame = (await hashOfTree(root)) === tree;
  const there = ran.reports.filter((name) => existsSync(join(folderOf(root), `${name}.xml`)));
  const record: RunRecord = {
    version: 1,
    tree: isSame ? tree : null,
    startedAt,
    endedAt: new Date().toISOString(),
    kinds: ran.kinds,
    filters: ran.filters,
    reports: Object.fromEntries(
      there.map((name) => [name, sha256(readFileSync(join(folderOf(root), `${name}.xml`)))]),
    ),
  };
  await mkdir(folderOf(root), { recursive: true });
  await Bun.write(recordPath(root), `${JSON.stringify(record, null, 2)}\n`);
}

export type Stale =
  | { readonly code: "no_run" }
  | { readonly code: "unreadable_record"; readonly why: string }
  | { readonly code: "part_of_a_run"; readonly missing: readonly string[] }
  | { readonly code: "tree_changed_meanwhile" }
  | { readonly code: "another_tree" }
  | { readonly code: "report_changed"; readonly report: string };

export const staleText = (stale: Stale): string => {
  const remedy = "run the tests of this tree: scripts/test";
  switch (stale.code) {
    case "no_run":
      return `no run of the tests is recorded; ${remedy}`;
    case "unreadable_record":
      return `the record of the test run cannot be read (${stale.why}); ${remedy}`;
    case "part_of_a_run":
      return `the last run was not of all tests (left out: ${stale.missing.join(", ")}); ${remedy}`;
    case "tree_changed_meanwhile":
      return `files changed while the tests ran; ${remedy}`;
    case "another_tree":
      return `files have changed since the tests ran; ${remedy}`;
    case "report_changed":
      return `artifacts/test/${stale.report}.xml is not what the tests wrote; ${remedy}`;
  }
};

/** Returns the cases of the last run, if it was of all tests, of this very tree, and is as it was written. */
export async function readRun(root: string): Promise<Result<readonly TestCase[], Stale>> {
  if (!existsSync(recordPath(root))) return err({ code: "no_run" });
  const text = readFileSync(recordPath(root), "utf8");
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), RunRecord), text);
  if (!parsed.success) {
    return err({ code: "unreadable_record", why: v.summarize(parsed.issues) });
  }
  const { tree, kinds, filters, reports } = parsed.output;
  const missing = [...wholeRun.filter((kind) => !kinds.includes(kind)), ...filters];
  if (missing.length > 0) return err({ code: "part_of_a_run", missing });
  if (tree === null) return err({ code: "tree_changed_meanwhile" });
  if (tree !== (await hashOfTree(root))) return err({ code: "another_tree" });
  const cases: TestCase[] = [];
  for (const [report, hash] of Object.entries(reports)) {
    const path = join(folderOf(root), `${report}.xml`);
    if (!existsSync(path) || sha256(readFileSync(path)) !== hash) {
      return err({ code: "report_changed", report });
    }
    cases.push(...casesOf(readFileSync(path, "utf8")));
  }
  return ok(cases);
}

/** How long the last run took; 0 when there is none that can be read. */
export function runDurationMs(root: string): number {
  if (!existsSync(recordPath(root))) return 0;
  const text = readFileSync(recordPath(root), "utf8");
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), RunRecord), text);
  if (!parsed.success) return 0;
  return Date.parse(parsed.output.endedAt) - Date.parse(parsed.output.startedAt);
}
