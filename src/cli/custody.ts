/** custody is how a person keeps a key: under a passphrase that is asked for, or as an option says. */
import { equalBytes } from "../base/bytes.ts";
import { Fault } from "../base/fault.ts";
import type { Secret } from "../base/secret.ts";
import type { Custody } from "../crypto/key-file.ts";
import { passphraseMinBytes, readPassphrase, underPassphrase } from "../store/key-file.ts";
import type { Arguments } from "./command.ts";
import type { Surroundings } from "./surroundings.ts";

/** For every command that opens a key. There is no option for the passphrase itself, nor a variable. */
export const passphraseOption = {
  "passphrase-file": {
    type: "string",
    valueHint: "FILE",
    description: "Read the passphrase from a file, instead of asking for it",
    completes: "file",
  },
} as const satisfies Arguments;

export const newKeyOptions = {
  ...passphraseOption,
  "plain-keys": { type: "boolean", description: "Keep the key unencrypted" },
} as const satisfies Arguments;

type Asking = Pick<Surroundings, "askHidden" | "forbidCoreDumps">;

/**
 * How a new key is to be kept. Asks twice, so that nobody locks a key away by a slip. `command` is what
 * was typed, for the way out. Throws `key_custody`, and `usage` when the two differ.
 */
export async function chooseCustody(
  wishes: { readonly passphraseFile: string | undefined; readonly isPlain: boolean },
  surroundings: Asking,
  command: string,
): Promise<Custody> {
  const { passphraseFile, isPlain } = wishes;
  surroundings.forbidCoreDumps();
  if (isPlain || passphraseFile !== undefined)
    return readPassphrase({ passphraseFile, plain: isPlain });
  const leave = `${command} --passphrase-file FILE (or, unencrypted: ${command} --plain-keys)`;
  const typed = await ask(surroundings, "Passphrase for the new key: ", leave);
  const custody = underPassphrase(typed, {
    where: "the passphrase",
    remedy: `take at least ${passphraseMinBytes} letters; several words are best`,
  });
  const again = await ask(surroundings, "The same again: ", leave);
  const isSame = typed.expose((left) => again.expose((right) => equalBytes(left, right)));
  again.wipe();
  if (isSame) return custody;
  throw new Fault("usage", "the two passphrases differ", { remedy: "nothing was made: try again" });
}

/** What opens a key that is there, and is kept as `kind` says. Asks once. */
export async function openCustody(
  kind: Custody["kind"],
  passphraseFile: string | undefined,
  surroundings: Asking,
  command: string,
): Promise<Custody> {
  surroundings.forbidCoreDumps();
  if (passphraseFile !== undefined) return readPassphrase({ passphraseFile });
  if (kind === "plain") return { kind };
  const leave = `${command} --passphrase-file FILE`;
  return { kind, passphrase: await ask(surroundings, "Passphrase of your key: ", leave) };
}

async function ask({ askHidden }: Asking, question: string, leave: string): Promise<Secret> {
  const answer = await askHidden(question);
  if (answer !== null) return answer;
  throw new Fault("key_custody", "there is no terminal on which to ask for the passphrase", {
    remedy: leave,
  });
}
