/** connect: up waits and says what it waits for, and no token is ever repeated. */
import { describe, expect, test } from "bun:test";
import { Fault } from "../../src/base/fault.ts";
import type { Finding, Status } from "../../src/wire/local-api.ts";
import { joining, loggedOut, running, stopped, token, waiting } from "./samples.ts";
import { Stage } from "./stage.ts";

/** A daemon whose state is each of these in turn, and then stays at the last. */
function daemonThatIs(stage: Stage, ...states: readonly Status[]): Stage {
  const left = [...states];
  const next = () => {
    const [state] = left.length > 1 ? left.splice(0, 1) : left;
    if (state === undefined) throw new Error("the test names no state");
    return state;
  };
  return stage.serveDaemon({ up: next, status: next, down: next, logout: next });
}

const upLine = "gamma is up at 100.64.0.3 and fd7a::3, with 2 peers\n";

test("up hands the token over, shows what it waits for, and ends when the host is running", async () => {
  using stage = daemonThatIs(new Stage(), joining, joining, running);
  expect(await stage.run(["up", token, "--name", "gamma"])).toEqual({
    exit: 0,
    out: upLine,
    err: "joining …\nwaiting for the first map to be verified …\n",
  });
  expect(stage.asked).toEqual([
    ["up", { token, name: "gamma" }],
    ["status", {}],
    ["status", {}],
  ]);
});

test("on a terminal the progress is one line, which is gone at the end", async () => {
  using stage = daemonThatIs(new Stage(), joining, running);
  const { out, err } = await stage.run(["up", token], { isTerminal: true });
  expect(err).toBe(
    "\r\u001b[Kjoining …\r\u001b[Kwaiting for the first map to be verified …\r\u001b[K",
  );
  expect(out).toBe(`\u001b[32m${upLine.trimEnd()}\u001b[0m\n`);
});

describe("the token may come", () => {
  test.each([
    ["as -, from standard input", ["up", "-"]],
    ["by --token-file -, from standard input", ["up", "--token-file", "-"]],
    ["from a file", ["up", "--token-file", "/token"]],
  ])("%s, with a newline behind it", async (_, argv) => {
    using stage = daemonThatIs(new Stage(), running);
    const text = `${token}\n`;
    const { exit } = await stage.run(argv, { stdin: text, files: { "/token": text } });
    expect(exit).toBe(0);
    expect(stage.asked).toEqual([["up", { token }]]);
  });
});

test("up without a token comes back up, and twice does no harm", async () => {
  using stage = daemonThatIs(new Stage(), running);
  for (const _ of [1, 2]) expect((await stage.run(["up"])).out).toBe(upLine);
  expect(stage.asked).toEqual([
    ["up", {}],
    ["up", {}],
  ]);
});

describe("what is no token is refused before anybody is asked, and not repeated", () => {
  test.each(["rnjoin1.secretsecret", token.slice(0, -1), `${token}x`, "", "hunter2\u001b[31m"])(
    "%j",
    async (text) => {
      using stage = daemonThatIs(new Stage(), running);
      const { exit, out, err } = await stage.run(["up", "-"], { stdin: text });
      expect([exit, out]).toEqual([77, ""]);
      expect(err).toBe(
        "rustynet: this is not a join token, or not the whole of one\n" +
          "  copy it again, or make a new one on the control server's host: rustynet credential create\n",
      );
      expect(stage.asked).toEqual([]);
    },
  );
});

test("a token in two ways, and a file that is not there, are mistakes", async () => {
  using stage = new Stage();
  const twice = await stage.run(["up", token, "--token-file", "/token"]);
  expect([twice.exit, twice.err]).toEqual([
    64,
    "rustynet: TOKEN and --token-file exclude each other\n  rustynet up --help\n",
  ]);
  const gone = await stage.run(["up", "--token-file", "/none"]);
  expect([gone.exit, gone.err]).toEqual([
    64,
    'rustynet: the token file "/none" cannot be read\n' +
      "  name a file that this user may read, or - for standard input\n",
  ]);
});

const because = (state: Status["state"], reason: Finding | null): Status => ({
  ...joining,
  state,
  reason,
});

const hopeless: readonly (readonly [string, Status, number, string])[] = [
  [
    "a verdict",
    because("joining", {
      code: "revoked",
      message: "this node is revoked",
      remedy: "rustynet logout",
    }),
    77,
    "rustynet: this node is revoked\n  rustynet logout\n",
  ],
  [
    "damage",
    because("restricted", { code: "store_corrupt", message: "the log is damaged" }),
    65,
    "rustynet: the log is damaged\n",
  ],
  [
    "somebody who says down meanwhile",
    stopped,
    75,
    "rustynet: somebody told the daemon to be down meanwhile\n  rustynet status says how it stands\n",
  ],
];

test.each(hopeless)("up does not wait on against %s", async (_, state, exit, words) => {
  using stage = daemonThatIs(new Stage(), joining, state);
  const said = await stage.run(["up"]);
  expect(said.exit).toBe(exit);
  expect(said.err).toEndWith(words);
});

test("up waits for what may pass, until the time is over", async () => {
  const reason = { code: "unavailable", message: "the control server does not answer" };
  using stage = daemonThatIs(new Stage(), because("joining", reason));
  const { exit, err } = await stage.run(["up", "--timeout", "2s"]);
  expect(exit).toBe(75);
  expect(err).toEndWith(
    "rustynet: not up yet: the control server does not answer\n" +
      "  the daemon goes on trying: rustynet status\n",
  );
  expect(stage.asked.length).toBe(11);
});

test("up gives a failed apply a few seconds, and then says why", async () => {
  const reason = { code: "route_overlap", message: "100.64.0.0/10 is taken by eth0" };
  using stage = daemonThatIs(new Stage(), because("restricted", reason));
  const { exit, err } = await stage.run(["up"]);
  expect(exit).toBe(75);
  expect(err).toEndWith("rustynet: 100.64.0.0/10 is taken by eth0\n");
  expect(stage.asked.length).toBeLessThan(40);
});

test("what the daemon refuses is passed on with its remedy and class", async () => {
  using stage = new Stage().serveDaemon({
    up: () => {
      throw new Fault("pin_mismatch", "the server shows another key", {
        remedy: "ask who runs it",
      });
    },
  });
  expect(await stage.run(["up", token])).toEqual({
    exit: 77,
    out: "",
    err: "joining …\nrustynet: the server shows another key\n  ask who runs it\n",
  });
  expect(JSON.parse((await stage.run(["up", token, "--json"])).out)).toEqual({
    code: "pin_mismatch",
    message: "the server shows another key",
    remedy: "ask who runs it",
  });
});

describe("a name that cannot be is refused harmlessly", () => {
  test.each([
    ['a"b', '"a\\"b"'],
    ["a\nb", '"a\\u{a}b"'],
    ["a\u001b[2Jb", '"a\\u{1b}[2Jb"'],
    ["\u0430lpha", '"\\u{430}lpha"'],
    ["ALPHA", '"ALPHA"'],
    ["x".repeat(300), `"${"x".repeat(40)}" and 260 letters more`],
  ])("%j", async (name, shown) => {
    using stage = daemonThatIs(new Stage(), running);
    const { exit, out, err } = await stage.run(["up", "--name", name]);
    expect([exit, out]).toEqual([64, ""]);
    expect(err).toStartWith(`rustynet: ${shown} cannot be a node's name\n`);
    expect(stage.asked).toEqual([]);
  });
});

test("down and logout say what is so afterwards", async () => {
  using stage = new Stage().serveDaemon({ down: () => stopped, logout: () => loggedOut });
  expect((await stage.run(["down"])).out).toBe("down; rustynet up brings it back\n");
  expect(await stage.run(["logout"])).toEqual({
    exit: 0,
    out: "this host belongs to no network any more\n",
    err: "",
  });
  const local = await stage.run(["logout", "--local"]);
  expect(local.err).toBe(
    "the others still know it: rustynet node revoke NODE, on the control server's host\n",
  );
  expect(stage.asked).toEqual([
    ["down", {}],
    ["logout", { scope: "everywhere" }],
    ["logout", { scope: "local" }],
  ]);
});

test("a down that did not succeed says so and fails", async () => {
  const reason = { code: "withdraw_failed", message: "a step could not be undone" };
  using stage = daemonThatIs(new Stage(), { ...running, state: "restricted", reason });
  const { exit, out } = await stage.run(["down"]);
  expect(exit).toBe(75);
  expect(out).toContain("a step could not be undone");
});

const waits = "waiting for approvers: 2 of 3: alice signed; missing bob, carol; expires in 23 h";
const seen = "(fingerprint ABCD-EFGH-JKLM)";

describe("where approvers decide", () => {
  test("up says whom it waits for and what they have to see, and ends when it is in", async () => {
    using stage = daemonThatIs(new Stage(), waiting, waiting, joining, running);
    expect(await stage.run(["up", token])).toEqual({
      exit: 0,
      out: upLine,
      err: `joining …\n${waits} ${seen} …\nwaiting for the first map to be verified …\n`,
    });
  });

  test("it waits for people as long as it takes, and for machines a minute after that", async () => {
    const manyTimes = Array.from({ length: 500 }, () => waiting);
    using stage = daemonThatIs(new Stage(), ...manyTimes, joining);
    const { exit, err } = await stage.run(["up", token]);
    expect(exit).toBe(75);
    expect(err).toContain("not up yet: waiting for the first map to be verified");
  });

  test.each([["--no-wait"], ["--timeout=0"], ["--timeout=0s"], ["--timeout=30s"]])(
    "%s ends with 75 and the reason, and leaves the rest to the daemon",
    async (option) => {
      using stage = daemonThatIs(new Stage(), waiting);
      const { exit, out, err } = await stage.run(["up", token, option]);
      expect([exit, out]).toEqual([75, `${waits} ${seen}\n`]);
      expect(err).toContain("rustynet up");
    },
  );

  test("--json prints the status that it ended with", async () => {
    using stage = daemonThatIs(new Stage(), waiting);
    const { exit, out } = await stage.run(["up", token, "--no-wait", "--json"]);
    expect(exit).toBe(75);
    expect(JSON.parse(out)).toMatchObject({
      state: "waiting",
      request: { fingerprint: "ABCD-EFGH-JKLM", approvals: { need: 2, signed: ["alice"] } },
    });
  });

  test("who is turned down hears the approver's reason", async () => {
    const reason = {
      code: "permission_denied",
      message: "an approver turned this machine down: no",
    };
    using stage = daemonThatIs(new Stage(), waiting, { ...loggedOut, reason });
    const { exit, err } = await stage.run(["up", token]);
    expect(exit).toBe(77);
    expect(err).toContain("an approver turned this machine down: no");
  });

  test("status says the same words", async () => {
    using stage = daemonThatIs(new Stage(), waiting);
    const { out } = await stage.run(["status"]);
    expect(out).toContain(waits);
    expect(out).toContain("ABCD-EFGH-JKLM");
  });
});
