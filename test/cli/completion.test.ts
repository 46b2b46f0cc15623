/** completion: what is offered at each place of a command line, and that a shell takes it. */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commands } from "../../src/cli/commands.ts";
import { completionsOf } from "../../src/cli/completion.ts";
import { running } from "./samples.ts";
import { Stage } from "./stage.ts";

const wordsFor = (...words: readonly string[]) => {
  const { offers, wants } = completionsOf(commands, words);
  return [...offers.map(({ word }) => word), ...(wants === null ? [] : [`<${wants}>`])];
};

const cases: readonly (readonly [readonly string[], readonly string[]])[] = [
  [["st"], ["status"]],
  [["c"], ["credential", "control", "completion"]],
  [["comp"], ["completion"]],
  [
    ["credential", ""],
    ["create", "list", "revoke"],
  ],
  [["credential", "create", "--l"], ["--lifetime"]],
  [
    ["status", "--check", ""],
    ["live", "ready"],
  ],
  [["status", "--check", "l"], ["live"]],
  [["status", ""], []],
  [["ping", ""], ["<node>"]],
  [["ping", "-c", ""], []],
  [["ping", "-c", "3", ""], ["<node>"]],
  [["ping", "-4", ""], ["<node>"]],
  [["ping", "alpha", ""], []],
  [["up", "--token-file", ""], ["<file>"]],
  [["--json", "st"], ["status"]],
  [["nonsense", ""], []],
  [["daemon", ""], []],
  [["__proto__", ""], []],
  [["status", "--j"], ["--json"]],
];

test.each(cases)("after %j come %j", (words, offered) => {
  expect(wordsFor(...words)).toEqual([...offered]);
});

test("at first every command is offered, and what is for shells alone is not", () => {
  expect(wordsFor("")).toContain("status");
  expect(wordsFor("")).not.toContain("complete");
});

describe("complete", () => {
  test("offers the names of nodes, from the daemon", async () => {
    using stage = new Stage().serveDaemon({ status: () => running });
    expect((await stage.run(["complete", "--", "ping", ""])).out).toBe(
      "gamma\t100.64.0.3\nalpha\t100.64.0.1\nbeta\t100.64.0.2\n",
    );
    expect((await stage.run(["complete", "--", "ip", "al"])).out).toBe("alpha\t100.64.0.1\n");
  });

  test("offers nothing, and is quiet, where no daemon answers", async () => {
    using stage = new Stage();
    expect(await stage.run(["complete", "--", "ping", ""])).toEqual({ exit: 0, out: "", err: "" });
  });

  test("asks for the shell's files by a mark", async () => {
    using stage = new Stage();
    expect((await stage.run(["complete", "--", "up", "--token-file", ""])).out).toBe(":file\n");
  });
});

test("bash hands the words over and takes the offers without their meanings", async () => {
  using stage = new Stage();
  const script = (await stage.runAsIs(["completion", "bash"])).out;
  const folder = mkdtempSync(join(tmpdir(), "rustynet-bash-"));
  try {
    const program = join(folder, "test.bash");
    writeFileSync(
      program,
      `rustynet() { printf '%s\\n' "$*" >&2; printf 'status\\tshows it\\n$(touch ${folder}/ran)\\n'; }
${script.replaceAll("2>/dev/null", "")}
COMP_WORDS=(rustynet ping "al pha" st); COMP_CWORD=3
_rustynet
printf '<%s>' "\${COMPREPLY[@]}"`,
    );
    const { stdout, stderr } = Bun.spawnSync(["/bin/bash", program], { env: {} });
    expect(stderr.toString()).toBe("complete -- ping al pha st\n");
    expect(stdout.toString()).toBe(`<status><$(touch ${folder}/ran)>`);
    expect(await Bun.file(join(folder, "ran")).exists()).toBe(false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each(["bash", "zsh", "fish"])("the script for %s asks the program itself", async (shell) => {
  using stage = new Stage();
  const { exit, out } = await stage.runAsIs(["completion", shell]);
  expect(exit).toBe(0);
  expect(out).toContain("rustynet complete --");
  const data = JSON.parse((await stage.runAsIs(["completion", shell, "--json"])).out);
  expect(data).toEqual({ shell, script: out });
});

test("version tells the daemon's too, where one answers", async () => {
  using stage = new Stage().serveDaemon({ status: () => running });
  expect((await stage.run(["version"])).out).toMatch(
    /^rustynet 0\.1\.0 \(commit \S+, linux-\w+, Bun \S+\)\ndaemon {3}0\.1\.0\n$/,
  );
  using empty = new Stage();
  const { exit, out } = await empty.run(["--version"]);
  expect(exit).toBe(0);
  expect(out.split("\n").length).toBe(2);
  expect(JSON.parse((await empty.run(["version", "--json"])).out)).toMatchObject({ daemon: null });
});
