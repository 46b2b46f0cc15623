/** relay will carry packets for nodes that cannot reach each other; this version has none yet. */
import { exitCode } from "../base/fault.ts";

/** Returns the exit code. */
export function main(_argv: readonly string[]): Promise<number> {
  process.stderr.write("rustynet: the relay is not part of this version\n");
  return Promise.resolve(exitCode.usage);
}
