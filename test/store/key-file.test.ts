import { afterEach, beforeEach, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeUtf8 } from "../../src/base/bytes.ts";
import { Fault } from "../../src/base/fault.ts";
import { Secret } from "../../src/base/secret.ts";
import type { Custody } from "../../src/crypto/key-file.ts";
import {
  credentialName,
  type PassphraseSource,
  readCustodyKind,
  readKeyFile,
  readPassphrase,
  writeKeyFile,
} from "../../src/store/key-file.ts";
import { forEachPowerLoss } from "../support/fake-disk.ts";

const marker = "0123456789abcdef".repeat(4);
const secret = () => new Secret(Uint8Array.fromHex(marker));
const words = (text = "correct horse battery"): Custody => ({
  kind: "passphrase",
  passphrase: new Secret(encodeUtf8(text)),
});
const isRoot = process.geteuid?.() === 0;

let folder: string;
let path: string;

beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), "rustynet-test-"));
  path = join(folder, "identity.key");
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

function refusal(action: () => unknown): Fault {
  try {
    action();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

const readText = (custody: Custody): string =>
  readKeyFile(path, "identity", custody).expose((bytes) => bytes.toHex());

test("a key comes back under its passphrase, and the file holds nothing of it", () => {
  writeKeyFile(path, "identity", secret(), words(), randomBytes);
  expect(readText(words())).toBe(marker);
  expect(fs.readFileSync(path).toString("hex")).not.toContain(marker.slice(0, 16));
  expect(fs.statSync(path).mode & 0o7777).toBe(0o600);
  expect(fs.readdirSync(folder)).toEqual(["identity.key"]);
});

test("how a key is kept is told without its passphrase, and not of files that others can get at", () => {
  writeKeyFile(path, "identity", secret(), words(), randomBytes);
  expect(readCustodyKind(path)).toBe("passphrase");
  fs.chmodSync(path, 0o644);
  expect(refusal(() => readCustodyKind(path)).code).toBe("key_custody");
  fs.rmSync(path);
  writeKeyFile(path, "identity", secret(), { kind: "plain" }, randomBytes);
  expect(readCustodyKind(path)).toBe("plain");
  fs.writeFileSync(path, "no key");
  expect(refusal(() => readCustodyKind(path)).code).toBe("store_corrupt");
});

test("an existing key is never overwritten", () => {
  writeKeyFile(path, "identity", secret(), { kind: "plain" }, randomBytes);
  const write = () => writeKeyFile(path, "identity", secret(), words(), randomBytes);
  expect(refusal(write).code).toBe("already_exists");
  expect(readText({ kind: "plain" })).toBe(marker);
  expect(fs.readdirSync(folder)).toEqual(["identity.key"]);
});

test("an existing symbolic link is not written through", () => {
  const target = join(folder, "target");
  fs.symlinkSync(target, path);
  const write = () => writeKeyFile(path, "identity", secret(), words(), randomBytes);
  expect(refusal(write).code).toBe("already_exists");
  expect(fs.existsSync(target)).toBe(false);
});

test("a key file is there wholly or not at all after a power loss", () => {
  const plain = { kind: "plain" } as const;
  forEachPowerLoss(
    new Map(),
    (disk) => writeKeyFile(path, "identity", secret(), plain, randomBytes, disk),
    (after, isDone) => {
      const bytes = after.read(path);
      if (isDone) expect(bytes).not.toBeNull();
      if (bytes === null) return;
      fs.writeFileSync(path, bytes, { mode: 0o600 });
      expect(readText(plain)).toBe(marker);
      fs.rmSync(path);
    },
  );
});

const modes: { name: string; change: () => void; remedy: () => string }[] = [
  {
    name: "a file that others can read",
    change: () => fs.chmodSync(path, 0o644),
    remedy: () => `chmod 0600 ${path}`,
  },
  {
    name: "a file that the group can write",
    change: () => fs.chmodSync(path, 0o620),
    remedy: () => `chmod 0600 ${path}`,
  },
  {
    name: "a folder that others can enter",
    change: () => fs.chmodSync(folder, 0o711),
    remedy: () => `chmod 0700 ${folder}`,
  },
];
const owners: typeof modes = [
  {
    name: "a file of another user",
    change: () => fs.chownSync(path, 65_534, 0),
    remedy: () => `chown 0 ${path}`,
  },
  {
    name: "a folder of another user",
    change: () => fs.chownSync(folder, 65_534, 0),
    remedy: () => `chown 0 ${folder}`,
  },
  {
    name: "another user's file that others can read",
    change: () => {
      fs.chownSync(path, 65_534, 0);
      fs.chmodSync(path, 0o604);
    },
    remedy: () => `chown 0 ${path} && chmod 0600 ${path}`,
  },
];

// Only root can give a file away, and so set up the second half.
test.each(isRoot ? [...modes, ...owners] : modes)("refuses $name, with the command", (row) => {
  writeKeyFile(path, "identity", secret(), { kind: "plain" }, randomBytes);
  row.change();
  const fault = refusal(() => readText({ kind: "plain" }));
  expect(fault.code).toBe("key_custody");
  expect(fault.remedy).toBe(row.remedy());
  // The command does put it right.
  expect(Bun.spawnSync(["/bin/sh", "-c", row.remedy()]).exitCode).toBe(0);
  expect(readText({ kind: "plain" })).toBe(marker);
});

test("the command quotes what a shell would read", () => {
  const odd = join(folder, "it's a 'key'; $(id)");
  writeKeyFile(odd, "identity", secret(), { kind: "plain" }, randomBytes);
  fs.chmodSync(odd, 0o644);
  const fault = refusal(() => readKeyFile(odd, "identity", { kind: "plain" }));
  expect(Bun.spawnSync(["/bin/sh", "-c", fault.remedy ?? "false"]).exitCode).toBe(0);
  expect(fs.statSync(odd).mode & 0o777).toBe(0o600);
});

test("a symbolic link, a pipe, a folder and nothing at all are not keys", () => {
  const real = join(folder, "real");
  writeKeyFile(real, "identity", secret(), { kind: "plain" }, randomBytes);
  const read = () => readText({ kind: "plain" });
  expect(refusal(read).code).toBe("not_found");
  fs.symlinkSync(real, path);
  expect(refusal(read).code).toBe("permission_denied");
  fs.rmSync(path);
  Bun.spawnSync(["/usr/bin/mkfifo", "-m", "600", path]);
  expect(refusal(read).message).toContain("not a regular file");
  fs.rmSync(path);
  fs.mkdirSync(path, 0o700);
  expect(refusal(read).message).toContain("not a regular file");
});

test("a folder that is a symbolic link is refused", () => {
  writeKeyFile(path, "identity", secret(), { kind: "plain" }, randomBytes);
  const alias = `${folder}-alias`;
  fs.symlinkSync(folder, alias);
  const fault = refusal(() =>
    readKeyFile(join(alias, "identity.key"), "identity", { kind: "plain" }),
  );
  fs.rmSync(alias);
  expect(fault.code).toBe("key_custody");
});

test("what is in the file decides the code of the refusal", () => {
  writeKeyFile(path, "identity", secret(), words(), randomBytes);
  expect(refusal(() => readText(words("another passphrase"))).message).toContain(
    "wrong passphrase",
  );
  expect(refusal(() => readText({ kind: "plain" })).code).toBe("key_custody");
  expect(refusal(() => readKeyFile(path, "tunnel", words())).code).toBe("key_custody");
  fs.writeFileSync(path, "garbage\n");
  expect(refusal(() => readText(words())).code).toBe("store_corrupt");
  fs.writeFileSync(path, new Uint8Array(100_000));
  expect(refusal(() => readText(words())).code).toBe("store_corrupt");
});

test("a passphrase comes from a credential or a file, without its last newline", () => {
  const credential = join(folder, credentialName);
  fs.writeFileSync(credential, "correct horse battery\n", { mode: 0o440 });
  const named = join(folder, "passphrase");
  fs.writeFileSync(named, "correct horse battery", { mode: 0o600 });
  writeKeyFile(path, "identity", secret(), words(), randomBytes);
  expect(readText(readPassphrase({ credentialsDirectory: folder }))).toBe(marker);
  expect(readText(readPassphrase({ passphraseFile: named }))).toBe(marker);
});

test("plain keys are only ever an explicit choice", () => {
  expect(readPassphrase({ plain: true })).toEqual({ kind: "plain" });
  const sources: PassphraseSource[] = [{}, { credentialsDirectory: folder }, { plain: false }];
  for (const source of sources) {
    const fault = refusal(() => readPassphrase(source));
    expect(fault.code).toBe("key_custody");
    for (const way of [credentialName, "--passphrase-file", "--plain-keys"]) {
      expect(fault.remedy).toContain(way);
    }
  }
  const both = refusal(() => readPassphrase({ plain: true, passphraseFile: path }));
  expect(both.code).toBe("config_invalid");
});

test("a passphrase that others can read, or that is too short, is refused", () => {
  const named = join(folder, "passphrase");
  fs.writeFileSync(named, "correct horse battery", { mode: 0o600 });
  fs.chmodSync(named, 0o640);
  const open = refusal(() => readPassphrase({ passphraseFile: named }));
  expect([open.code, open.remedy]).toEqual(["key_custody", `chmod 0600 ${named}`]);
  for (const short of ["", "\n", "seven77\n"]) {
    fs.writeFileSync(named, short);
    fs.chmodSync(named, 0o600);
    expect(refusal(() => readPassphrase({ passphraseFile: named })).message).toContain("too short");
  }
  const missing = refusal(() => readPassphrase({ passphraseFile: join(folder, "none") }));
  expect(missing.code).toBe("not_found");
});
