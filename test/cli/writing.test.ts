/** Writing: what the command line does when nobody takes what it has to say. */
import { expect, test } from "bun:test";
import { openSync } from "node:fs";
import { join } from "node:path";

const program = `
  const { main } = await import(${JSON.stringify(join(import.meta.dir, "../../src/cli/main.ts"))});
  process.exitCode = await main(["help"]);`;
const argv = [process.execPath, "-e", program];

test("a reader that leaves early ends it without a word", async () => {
  const pipeline = Bun.spawn(
    ["/bin/bash", "-c", 'set -o pipefail; "$@" | head -1', "bash", ...argv],
    { env: {}, stdout: "pipe", stderr: "pipe" },
  );
  expect(await pipeline.stdout.text()).toBe("Usage: rustynet COMMAND\n");
  expect(await pipeline.stderr.text()).toBe("");
  expect(await pipeline.exited).toBe(0);
});

test("a full disk is a failure, and said", async () => {
  const full = openSync("/dev/full", "w");
  const child = Bun.spawn(argv, { env: {}, stdout: full, stderr: "pipe" });
  expect(await child.stderr.text()).toBe("rustynet: the answer cannot be written: ENOSPC\n");
  expect(await child.exited).toBe(75);
});
