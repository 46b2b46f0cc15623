/** custody: what opens a key that is there, and that nothing of it is in memory that others can get at. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeUtf8 } from "../../src/base/bytes.ts";
import { Fault } from "../../src/base/fault.ts";
import { Secret } from "../../src/base/secret.ts";
import { chooseCustody, openCustody } from "../../src/cli/custody.ts";
import type { Custody } from "../../src/crypto/key-file.ts";

/** A person who answers each question with this, or is not there; and what happened, in order. */
function person(answer: string | null) {
  const events: string[] = [];
  return {
    events,
    askHidden: (question: string) => {
      events.push(question);
      return Promise.resolve(answer === null ? null : new Secret(encodeUtf8(answer)));
    },
    forbidCoreDumps: () => void events.push("guarded"),
  };
}

const textOf = (custody: Custody): string =>
  custody.kind === "plain"
    ? "plain"
    : custody.passphrase.expose((bytes) => new TextDecoder().decode(bytes));

test("a sealed key is asked for once, after memory is guarded", async () => {
  const anna = person("correct horse");
  expect(textOf(await openCustody("passphrase", undefined, anna, "cmd"))).toBe("correct horse");
  expect(anna.events).toEqual(["guarded", "Passphrase of your key: "]);
});

test("a new key is asked for twice, after memory is guarded", async () => {
  const anna = person("correct horse");
  const wishes = { passphraseFile: undefined, isPlain: false };
  expect(textOf(await chooseCustody(wishes, anna, "cmd"))).toBe("correct horse");
  expect(anna.events[0]).toBe("guarded");
  expect(anna.events).toHaveLength(3);
});

test("a key that is kept in the plain is not asked for", async () => {
  const anna = person(null);
  expect(await openCustody("plain", undefined, anna, "cmd")).toEqual({ kind: "plain" });
  expect(anna.events).toEqual(["guarded"]);
});

test("where a file is named nobody is asked, whatever is expected of the key", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rustynet-custody-"));
  try {
    const file = join(folder, "passphrase");
    writeFileSync(file, "correct horse\n", { mode: 0o600 });
    const anna = person(null);
    for (const kind of ["plain", "passphrase"] as const)
      expect(textOf(await openCustody(kind, file, anna, "cmd"))).toBe("correct horse");
    expect(anna.events).toEqual(["guarded", "guarded"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("without a terminal the way out is the command itself, with a file", async () => {
  const fault = await openCustody("passphrase", undefined, person(null), "rustynet x").catch(
    (error: unknown) => error,
  );
  expect(fault).toBeInstanceOf(Fault);
  expect(fault).toMatchObject({
    code: "key_custody",
    remedy: "rustynet x --passphrase-file FILE",
  });
});
