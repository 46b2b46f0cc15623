/** operator: what is asked of the control server, and what is said about its answers. */
import { describe, expect, test } from "bun:test";
import { renderAudit, renderCredentials, renderNodes } from "../../src/cli/operator-text.ts";
import type { Line } from "../../src/cli/text.ts";
import type { AuditRecord, Input } from "../../src/wire/control-api.ts";
import { credential, nodeReport, running, token } from "./samples.ts";
import { nowS, Stage } from "./stage.ts";

const textOf = (lines: readonly Line[]) =>
  lines.map((line) => (typeof line === "string" ? line : line.text)).join("\n");

const create = (stage: Stage) =>
  stage.serveControl({ credentialCreate: () => ({ credential, token }) });

describe("credential create", () => {
  test("prints the token alone, and everything about it beside", async () => {
    using stage = create(new Stage());
    expect(await stage.run(["credential", "create"])).toEqual({
      exit: 0,
      out: `${token}\n`,
      err:
        "# for 1 machine of alice, tagged web, until 2026-11-21 05:00 UTC; shown only now\n" +
        "# on the new machine, with the token on its standard input: rustynet up -\n" +
        "# to take it back: rustynet credential revoke 5e5e5e5e5e5e5e5e\n",
    });
    const { out } = await stage.run(["credential", "create", "--json"]);
    expect(JSON.parse(out)).toEqual({ credential, token });
  });

  const inputs: readonly (readonly [readonly string[], Partial<Input<"credentialCreate">>])[] = [
    [[], { lifetimeS: 3_600, usesMax: 1 }],
    [["--owner", "bob@example.org"], { owner: "bob@example.org" as typeof credential.owner }],
    [["--lifetime", "7d", "--uses=20"], { lifetimeS: 604_800, usesMax: 20 }],
    [
      ["--tag", "web", "--tag=db", "--tag", "web"],
      { tags: ["db", "web"] as typeof credential.tags },
    ],
  ];
  test.each(inputs)("%j asks for that", async (argv, input) => {
    using stage = create(new Stage());
    expect((await stage.run(["credential", "create", ...argv])).exit).toBe(0);
    const owner = "alice";
    expect(stage.asked).toEqual([
      ["credentialCreate", { owner, tags: [], lifetimeS: 3_600, usesMax: 1, ...input }],
    ]);
  });

  test.each([
    [["--uses", "0"], "--uses"],
    [["--uses", "1001"], "--uses"],
    [["--lifetime", "91d"], "--lifetime is at most 90d"],
    [["--lifetime", "soon"], '--lifetime "soon" is no span of time'],
    [["--owner", "Alice"], '"Alice" cannot be an owner'],
    [["--owner", "\u0430lice"], '"\\u{430}lice" cannot be an owner'],
    [["--tag", "a_b"], '"a_b" cannot be a tag'],
    [["--tag", "a,,b"], '"" cannot be a tag'],
    [["--tag", "xn--80ak6aa92e"], '"xn--80ak6aa92e" cannot be a tag'],
  ])("%j is refused before anybody is asked", async (argv, words) => {
    using stage = create(new Stage());
    const { exit, out, err } = await stage.run(["credential", "create", ...argv]);
    expect([exit, out]).toEqual([64, ""]);
    expect(err).toStartWith(`rustynet: ${words}`);
    expect(stage.asked).toEqual([]);
  });

  test.each([
    [null, "nobody is logged in"],
    ["Alice Smith", 'the login name "Alice Smith" is no owner'],
    ["a\u001b[31m", 'the login name "a\\u{1b}[31m" is no owner'],
  ])("a login name of %j is no owner, and the option is named", async (login, why) => {
    using stage = create(new Stage());
    const { exit, err } = await stage.run(["credential", "create"], { login });
    expect(exit).toBe(64);
    expect(err).toBe(
      `rustynet: whose nodes will these be? ${why}\n` +
        "  name the owner: rustynet credential create --owner NAME\n",
    );
  });
});

describe("credential list and revoke", () => {
  test("show each state in its own words", () => {
    const used = { ...credential, state: "used" as const, uses: 1, tags: [] };
    const expired = { ...credential, state: "expired" as const, expiresAt: nowS - 60 };
    const hostile = { ...credential, createdBy: "uid 0\u001b[2J\n" };
    expect(textOf(renderCredentials([credential, used, expired, hostile], nowS))).toBe(
      `\
ID                OWNER  TAGS  STATE    USES  EXPIRES   BY
5e5e5e5e5e5e5e5e  alice  web   created   0/1  in 60 min  uid 0
5e5e5e5e5e5e5e5e  alice  -     used      1/1  -          uid 0
5e5e5e5e5e5e5e5e  alice  web   expired   0/1  60 s ago   uid 0
5e5e5e5e5e5e5e5e  alice  web   created   0/1  in 60 min  uid 0\\u{1b}[2J\\u{a}`.replace(
        "EXPIRES   BY",
        "EXPIRES    BY",
      ),
    );
    expect(textOf(renderCredentials([], nowS))).toBe(
      "no credentials; rustynet credential create makes one",
    );
  });

  test("list prints the table, and its JSON the records", async () => {
    using stage = new Stage().serveControl({
      credentialList: () => ({ credentials: [credential] }),
    });
    expect((await stage.run(["credential", "list"])).out).toContain("5e5e5e5e5e5e5e5e  alice");
    expect(JSON.parse((await stage.run(["credential", "list", "--json"])).out)).toEqual({
      credentials: [credential],
    });
  });

  test("revoke takes an id, and never a token", async () => {
    using stage = new Stage().serveControl({
      credentialRevoke: () => ({ credential: { ...credential, state: "revoked" } }),
    });
    expect((await stage.run(["credential", "revoke", credential.id])).out).toBe(
      "credential 5e5e5e5e5e5e5e5e is revoked\n",
    );
    const mistaken = await stage.run(["credential", "revoke", token]);
    expect(mistaken.exit).toBe(64);
    expect(mistaken.err).not.toContain(token);
    expect(stage.asked).toEqual([["credentialRevoke", { id: credential.id }]]);
  });
});

describe("node", () => {
  const head = { epoch: 13, root: "ef".repeat(32) as never };

  test("list shows the log's record and what the server knows", () => {
    const fresh = { ...nodeReport, presence: "never" as const, lastSeenAt: null };
    const bare = { ...fresh, appliedGeneration: null, os: null, software: null };
    expect(textOf(renderNodes([nodeReport, bare], nowS))).toBe(
      `\
ADDRESS     NAME   OWNER  TAGS  STATUS  SEEN               MAP  OS         SOFTWARE  ID
100.64.0.1  alpha  alice  web   active  offline for 5 min    7  linux/x64  0.1.0     aaaaaaaaaaaa
100.64.0.1  alpha  alice  web   active  never                -  -          -         aaaaaaaaaaaa`,
    );
    expect(textOf(renderNodes([], nowS))).toBe("no nodes; rustynet credential create invites one");
  });

  test("revoke and rename say what is so afterwards", async () => {
    const { node } = nodeReport;
    using stage = new Stage().serveControl({
      nodeList: () => ({ nodes: [nodeReport] }),
      nodeRevoke: () => ({ node: { ...node, status: "revoked" }, head, outcome: null }),
      nodeRename: ({ name }) => ({ node: { ...node, name }, head, outcome: null }),
    });
    expect((await stage.run(["node", "list"])).out).toContain("100.64.0.1  alpha");
    expect((await stage.run(["node", "revoke", "alpha"])).out).toBe(
      `alpha is revoked (node ${node.id}, epoch 13)\n`,
    );
    expect((await stage.run(["node", "rename", "alpha", "omega"])).out).toBe(
      `node ${node.id} is now called omega\n`,
    );
    expect(stage.asked.slice(1)).toEqual([
      ["nodeRevoke", { node: "alpha" }],
      ["nodeRename", { node: "alpha", name: "omega" }],
    ]);
  });

  test.each([
    [["revoke", "al pha"], 'no node of this network is called "al pha"'],
    [["revoke", "\u0430lpha"], 'no node of this network is called "\\u{430}lpha"'],
    [["revoke", ""], 'no node of this network is called ""'],
    [["rename", "alpha", "be\nta"], '"be\\u{a}ta" cannot be a node\'s name'],
    [["rename", "alpha", "x".repeat(64)], `"${"x".repeat(40)}" and 24 letters more cannot`],
    [["rename", "alpha", "127"], '"127" cannot be a node\'s name'],
  ])("%j asks nobody", async (argv, words) => {
    using stage = new Stage().serveControl({});
    const { exit, err } = await stage.run(["node", ...argv]);
    expect(exit).toBe(64);
    expect(err).toStartWith(`rustynet: ${words}`);
    expect(stage.asked).toEqual([]);
  });
});

describe("audit", () => {
  const record: AuditRecord = {
    sequence: 1,
    at: nowS,
    actor: "uid 0",
    event: "credential_created",
    subject: "5e5e5e5e5e5e5e5e",
    detail: "owner alice\nforged line",
    hash: "00".repeat(32),
  };

  test("shows the trail, and the verdict last", () => {
    const long = { ...record, sequence: 2, subject: "ab".repeat(32), detail: "" };
    expect(textOf(renderAudit([record, long], true))).toBe(
      `\
NO  AT                    ACTOR  EVENT               SUBJECT           DETAIL
 1  2026-11-21 04:00 UTC  uid 0  credential_created  5e5e5e5e5e5e5e5e  owner alice\\u{a}forged line
 2  2026-11-21 04:00 UTC  uid 0  credential_created  abababababab      -
# 2 records, the chain is intact`,
    );
  });

  test.each([
    [true, 0, "# 1 record, the chain is intact\n"],
    [
      false,
      65,
      "# 1 record, and the chain is BROKEN: a record was changed or removed\n" +
        "#     compare with a backup of the database, and find out who could write to it\n",
    ],
  ])("when intact is %p it exits with %p", async (intact, exit, verdict) => {
    using stage = new Stage().serveControl({ auditList: () => ({ records: [record], intact }) });
    const said = await stage.run(["audit"]);
    expect(said.exit).toBe(exit);
    expect(said.out).toEndWith(verdict);
    const programs = await stage.run(["audit", "--json"]);
    expect([programs.exit, JSON.parse(programs.out)]).toEqual([
      exit,
      { records: [record], intact },
    ]);
  });

  const taken = {
    at: nowS,
    event: "applied" as const,
    epoch: 7,
    code: "add_node",
    words: ["node added: gamma", "owner: alice"],
    by: ["alice", "bob"],
    times: 1,
  };
  const refused = { ...taken, event: "refused" as const, code: "map_older", by: [], times: 12 };

  test("where no control server runs it shows what the node has seen", async () => {
    using stage = new Stage().serveDaemon({ auditList: () => ({ records: [taken, refused] }) });
    const argv = ["audit", "--socket", "/nowhere.sock", "--daemon-socket", stage.socket];
    const { exit, out } = await stage.runAsIs(argv);
    expect(exit).toBe(0);
    expect(out).toContain("applied  add_node   alice, bob  node added: gamma; owner: alice");
    expect(out).toContain("(12 times)");
    expect(out).toEndWith("# 2 records, as this node saw it\n");
    const programs = await stage.runAsIs([...argv, "--json"]);
    expect(JSON.parse(programs.out)).toEqual({ records: [taken, refused] });
  });

  test("where neither runs it says how to reach the control server", async () => {
    using stage = new Stage();
    const argv = ["audit", "--socket", "/nowhere.sock", "--daemon-socket", stage.socket];
    const { exit, err } = await stage.runAsIs(argv);
    expect(exit).toBe(75);
    expect(err).toContain("no control server is running on this host");
  });
});

test("membership resolve says which conflict is settled, and that the proof is kept", async () => {
  const id = "ab".repeat(16);
  using stage = new Stage().serveDaemon({ membershipResolve: () => running });
  const { exit, out } = await stage.run(["membership", "resolve", id]);
  expect([exit, out]).toEqual([0, `conflict ${id} is resolved; the evidence is kept\n`]);
  expect(stage.asked).toEqual([["membershipResolve", { id }]]);
  expect((await stage.run(["membership", "resolve", "7"])).exit).toBe(64);
});
