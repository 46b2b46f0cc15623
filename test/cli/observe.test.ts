/** observe: status, peers, whois and ip, for people and for programs. */
import { describe, expect, test } from "bun:test";
import { Fault } from "../../src/base/fault.ts";
import type { Status } from "../../src/wire/local-api.ts";
import { alpha, beta, joining, loggedOut, running, stopped } from "./samples.ts";
import { Stage } from "./stage.ts";

const exits: readonly (readonly [string, Status, number])[] = [
  ["running", running, 0],
  ["joining", joining, 75],
  ["stopped", stopped, 75],
  ["logged out", loggedOut, 75],
  [
    "closed by a verdict",
    { ...running, state: "closed", reason: { code: "map_rejected", message: "forged" } },
    77,
  ],
  [
    "restricted by damage",
    { ...running, state: "restricted", reason: { code: "store_corrupt", message: "damaged" } },
    65,
  ],
  ["restricted, nobody knows why", { ...running, state: "restricted", reason: null }, 75],
];

describe.each(exits)("%s", (_, state, exit) => {
  test("status prints how it stands and exits by its class", async () => {
    using stage = new Stage().serveDaemon({ status: () => state });
    const people = await stage.run(["status"]);
    expect([people.exit, people.err]).toEqual([exit, ""]);
    expect(people.out).toStartWith(state.state);
    const programs = await stage.run(["status", "--json"]);
    expect([programs.exit, programs.err]).toEqual([exit, ""]);
    expect(JSON.parse(programs.out)).toEqual(state);
  });

  test("--check ready says nothing on standard output, and live asks for an answer only", async () => {
    using stage = new Stage().serveDaemon({ status: () => state });
    const ready = await stage.run(["status", "--check", "ready"]);
    expect([ready.exit, ready.out]).toEqual([exit, ""]);
    expect(ready.err === "").toBe(exit === 0);
    expect(await stage.run(["status", "--check=live"])).toEqual({ exit: 0, out: "", err: "" });
  });
});

test("--check live fails where no daemon is", async () => {
  using stage = new Stage();
  expect((await stage.run(["status", "--check", "live"])).exit).toBe(75);
});

test("a daemon of another version is a finding", async () => {
  using stage = new Stage().serveDaemon({ status: () => ({ ...running, version: "0.0.9" }) });
  const { exit, out } = await stage.run(["status"]);
  expect(exit).toBe(0);
  expect(out).toEndWith(
    "\n# the daemon is version 0.0.9, this program is 0.1.0\n#     systemctl restart rustynet\n",
  );
});

test("what came from outside cannot act upon the terminal", async () => {
  const os = "\u001b]0;owned\u0007\u202elinux";
  const reason = { code: "x\u001b[2J", message: "a\r\nb\u009b2J", remedy: "c\u001b[2J" };
  const state: Status = {
    ...running,
    state: "restricted",
    reason,
    findings: [reason],
    peers: [{ ...alpha, os }],
  };
  using stage = new Stage().serveDaemon({ status: () => state });
  for (const argv of [["status"], ["status", "--json"], ["status", "--check", "ready"]]) {
    const { out, err } = await stage.run(argv, { isTerminal: true });
    // Only the colours are ours.
    const rest = (out + err).replaceAll(/\u001b\[(?:0|2|31|32|33)m|\n/g, "");
    expect(rest).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  }
});

test("peers is the table alone, and its JSON the reports", async () => {
  using stage = new Stage().serveDaemon({ status: () => running });
  expect((await stage.run(["peers"])).out).toBe(
    `\
ADDRESS     NAME   OWNER  OS         PATH                        RX     TX
100.64.0.1  alpha  alice  linux/x64  direct 192.0.2.1:51820  1.2 MB  999 B
100.64.0.2  beta   alice  -          offline for 2 h            0 B    0 B
`,
  );
  expect(JSON.parse((await stage.run(["peers", "--json"])).out)).toEqual({ peers: [alpha, beta] });
});

describe("whois", () => {
  test("asks for the address and shows whose it is", async () => {
    using stage = new Stage().serveDaemon({ status: () => running, whois: () => alpha });
    const { exit, out } = await stage.run(["whois", "100.64.0.1"]);
    expect(exit).toBe(0);
    expect(out).toStartWith("name       alpha\nowner      alice\n");
    expect(stage.asked.at(-1)).toEqual(["whois", { ip: "100.64.0.1" }]);
    expect(JSON.parse((await stage.run(["whois", "fd7a::1", "--json"])).out)).toEqual({
      ...alpha,
      isSelf: false,
    });
  });

  test("knows this host too", async () => {
    using stage = new Stage().serveDaemon({ status: () => running });
    expect((await stage.run(["whois", "fd7a::3"])).out).toBe("gamma, this host, a node of alice\n");
  });

  test("says when it is nobody's", async () => {
    using stage = new Stage().serveDaemon({
      status: () => running,
      whois: () => {
        throw new Fault("not_found", "100.64.9.9 belongs to nobody", { remedy: "rustynet peers" });
      },
    });
    expect(await stage.run(["whois", "100.64.9.9"])).toEqual({
      exit: 64,
      out: "",
      err: "rustynet: 100.64.9.9 belongs to nobody\n  rustynet peers\n",
    });
  });

  test.each(["alpha", "100.64.0.01", "1.2.3", "FD7A::1", "", "::1%lo", "1.2.3.4\n"])(
    "asks nobody about %j",
    async (text) => {
      using stage = new Stage().serveDaemon({ status: () => running });
      expect((await stage.run(["whois", text])).exit).toBe(64);
      expect(stage.asked).toEqual([]);
    },
  );
});

describe("ip prints addresses and nothing else", () => {
  test.each([
    [["ip"], "100.64.0.3\nfd7a::3\n"],
    [["ip", "-4"], "100.64.0.3\n"],
    [["ip", "--ipv6"], "fd7a::3\n"],
    [["ip", "alpha"], "100.64.0.1\nfd7a::1\n"],
    [["ip", "alpha", "-6"], "fd7a::1\n"],
    [["ip", "100.64.0.2", "-6"], "fd7a::2\n"],
    [["ip", "aaaaaaaa", "-4"], "100.64.0.1\n"],
  ])("%j", async (argv, out) => {
    using stage = new Stage().serveDaemon({ status: () => running });
    expect(await stage.run(argv)).toEqual({ exit: 0, out, err: "" });
  });

  test("and says why there is none", async () => {
    using stage = new Stage().serveDaemon({ status: () => loggedOut });
    expect(await stage.run(["ip"])).toEqual({
      exit: 75,
      out: "",
      err: "rustynet: this host belongs to no network\n  rustynet up TOKEN\n",
    });
  });
});

describe("a node that nobody is called", () => {
  test.each([
    ["delta", '"delta"'],
    ["aaaaaaa", '"aaaaaaa"'],
    ["\u0430lpha", '"\\u{430}lpha"'],
    ["alpha\n", '"alpha\\u{a}"'],
    ["x".repeat(300), `"${"x".repeat(40)}" and 260 letters more`],
  ])("%j is told so", async (text, shown) => {
    using stage = new Stage().serveDaemon({ status: () => running });
    const { exit, err } = await stage.run(["ip", text]);
    expect(exit).toBe(64);
    expect(err).toBe(
      `rustynet: no node of this network is called ${shown}\n  rustynet peers lists them\n`,
    );
  });

  test("two ids with one beginning are told apart by more digits", async () => {
    const peers = [
      alpha,
      { ...beta, node: `${"a".repeat(9)}${"b".repeat(55)}` as typeof beta.node },
    ];
    using stage = new Stage().serveDaemon({ status: () => ({ ...running, peers }) });
    expect((await stage.run(["ip", "aaaaaaaa"])).err).toBe(
      "rustynet: 2 nodes have an id that starts with aaaaaaaa\n  give more of its digits\n",
    );
    expect((await stage.run(["ip", "-4", "aaaaaaaaab"])).out).toBe("100.64.0.2\n");
  });
});
