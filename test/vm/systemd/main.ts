/** main is `scripts/lab-vm systemd`: it boots Debian with systemd, and follows the install guide in there. */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { output, ProgramFailed, run } from "../../../scripts/run.ts";
import { Fault } from "../../../src/base/fault.ts";
import { parseRelease, type Release } from "../archive.ts";
import { parseEvent, showConsole } from "../hearing.ts";
import { boot } from "../qemu.ts";
import { Tally } from "../tally.ts";
import { boots } from "./places.ts";
import { rootDiskOf } from "./root-disk.ts";
import { writeVisitDisk } from "./visit-disk.ts";

const root = resolve(import.meta.dir, "../../..");
const out = join(root, "artifacts/vm/systemd");
const deadlineMs = 15 * 60_000;

async function main(release: Release, isRenewing: boolean): Promise<number> {
  await output([join(root, "scripts/build")], root);
  const { disk, kernel, firstFiles } = await rootDiskOf(
    release,
    join(root, ".tools/vm", `debian-${release}`),
    isRenewing,
  );
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const visit = join(out, "visit.ext4");
  await writeVisitDisk(visit);
  const console_ = join(out, "console.txt");
  const results = join(out, "results.tar");
  const tally = new Tally(boots);
  console.log(`  booting Debian ${release} with systemd, emulated ...`);
  const guest = { kernel, image: firstFiles, console: console_, results, disks: [disk, visit] };
  const ending = await boot(guest, deadlineMs, (line) => {
    const event = parseEvent(line);
    if (event !== null) tally.take(event);
  });
  rmSync(visit);
  if (existsSync(results)) await run(["tar", "-xf", results, "-C", out, "--no-same-owner"]);
  rmSync(results, { force: true });
  if (ending === "late") tally.fail(`the guest hung: it was ended after ${deadlineMs / 1_000} s`);
  else if (!tally.isDone) tally.fail("the guest ended before it had run everything");
  if (!tally.isDone) showConsole(console_);
  await Bun.write(join(out, "summary.json"), `${JSON.stringify(tally.summary, null, 2)}\n`);
  console.log(`  ${tally.text}; all that came out is in ${relative(root, out)}/`);
  return tally.summary.failed === 0 ? 0 : 1;
}

try {
  const { values } = parseArgs({
    args: process.argv.slice(2),
    options: {
      renew: { type: "boolean", default: false },
      debian: { type: "string", default: "12" },
    },
  });
  process.exitCode = await main(parseRelease(values.debian), values.renew);
} catch (error) {
  if (error instanceof ProgramFailed) console.error(`lab-vm: ${error.message}`);
  else if (error instanceof Fault) {
    console.error(`lab-vm: ${error.message}${error.remedy ? `\nremedy: ${error.remedy}` : ""}`);
  } else throw error;
  process.exitCode = 1;
}
