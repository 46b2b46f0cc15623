/** approver: the key is made once, kept closed, shown without its secret, and is of one network. */
import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { Fault } from "../../src/base/fault.ts";
import { encodeUtf8 } from "../../src/base/bytes.ts";
import { Secret } from "../../src/base/secret.ts";
import { ApproverHome } from "../../src/cli/approver-home.ts";
import { openSurroundings } from "../../src/cli/config.ts";
import { openHost } from "../../src/cli/service-host.ts";
import { fingerprintOf } from "../../src/crypto/fingerprint.ts";
import type { Custody } from "../../src/crypto/key-file.ts";
import { lockFile } from "../../src/kernel/file-lock.ts";
import { writeKeyFile } from "../../src/store/key-file.ts";
import { parseApproverCard } from "../../src/wire/approver-card.ts";
import { encodeNetworkCard, NetworkCard } from "../../src/wire/network-card.ts";
import { Stage } from "./stage.ts";

const passphrase = "correct horse battery";
const typed = [passphrase, passphrase];
const network = v.parse(NetworkCard, {
  url: "https://control.example:8443",
  pin: "ab".repeat(32),
  network: "cd".repeat(16),
  genesis: "ef".repeat(32),
});
const card = encodeNetworkCard(network);
const cardWith = (changes: Partial<Record<keyof NetworkCard, string>>): string =>
  encodeNetworkCard(v.parse(NetworkCard, { ...network, ...changes }));

const placeOf = ({ folder }: Stage): string => join(folder, "config/rustynet/approver");
const sealed = (text: string): Custody => ({
  kind: "passphrase",
  passphrase: new Secret(encodeUtf8(text)),
});

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
  return "done";
}

/** A stage on which anna has made her key, in the plain because that is quick. */
async function withAnna(): Promise<Stage> {
  const stage = new Stage();
  const { exit, err } = await stage.runAsIs(["approver", "init", "--name", "anna", "--plain-keys"]);
  if (exit !== 0) throw new Error(err);
  return stage;
}

describe("init", () => {
  test("makes a key under a passphrase that is asked for twice, and says what to do with it", async () => {
    using stage = new Stage();
    const made = await stage.runAsIs(["approver", "init", "--name", "anna"], { typed });
    expect(made.exit).toBe(0);
    expect(stage.questions).toEqual(["Passphrase for the new key: ", "The same again: "]);
    const home = new ApproverHome(placeOf(stage));
    const key = home.readCard()?.key;
    if (key === undefined) throw new Error("no key was made");
    expect(made.out).toBe(
      `approver    anna\nfingerprint ${fingerprintOf(key)}\nkey         ${key}\n` +
        `kept        ${home.keyPath}, under a passphrase\nnetwork     none yet\n` +
        "# to say which: rustynet approver network CARD\n",
    );
    expect(made.err).toContain("a lost key cannot be made again");
    expect(home.readSecret(sealed(passphrase)).publicKey).toBe(key);
    expect(codeOf(() => home.readSecret(sealed("another passphrase")))).toBe("key_custody");
  });

  test("leaves nothing that others can read, and no trace of the passphrase", async () => {
    using stage = new Stage();
    await stage.runAsIs(["approver", "init", "--name", "anna", "--network", card], { typed });
    const place = placeOf(stage);
    expect(fs.statSync(place).mode & 0o7777).toBe(0o700);
    const names = fs.readdirSync(place).sort();
    expect(names).toEqual(["approver.key", "card", "lock", "network"]);
    for (const name of names) {
      expect(fs.statSync(join(place, name)).mode & 0o077).toBe(0);
      expect(fs.readFileSync(join(place, name), "latin1")).not.toContain(passphrase);
    }
  });

  test("a second time changes nothing and asks for nothing, also with another network to remember", async () => {
    using stage = await withAnna();
    const before = fs.readFileSync(join(placeOf(stage), "approver.key"));
    const again = await stage.runAsIs(["approver", "init", "--name", "anna", "--network", card]);
    expect(again.exit).toBe(0);
    expect(again.err).toBe("# it was there already; no key was made\n");
    expect(again.out).toContain(`network     ${network.network} at ${network.url}\n`);
    expect(fs.readFileSync(join(placeOf(stage), "approver.key"))).toEqual(before);
    expect((await stage.runAsIs(["approver", "init"])).exit).toBe(0);
  });

  test("never puts another key in the place of one", async () => {
    using stage = await withAnna();
    const home = new ApproverHome(placeOf(stage));
    const card = home.readCard();
    const { exit, err } = await stage.runAsIs(["approver", "init", "--name", "berta"]);
    expect([exit, err]).toEqual([
      64,
      `rustynet: ${home.keyPath} is the key of anna\n` +
        "  use it, or name another directory with --dir; nothing was changed\n",
    ]);
    const make = () =>
      home.makeKey(card?.name as never, { kind: "plain" }, () => new Uint8Array(32));
    expect(codeOf(make)).toBe("already_exists");
    expect(home.readCard()).toEqual(card);
  });

  test("does not take a key under a passphrase for one without", async () => {
    using stage = new Stage();
    await stage.runAsIs(["approver", "init", "--name", "anna"], { typed });
    const { exit, err } = await stage.runAsIs(["approver", "init", "--plain-keys"]);
    expect(exit).toBe(64);
    expect(err).toContain("is under a passphrase");
  });

  test("after a crash before the key was there, makes a whole one", async () => {
    using stage = await withAnna();
    fs.rmSync(join(placeOf(stage), "approver.key"));
    const home = new ApproverHome(placeOf(stage));
    expect(home.readCard()).toBeNull();
    await stage.runAsIs(["approver", "init", "--name", "berta", "--plain-keys"]);
    expect(home.readCard()?.name as string).toBe("berta");
    expect(home.readSecret({ kind: "plain" }).publicKey).toBe(home.readCard()?.key as never);
  });

  const mistakes: readonly (readonly [words: readonly string[], said: string])[] = [
    [["--name", "Anna"], 'rustynet: "Anna" cannot be an approver\'s name\n'],
    [["--name", "аnna"], 'rustynet: "\\u{430}nna" cannot be an approver\'s name\n'],
    [[], "rustynet: --name is missing\n"],
    [["--name", "anna", "--network", "rnnet1.x"], "rustynet: this is not a network card"],
  ];

  test.each(mistakes)("%j makes nothing and asks nothing", async (words, said) => {
    using stage = new Stage();
    const { exit, err } = await stage.runAsIs(["approver", "init", ...words], { typed });
    expect(exit).toBe(64);
    expect(err).toStartWith(said);
    expect(stage.questions).toEqual([]);
    expect(fs.existsSync(placeOf(stage))).toBe(false);
  });

  test.each([
    { what: "two that differ", answers: [passphrase, `${passphrase}x`], code: 64, said: "differ" },
    { what: "a short one", answers: ["seven77"], code: 77, said: "is too short" },
  ])("a passphrase given as $what makes nothing", async ({ answers, code, said }) => {
    using stage = new Stage();
    const argv = ["approver", "init", "--name", "anna"];
    const { exit, err } = await stage.runAsIs(argv, { typed: answers });
    expect(exit).toBe(code);
    expect(err).toContain(`${said}\n`);
    expect(fs.existsSync(placeOf(stage))).toBe(false);
  });

  test("without a terminal it says what to type instead", async () => {
    using stage = new Stage();
    const argv = ["approver", "init", "--name", "anna", "--dir", "/nowhere/anna"];
    const { exit, err } = await stage.runAsIs(argv);
    expect(exit).toBe(77);
    expect(err).toBe(
      "rustynet: there is no terminal on which to ask for the passphrase\n" +
        "  rustynet approver init --name anna --dir /nowhere/anna --passphrase-file FILE " +
        "(or, unencrypted: rustynet approver init --name anna --dir /nowhere/anna --plain-keys)\n",
    );
  });

  test("takes the passphrase from a file, without its last newline, and from a closed one only", async () => {
    using stage = new Stage();
    const file = join(stage.folder, "passphrase");
    fs.writeFileSync(file, `${passphrase}\n`, { mode: 0o600 });
    const argv = ["approver", "init", "--name", "anna", "--passphrase-file", file];
    fs.chmodSync(file, 0o644);
    expect((await stage.runAsIs(argv)).exit).toBe(77);
    fs.chmodSync(file, 0o600);
    expect((await stage.runAsIs(argv)).exit).toBe(0);
    expect(stage.questions).toEqual([]);
    const home = new ApproverHome(placeOf(stage));
    expect(home.readSecret(sealed(passphrase)).publicKey).toBe(home.readCard()?.key as never);
  });

  test("has no option for the passphrase itself", async () => {
    using stage = new Stage();
    const { out } = await stage.runAsIs(["help", "approver", "init", "--json"]);
    const names = (JSON.parse(out).arguments as { name: string }[]).map(({ name }) => name);
    expect(names.filter((name) => name.includes("pass"))).toEqual(["passphrase-file"]);
  });
});

describe("a home that others can get at is refused, and the remedy closes it", () => {
  test.each(["show", "export", "init --name anna", `network ${card}`])("%s", async (line) => {
    using stage = await withAnna();
    fs.chmodSync(placeOf(stage), 0o755);
    const { exit, err } = await stage.runAsIs(["approver", ...line.split(" ")]);
    expect(exit).toBe(77);
    expect(err).toContain(`others have access to ${placeOf(stage)} (mode 0755)`);
    expect(err).toContain(`chmod 0700 ${placeOf(stage)}`);
  });

  test("also by a symbolic link in its place", async () => {
    using stage = await withAnna();
    const link = join(stage.folder, "link");
    fs.symlinkSync(placeOf(stage), link);
    expect((await stage.runAsIs(["approver", "show", "--dir", link])).exit).toBe(77);
  });
});

test("while a key is being made, nobody makes a second one", () => {
  using stage = new Stage();
  const home = new ApproverHome(stage.folder);
  const path = join(stage.folder, "lock");
  using _lock = lockFile(path, "taken", "wait");
  const make = () => home.makeKey("anna" as never, { kind: "plain" }, () => new Uint8Array(32));
  expect(codeOf(make)).toBe("busy");
  expect(home.readCard()).toBeNull();
});

test("a key file that holds something else is not used", async () => {
  using stage = await withAnna();
  const home = new ApproverHome(placeOf(stage));
  fs.rmSync(home.keyPath);
  const short = new Secret(new Uint8Array(16));
  writeKeyFile(home.keyPath, "approver", short, { kind: "plain" }, () => new Uint8Array());
  expect(codeOf(() => home.readSecret({ kind: "plain" }))).toBe("store_corrupt");
});

test("another key in the place of the one that the card names is not used", async () => {
  using stage = await withAnna();
  const other = join(stage.folder, "other");
  await stage.runAsIs(["approver", "init", "--name", "anna", "--plain-keys", "--dir", other]);
  fs.copyFileSync(join(other, "approver.key"), join(placeOf(stage), "approver.key"));
  const home = new ApproverHome(placeOf(stage));
  expect(codeOf(() => home.readSecret({ kind: "plain" }))).toBe("store_corrupt");
  fs.rmSync(join(placeOf(stage), "card"));
  expect((await stage.runAsIs(["approver", "show"])).exit).toBe(65);
});

describe("network", () => {
  test("is remembered, and the same one again is no mistake", async () => {
    using stage = await withAnna();
    for (let time = 0; time < 2; time++)
      expect(await stage.runAsIs(["approver", "network", card])).toEqual({
        exit: 0,
        out: `network ${network.network} at ${network.url}\n`,
        err: "",
      });
    expect(new ApproverHome(placeOf(stage)).readNetwork()).toEqual(network);
  });

  test.each([
    ["network", { network: "00".repeat(16) }],
    ["genesis", { genesis: "00".repeat(32) }],
  ])("another %s is refused, whatever is said, and told where to go", async (_, changes) => {
    using stage = await withAnna();
    await stage.runAsIs(["approver", "network", card]);
    for (const words of [
      ["network", cardWith(changes)],
      ["network", "--replace", cardWith(changes)],
      ["init", "--network", cardWith(changes)],
    ]) {
      const { exit, err } = await stage.runAsIs(["approver", ...words]);
      expect(exit).toBe(77);
      expect(err).toContain("rustynet approver init --dir DIR --network CARD");
    }
    expect(new ApproverHome(placeOf(stage)).readNetwork()).toEqual(network);
  });

  test.each([
    ["address", { url: "https://elsewhere.example" }],
    ["TLS key", { pin: "00".repeat(32) }],
  ])("its other %s is taken only when somebody says so", async (_, changes) => {
    using stage = await withAnna();
    await stage.runAsIs(["approver", "network", card]);
    const moved = cardWith(changes);
    const { exit, err } = await stage.runAsIs(["approver", "network", moved]);
    expect(exit).toBe(77);
    expect(err).toContain("rustynet approver network --replace CARD");
    expect(new ApproverHome(placeOf(stage)).readNetwork()).toEqual(network);
    expect((await stage.runAsIs(["approver", "network", "--replace", moved])).exit).toBe(0);
    expect(new ApproverHome(placeOf(stage)).readNetwork()).toMatchObject(changes);
  });

  test("what is no card is refused, and not repeated", async () => {
    using stage = await withAnna();
    const { exit, out, err } = await stage.runAsIs(["approver", "network", "rnjoin1.hush"]);
    expect([exit, out]).toEqual([64, ""]);
    expect(err).not.toContain("hush");
  });
});

describe("show and export", () => {
  test("show says the same to programs, and never asks for the passphrase", async () => {
    using stage = new Stage();
    await stage.runAsIs(["approver", "init", "--name", "anna", "--network", card], { typed });
    const asked = stage.questions.length;
    const { out } = await stage.runAsIs(["approver", "show", "--json"]);
    expect(stage.questions).toHaveLength(asked);
    const shown = JSON.parse(out);
    const { key } = shown;
    expect(shown).toEqual({
      name: "anna",
      key,
      fingerprint: fingerprintOf(key),
      card: expect.any(String),
      network,
      keyPath: join(placeOf(stage), "approver.key"),
      custody: "passphrase",
    });
    expect(parseApproverCard(shown.card) as unknown).toEqual({ key, name: "anna" });
  });

  test("show says so when the key is not encrypted", async () => {
    using stage = await withAnna();
    expect((await stage.runAsIs(["approver", "show"])).out).toContain(
      "approver.key, NOT encrypted\n",
    );
  });

  test("export gives a pipe the card alone, and a person its fingerprint", async () => {
    using stage = await withAnna();
    const { out, err } = await stage.runAsIs(["approver", "export"]);
    const exported = parseApproverCard(out);
    const held = new ApproverHome(placeOf(stage)).readCard();
    expect(exported).toEqual(held);
    expect(out.split("\n")).toHaveLength(2);
    expect(err).toContain(held === null ? "no card" : fingerprintOf(held.key));
    expect(err).not.toContain("█");
  });

  test("export draws the code where somebody looks", async () => {
    using stage = await withAnna();
    const { out, err } = await stage.runAsIs(["approver", "export"], { isTerminal: true });
    expect(parseApproverCard(out)).not.toBeNull();
    expect(err).toContain("█");
  });

  test("export writes the code as a picture", async () => {
    using stage = await withAnna();
    const file = join(stage.folder, "card.svg");
    const host = openHost({ path: "/nowhere", isBuilt: false });
    const argv = ["approver", "export", "--svg", file, "--json"];
    const { out } = await stage.runAsIs(argv, { host });
    expect(JSON.parse(out)).toMatchObject({ svg: file, name: "anna" });
    expect(fs.readFileSync(file, "utf8")).toStartWith("<svg ");
  });

  test.each(["show", "export"])("%s without a key says how to make one", async (word) => {
    using stage = new Stage();
    const { exit, out, err } = await stage.runAsIs(["approver", word]);
    expect([exit, out]).toEqual([64, ""]);
    expect(err).toBe(
      `rustynet: there is no approver key in ${placeOf(stage)}\n` +
        "  make one: rustynet approver init --name NAME; or name another place: --dir DIR\n",
    );
  });
});

test.each([
  [{ XDG_CONFIG_HOME: "/cfg", HOME: "/home/anna" }, "/cfg/rustynet/approver"],
  [{ XDG_CONFIG_HOME: "cfg", HOME: "/home/anna" }, "/home/anna/.config/rustynet/approver"],
  [{ XDG_CONFIG_HOME: "", HOME: "/home/anna" }, "/home/anna/.config/rustynet/approver"],
  [{ HOME: "/home/anna" }, "/home/anna/.config/rustynet/approver"],
  [{ HOME: "anna" }, null],
  [{}, null],
])("in the environment %j the key is kept in %j", (env, place) => {
  expect(openSurroundings(env).approverDirectory).toBe(place);
});

test("without a home directory the commands ask for one, and nothing else stops", async () => {
  using stage = new Stage();
  const argv = ["approver", "init", "--name", "anna", "--plain-keys"];
  const { exit, err } = await stage.runAsIs(argv, { isHomeless: true });
  expect([exit, err]).toEqual([
    64,
    "rustynet: this user has no home directory to keep a key in\n  name a directory: --dir DIR\n",
  ]);
  const dir = ["--dir", join(stage.folder, "here")];
  expect((await stage.runAsIs([...argv, ...dir], { isHomeless: true })).exit).toBe(0);
});
