/** The words of a command line: what is understood, and how everything else is refused. */
import { describe, expect, test } from "bun:test";
import { closest } from "../../src/cli/tree.ts";
import { running } from "./samples.ts";
import { Stage } from "./stage.ts";

const run = async (...argv: readonly string[]) => {
  using stage = new Stage();
  return await stage.runAsIs(argv);
};

describe("a mistake does nothing, exits with 64, and says where to read on", () => {
  test.each([
    [["statsu"], 'there is no command "statsu"', "did you mean: rustynet status"],
    [["frobnicate"], 'there is no command "frobnicate"', "rustynet --help lists them"],
    [["__proto__"], 'there is no command "__proto__"', "rustynet --help lists them"],
    [
      ["credential", "crate"],
      'rustynet credential has no command "crate"',
      "did you mean: rustynet credential create",
    ],
    [["logout", "--locl"], 'there is no option "--locl"', "rustynet logout --help"],
    [["logout", "--no-local"], 'there is no option "--no-local"', "rustynet logout --help"],
    [["logout", "--local=no"], "--local takes no value", "rustynet logout --help"],
    [["logout", "now"], 'nothing is known to do with "now"', "rustynet logout --help"],
    [["status", "--check"], "--check needs a value", "rustynet status --help"],
    [
      ["status", "--check", "alive"],
      '--check is one of: live, ready; not "alive"',
      "rustynet status --help",
    ],
    [["up", "--name", "--timeout"], "--name needs a value", "rustynet up --help"],
    [["up", "--name", "a", "--name=b"], "--name is given twice", "rustynet up --help"],
    [["whois"], "IP is missing", "rustynet whois --help"],
    [["node", "rename", "alpha"], "NAME is missing", "rustynet node rename --help"],
    [["ping", "-x", "alpha"], 'there is no option "-x"', "rustynet ping --help"],
    [["completion", "csh"], "the shell is one of: bash, zsh, fish", "rustynet completion --help"],
  ])("%j", async (argv, message, remedy) => {
    expect(await run(...argv)).toEqual({
      exit: 64,
      out: "",
      err: `rustynet: ${message}\n  ${remedy}\n`,
    });
  });
});

test("for programs a mistake is one JSON document, and nothing else is said", async () => {
  const { exit, out, err } = await run("credential", "crate", "--json");
  expect(exit).toBe(64);
  expect(err).toBe("");
  expect(JSON.parse(out)).toEqual({
    code: "usage",
    message: 'rustynet credential has no command "crate"',
    remedy: "did you mean: rustynet credential create",
  });
});

test("options may stand before the command, in short, together, and with = or without", async () => {
  using stage = new Stage().serveDaemon({ status: () => running });
  const before = await stage.runAsIs(["--json", "status", `--socket=${stage.socket}`]);
  expect(JSON.parse(before.out)).toEqual(running);
  expect((await stage.run(["ip", "-4"])).out).toBe("100.64.0.3\n");
  expect((await stage.run(["ip", "-46"])).out).toBe("100.64.0.3\nfd7a::3\n");
  expect((await stage.run(["ping", "gamma", "-c1"])).exit).toBe(0);
});

test("words after -- are no options", async () => {
  using stage = new Stage().serveDaemon({ status: () => running });
  const { err } = await stage.run(["ip", "--", "--json"]);
  expect(err).toStartWith('rustynet: no node of this network is called "--json"\n');
});

describe("help", () => {
  test("is printed for every entry of the tree, and names every option", async () => {
    const root = JSON.parse((await run("help", "--json")).out);
    const pending: string[][] = root.commands.map(({ name }: { name: string }) => [name]);
    let pages = 0;
    for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
      const page = await run(...path, "--help");
      const data = JSON.parse((await run("help", ...path, "--json")).out);
      expect(page.exit).toBe(0);
      expect(page.out).toContain(data.summary);
      for (const each of data.arguments ?? []) expect(page.out.toLowerCase()).toContain(each.name);
      for (const { name } of data.commands ?? []) pending.push([...path, name]);
      pages += 1;
    }
    expect(pages).toBe(64);
  });

  test("says how a token stays out of the list of processes", async () => {
    expect((await run("up", "--help")).out).toContain("list of processes");
  });

  test("is what nothing at all gets, as a mistake", async () => {
    const { exit, out } = await run();
    expect(exit).toBe(64);
    expect(out).toStartWith("Usage: rustynet COMMAND\n");
    expect(out).not.toContain("\n  complete ");
  });

  test("sends to the other modes for theirs", async () => {
    expect(await run("help", "daemon")).toEqual({
      exit: 0,
      out: "Run the node daemon, which systemd usually does\n\nIt explains itself: rustynet daemon --help\n",
      err: "",
    });
  });
});

test.each([
  ["statsu", "status"],
  ["dwon", "down"],
  ["ipp", "ip"],
  ["xy", null],
  ["frobnicate", null],
  ["s".repeat(1_000), null],
])("%p is taken for %p", (word, meant) => {
  expect(closest(word, ["status", "down", "ip", "peers"])).toBe(meant);
});
