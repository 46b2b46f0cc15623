/** The archive is what the kernel's documentation says, and holds what was put into it, once. */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cpio } from "./cpio.ts";

const folder = mkdtempSync(join(tmpdir(), "cpio-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Reads an archive by the format's own words: every field is eight hexadecimal digits. */
function entriesOf(bytes: Buffer): readonly { name: string; mode: string; content: string }[] {
  const aligned = (at: number): number => at + (-at & 3);
  const entries: { name: string; mode: string; content: string }[] = [];
  for (let at = 0; at < bytes.length;) {
    expect(bytes.toString("latin1", at, at + 6)).toBe("070701");
    const field = (index: number): number =>
      parseInt(bytes.toString("latin1", at + 6 + 8 * index, at + 14 + 8 * index), 16);
    const [mode, size, nameSize] = [field(1), field(6), field(11)];
    const name = bytes.toString("utf8", at + 110, at + 110 + nameSize - 1);
    const begin = aligned(at + 110 + nameSize);
    entries.push({
      name,
      mode: mode.toString(8),
      content: bytes.toString("utf8", begin, begin + size),
    });
    at = aligned(begin + size);
  }
  return entries;
}

function written(write: (cpio: Cpio) => void): ReturnType<typeof entriesOf> {
  const path = join(folder, `${crypto.randomUUID()}.cpio`);
  const cpio = Cpio.open(path);
  write(cpio);
  cpio.close();
  return entriesOf(readFileSync(path));
}

const end = { name: "TRAILER!!!", mode: "0", content: "" };

test("folders come before what is in them, and nothing comes twice", () => {
  const entries = written((cpio) => {
    cpio.addFile("usr/bin/true", "odd", 0o755);
    cpio.addFile("usr/bin/true", "another", 0o755);
    cpio.addLink("bin", "usr/bin");
    cpio.addFolder("usr/bin");
  });
  expect(entries).toEqual([
    { name: "usr", mode: "40755", content: "" },
    { name: "usr/bin", mode: "40755", content: "" },
    { name: "usr/bin/true", mode: "100755", content: "odd" },
    { name: "bin", mode: "120777", content: "usr/bin" },
    end,
  ]);
});

test("a tree is taken with its rights and links, to where it is told, and without what is left out", () => {
  const tree = join(folder, "tree");
  mkdirSync(join(tree, "bin"), { recursive: true });
  mkdirSync(join(tree, "doc"));
  writeFileSync(join(tree, "bin/run"), "#!", { mode: 0o750 });
  symlinkSync("run", join(tree, "bin/go"));
  writeFileSync(join(tree, "doc/manual"), "long");
  const entries = written((cpio) =>
    cpio.addTree(tree, (path) => (path.startsWith("doc") ? null : `usr/${path}`)),
  );
  expect(entries).toEqual([
    { name: "usr", mode: "40755", content: "" },
    { name: "usr/bin", mode: "40755", content: "" },
    { name: "usr/bin/go", mode: "120777", content: "run" },
    { name: "usr/bin/run", mode: "100750", content: "#!" },
    end,
  ]);
});

test("an archive that was taken over stands first, and whole", () => {
  const path = join(folder, "first.cpio");
  const first = Cpio.open(path);
  first.addFile("one", "1");
  first.close();
  const entries = written((cpio) => {
    cpio.addArchive(path);
    cpio.addFile("two", "22");
  });
  expect(entries.map(({ name }) => name)).toEqual(["one", end.name, "two", end.name]);
});
