/** plan is what the guest is told to do, and what it tells of it: the two sides' only contract. */
import * as v from "valibot";

/** A word of the guest's kernel command line, by which what runs in there knows where it is. */
export const guestWord = "rustynet.guest";

/** The folder of the guest whose contents come out. */
export const resultsFolder = "/results";

export const Plan = v.variant("mode", [
  v.strictObject({
    mode: v.literal("suites"),
    /** Test files, in the order in which they are begun. */
    files: v.array(v.string()),
    /** Those that measure, after all others and one by one. */
    filesAlone: v.array(v.string()),
    /** How many of them run at the same time. */
    processesMax: v.number(),
  }),
  v.strictObject({
    mode: v.literal("bench"),
    /** Cases of test/bench, one after the other. */
    cases: v.array(v.string()),
    isQuick: v.boolean(),
  }),
  v.strictObject({ mode: v.literal("shell") }),
]);
export type Plan = v.InferOutput<typeof Plan>;

const Count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** One line each of what the guest says while it works. */
export const GuestEvent = v.variant("event", [
  v.strictObject({ event: v.literal("ready"), kernel: v.string(), uptimeS: v.number() }),
  v.strictObject({ event: v.literal("begun"), file: v.string() }),
  /** How far it is, for people. */
  v.strictObject({ event: v.literal("said"), text: v.string() }),
  v.strictObject({
    event: v.literal("ran"),
    file: v.string(),
    passed: Count,
    failed: Count,
    skipped: Count,
    failures: v.array(v.string()),
    elapsedMs: v.number(),
    /** Empty when nothing failed. */
    output: v.string(),
  }),
  v.strictObject({ event: v.literal("done") }),
]);
export type GuestEvent = v.InferOutput<typeof GuestEvent>;

/** Where the guest leaves the reports of the bench, in its folder of results. */
export const benchFolder = "perf";

/** The report's name for a test file, as scripts/test spells it. */
export const reportName = (file: string): string =>
  file
    .replace(/^test\//, "")
    .replace(/\.test\.ts$/, "")
    .replaceAll("/", "-");
