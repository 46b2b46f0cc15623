/** An executable is fresh only as long as nothing that goes into it has changed. */
import { expect, test } from "bun:test";
import { Glob } from "bun";
import { sourcesOf } from "../../scripts/build-sources.ts";
import { root } from "../../scripts/checks.ts";

const sources = sourcesOf(root);

test("every file of the product's sources and units is looked at before a build is called fresh", () => {
  const all = [...new Glob("src/**/*").scanSync(root), ...new Glob("systemd/*").scanSync(root)];
  expect(all.length).toBeGreaterThan(100);
  expect(all.filter((path) => !sources.includes(path))).toEqual([]);
});

test.each(["src/main.ts", "systemd/rustynet.service", "scripts/build.ts", "bun.lock"])(
  "%s is one of them",
  (path) => {
    expect(sources).toContain(path);
  },
);
