/** Tests for the guest alone refuse to run on any other machine, in plain words and before they do anything. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Glob } from "bun";
import { requireGuest } from "./guest-only.ts";
import { guestWord } from "./plan.ts";

const root = resolve(import.meta.dir, "../..");
const files = ["test/**/*.vm.test.ts", "test/vm/systemd/guest/*-boot.ts"]
  .flatMap((pattern) => [...new Glob(pattern).scanSync(root)])
  .sort();

test("there are files of both images", () => {
  expect(files).toContain("test/vm/netem.vm.test.ts");
  expect(files).toContain("test/vm/systemd/guest/first-boot.ts");
});

test.each(files)("%s asks where it is before anything else", async (file) => {
  const text = readFileSync(join(root, file), "utf8");
  // What follows the imports: by itself an import does nothing.
  const [first] = text
    .slice(text.lastIndexOf('.ts";\n') + '.ts";\n'.length)
    .trim()
    .split("\n");
  expect(first).toBe("requireGuest(import.meta.path);");
  const child = Bun.spawn([process.execPath, "test", `./${file}`], {
    ...{ cwd: root, stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  });
  const [said, exitCode] = await Promise.all([child.stderr.text(), child.exited]);
  expect(said).toContain(
    "runs in the guest of the virtual lab alone, and was not begun; run: scripts/lab-vm",
  );
  expect(said).toMatch(/^ 0 pass$/m);
  expect(exitCode).not.toBe(0);
});

test.each([
  ["", "scripts/lab-vm netem"],
  [`root=/dev/vda ${guestWord}s`, "scripts/lab-vm netem"],
])("a machine booted with %p is not the guest", (commandLine, command) => {
  const ask = (): void => requireGuest("/x/netem.vm.test.ts", commandLine);
  expect(ask).toThrow(`netem.vm.test.ts runs in the guest of the virtual lab alone`);
  expect(ask).toThrow(command);
  expect(() => requireGuest("/x/first-boot.ts", commandLine)).toThrow("scripts/lab-vm systemd");
});

test("the guest is told by a word of its own", () => {
  expect(() => requireGuest("/x/netem.vm.test.ts", `quiet ${guestWord} panic=0\n`)).not.toThrow();
});
