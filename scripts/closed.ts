/**
 * closed: what makes an executable take no code from its surroundings, neither from the folder it is
 * started in nor from its environment (docs/adr/0004-the-closed-binary.md).
 */
import { open } from "node:fs/promises";

/** Options of `bun build --compile`. The quoted one is a single argument, with its spaces. */
export const closedOptions: readonly string[] = [
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  "--no-compile-autoload-tsconfig",
  "--no-compile-autoload-package-json",
  "--compile-exec-argv=--disallow-code-generation-from-strings=strict --no-addons --no-ffi-cc",
];

/** Set to anything, it makes a compiled executable run as Bun itself, which runs what it is given. */
const door = "BUN_BE_BUN";

/**
 * Overwrites the first letter of the name with a zero byte, which no name in an environment can hold,
 * so that looking it up finds nothing. Throws if the name is there more or less often than once: then
 * the runtime is not the one that this was tried on.
 */
export async function shutDoor(path: string): Promise<void> {
  const bytes = Buffer.from(await Bun.file(path).arrayBuffer());
  const at = bytes.indexOf(door);
  if (at === -1 || bytes.includes(door, at + 1)) {
    throw new Error(
      `${path} does not name ${door} exactly once: look at how Bun ${Bun.version} reads it`,
    );
  }
  const file = await open(path, "r+");
  try {
    await file.write(new Uint8Array(1), 0, 1, at);
  } finally {
    await file.close();
  }
}
