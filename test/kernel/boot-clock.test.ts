/** boot-clock: the kernel's own count since boot, in a time namespace the namespace's. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bootMs } from "../../src/kernel/boot-clock.ts";

/** In seconds. The kernel counts suspended time here too (proc_uptime(5)). */
const uptimeS = (): number => Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);

test("it counts as the kernel does", () => {
  const [before, found, after] = [uptimeS(), bootMs() / 1_000, uptimeS()];
  expect(found).toBeGreaterThanOrEqual(before);
  expect(found).toBeLessThan(after + 0.02);
});

test("time in which the machine slept counts", () => {
  const slept = 86_400;
  const module = join(import.meta.dir, "../../src/kernel/boot-clock.ts");
  const { stdout } = Bun.spawnSync([
    "/usr/bin/unshare",
    ...["--time", "--boottime", `${slept}`, "--fork"],
    process.execPath,
    ...["-e", `import { bootMs } from ${JSON.stringify(module)}; console.log(bootMs())`],
  ]);
  expect(Number(stdout.toString()) / 1_000 - uptimeS()).toBeGreaterThan(slept - 60);
});
