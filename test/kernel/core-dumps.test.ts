/** core-dumps: what the kernel would do with the memory of a process that forbade them. */
import { expect, test } from "bun:test";
import { join } from "node:path";

test("neither the process nor a program that it starts leaves a core, and nobody else reads it", () => {
  const module = join(import.meta.dir, "../../src/kernel/core-dumps.ts");
  const script = `
    import { statSync } from "node:fs";
    import { forbidCoreDumps } from ${JSON.stringify(module)};
    forbidCoreDumps();
    const child = Bun.spawnSync(["/bin/sh", "-c", "ulimit -H -c"]);
    // A process that may not be dumped belongs to root in proc(5).
    console.log(child.stdout.toString().trim(), statSync("/proc/self/mem").uid);`;
  const { stdout } = Bun.spawnSync([
    "/usr/bin/setpriv",
    ...["--reuid", "65534", "--regid", "65534", "--clear-groups"],
    process.execPath,
    ...["-e", script],
  ]);
  expect(stdout.toString().trim()).toBe("0 0");
});
