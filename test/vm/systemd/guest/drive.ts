/** drive runs the tests of one boot inside the guest, and tells the outside how they went. */
import { existsSync, readFileSync } from "node:fs";
import { release, uptime } from "node:os";
import { join } from "node:path";
import { failuresIn, tallyOf } from "../../../../scripts/test-process.ts";
import { openEvents } from "../../guest/events.ts";
import { visitFolder, visitResults } from "../places.ts";

const testMaxMs = 240_000;

const [boot = ""] = process.argv.slice(2);
const tell = openEvents();
tell({ event: "ready", kernel: release(), uptimeS: uptime() });
tell({ event: "begun", file: boot });
const report = join(visitResults, `${boot}.xml`);
const startedMs = performance.now();
const child = Bun.spawn(
  [
    ...[process.execPath, "test", `--timeout=${testMaxMs}`],
    ...["--reporter=junit", `--reporter-outfile=${report}`, `./${boot}.js`],
  ],
  {
    ...{ cwd: visitFolder, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    env: { ...process.env, RUSTYNET_TEST_PACE: "6" },
  },
);
const [stdout, stderr, exitCode] = await Promise.all([
  child.stdout.text(),
  child.stderr.text(),
  child.exited,
]);
const output = stdout + stderr;
await Bun.write(join(visitResults, `${boot}.txt`), output);
// What ran is a bundle: its tests are known by the file that they are written in.
const xml = (existsSync(report) ? readFileSync(report, "utf8") : "").replaceAll(
  `"${boot}.js"`,
  `"test/vm/systemd/guest/${boot}.ts"`,
);
await Bun.write(report, xml);
tell({
  ...{
    event: "ran",
    file: boot,
    ...tallyOf(xml, output, exitCode),
    failures: [...failuresIn(xml)],
  },
  ...{ elapsedMs: performance.now() - startedMs, output: exitCode === 0 ? "" : output },
});
if (boot === "second-boot") tell({ event: "done" });
