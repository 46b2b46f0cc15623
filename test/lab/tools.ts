/** tools runs the programs by which a lab is built. Each call names the namespace that it works in. */
import { Fault } from "../../src/base/fault.ts";

/**
 * Feeds lines to ip(8), in the named network namespace. `null` is for `netns` lines alone: any other
 * would act on the machine's own network, and is refused.
 */
export async function ipBatch(netns: string | null, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  const stray = lines.find((line) => netns === null && !line.startsWith("netns "));
  if (stray !== undefined) {
    throw new Fault("permission_denied", `refused outside of a lab's namespace: ip ${stray}`);
  }
  const where = netns === null ? [] : ["-n", netns];
  await execute(["/usr/bin/ip", ...where, "-batch", "-"], lines.join("\n"));
}

/** Runs a program of the machine, without an environment; throws Fault unless it succeeds. */
export async function execute(argv: readonly string[], stdin: string): Promise<string> {
  const child = Bun.spawn({
    cmd: [...argv],
    cwd: "/",
    env: {},
    stdin: new TextEncoder().encode(stdin),
    stdout: "pipe",
    stderr: "pipe",
    timeout: 30_000,
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (exitCode === 0) return stdout;
  throw new Fault("host_failed", `${argv.join(" ")}: exit code ${exitCode}\n${stderr}\n${stdin}`);
}
