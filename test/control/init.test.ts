/** init: a network is made once, wholly or not at all, and is then served as it was made. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Fault } from "../../src/base/fault.ts";
import { layout } from "../../src/control/config.ts";
import { initNetwork } from "../../src/control/init.ts";
import { parseCommand } from "../../src/control/options.ts";
import { tlsPinOf } from "../../src/control/tls-files.ts";
import { readKeyFile } from "../../src/store/key-file.ts";
import { waitFor } from "../lab/wait-for.ts";
import { certificateChain } from "../support/certificate-chain.ts";
import { random, ShiftedClock } from "../support/control-harness.ts";

let directory = "";
let state = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rustynet-init-"));
  state = join(directory, "state");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const url = "https://control.example:8443";
const surroundings = { credentialsDirectory: undefined, clock: new ShiftedClock(), random };

async function init(...argv: string[]) {
  const command = await parseCommand(["init", "--state-dir", state, ...argv]);
  if (command.kind !== "init") throw new Error("not init");
  return initNetwork(command.options, surroundings);
}

async function faultOf(attempt: Promise<unknown>): Promise<Fault> {
  const error = await attempt.catch((caught: unknown) => caught);
  if (error instanceof Fault) return error;
  throw new Error(`not refused: ${Bun.inspect(error)}`);
}

/** Every file below the state directory with its bytes. */
function snapshot(): Record<string, string> {
  const names = readdirSync(state, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => statSync(join(state, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(state, name), "base64")]));
}

test("everything that a control server needs is made, for its own user alone", async () => {
  const outcome = await init("--url", url, "--plain-keys");
  expect(outcome.kind).toBe("made");
  const places = layout(state);
  expect(statSync(places.network).mode & 0o777).toBe(0o700);
  for (const key of [places.approverKey, places.controlKey, places.tlsKey, places.config])
    expect([key, statSync(key).mode & 0o777]).toEqual([key, 0o600]);
  const certificate = readFileSync(places.certificate, "utf8");
  expect(outcome.kind === "made" && outcome.founded.pin).toBe(tlsPinOf(certificate));
  expect(existsSync(`${places.network}.new`)).toBe(false);
});

test("asked again, it says that it is there, and changes nothing", async () => {
  await init("--url", url, "--plain-keys");
  const before = snapshot();
  expect((await init("--url", url, "--plain-keys")).kind).toBe("there_already");
  expect((await init()).kind).toBe("there_already");
  expect(snapshot()).toEqual(before);
});

test.each([
  ["another url", ["--url", "https://other.example:8443"]],
  ["another range", ["--range", "10.0.0.0/16"]],
  ["another place to listen", ["--listen", "0.0.0.0:9443"]],
  ["another name", ["--name", "boss"]],
  ["a certificate of one's own", ["--tls-cert", "/a", "--tls-key", "/b"]],
])("asked again with %s, it refuses and changes nothing", async (_what, argv) => {
  await init("--url", url, "--plain-keys");
  const before = snapshot();
  expect((await faultOf(init(...argv))).code).toBe("already_exists");
  expect(snapshot()).toEqual(before);
});

test("what a crash left half-made does not count and is cleared away", async () => {
  const fresh = `${layout(state).network}.new`;
  mkdirSync(fresh, { recursive: true, mode: 0o700 });
  writeFileSync(join(fresh, "approver.key"), "half");
  expect((await init("--url", url, "--plain-keys")).kind).toBe("made");
  expect(existsSync(fresh)).toBe(false);
});

test("when something cannot be made, nothing has been", async () => {
  const attempt = init("--url", url, "--plain-keys", "--tls-cert", "/none", "--tls-key", "/none");
  expect((await faultOf(attempt)).code).toBe("config_invalid");
  expect(existsSync(layout(state).network)).toBe(false);
  expect((await init("--url", url, "--plain-keys")).kind).toBe("made");
});

test("nobody chooses unencrypted keys by saying nothing", async () => {
  const fault = await faultOf(init("--url", url));
  expect(fault.code).toBe("key_custody");
  for (const way of ["rustynet-key", "--passphrase-file", "--plain-keys"])
    expect(fault.remedy).toContain(way);
});

test("sealed keys open with the passphrase and not without", async () => {
  chmodSync(directory, 0o700);
  const passphraseFile = join(directory, "passphrase");
  writeFileSync(passphraseFile, "correct horse battery staple\n", { mode: 0o600 });
  await init("--url", url, "--passphrase-file", passphraseFile);
  const { controlKey } = layout(state);
  const attempt = () => readKeyFile(controlKey, "control", { kind: "plain" });
  expect(attempt).toThrow("sealed");
});

test.each([
  [[], "usage"],
  [["--url", "http://control.example"], "usage"],
  [["--url", "https://control.example/path"], "usage"],
  [["--url", url, "--range", "100.64.0.1/10"], "usage"],
  [["--url", url, "--listen", "8443"], "usage"],
  [["--url", url, "--name", "Owner Name"], "usage"],
  [["--url", url, "--tls-cert", "/cert"], "usage"],
  [["--url", url, "--enroll-burst", "0"], "usage"],
  [["--url", url, "--bogus"], "usage"],
  [["--url", url, "surplus"], "usage"],
])("%j is refused as asked wrongly", async (argv, code) => {
  expect((await faultOf(init(...argv, "--plain-keys"))).code).toBe(code as never);
  expect(existsSync(layout(state).network)).toBe(false);
});

test("a range too wide for the mesh is refused before anything is made", async () => {
  const fault = await faultOf(init("--url", url, "--plain-keys", "--range", "0.0.0.0/0"));
  expect(fault.code).toBe("usage");
});

test("a concrete address to listen at is an address for nodes as well", async () => {
  const outcome = await init("--listen", "[2001:db8::1]:8443", "--plain-keys");
  expect(String(outcome.config.url)).toBe("https://[2001:db8::1]:8443");
});

test("an operator's own certificate is used with its own key alone", async () => {
  const chain = await certificateChain("127.0.0.1");
  const other = await certificateChain("127.0.0.1");
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const textOf = (key: typeof chain.leafKey) =>
    key.expose((bytes) => new TextDecoder().decode(bytes));
  const certificate = file("chain.pem", `${chain.leaf}\n${chain.intermediate}\n`);
  const key = file("key.pem", textOf(chain.leafKey));
  const strange = file("other.pem", textOf(other.leafKey));
  const base = ["--url", url, "--plain-keys", "--tls-cert", certificate];
  expect((await faultOf(init(...base, "--tls-key", strange))).code).toBe("config_invalid");
  const outcome = await init(...base, "--tls-key", key);
  expect(outcome.kind === "made" && outcome.founded.pin).toBe(tlsPinOf(chain.leaf));
  expect(existsSync(layout(state).tlsKey)).toBe(false);
});

const main = resolve(import.meta.dir, "../../src/main.ts");
const run = (...argv: string[]) =>
  Bun.spawn([process.execPath, main, "control", ...argv, "--state-dir", state], {
    env: {},
    stdout: "pipe",
    stderr: "pipe",
  });

test("as a program: init, serve, end on SIGTERM, and serve again what was there", async () => {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const listen = `127.0.0.1:${probe.port}`;
  probe.stop(true);
  const made = run("init", "--listen", listen, "--plain-keys", "--json");
  expect(await made.exited).toBe(0);
  const { founded } = (await new Response(made.stdout).json()) as { founded: { network: string } };
  const socket = join(directory, "operator.sock");
  for (let round = 0; round < 2; round++) {
    const server = run("--socket", socket);
    const show = async () =>
      (await (await fetch("http://local/v1/network", { unix: socket })).json()) as object;
    const shown = await waitFor("the server", show);
    expect(shown).toMatchObject({ network: founded.network, url: `https://${listen}` });
    const second = run("--socket", `${socket}2`);
    expect(await second.exited).toBe(75);
    server.kill("SIGTERM");
    expect(await server.exited).toBe(0);
    expect(existsSync(socket)).toBe(false);
  }
});

test("as a program: a refusal has its exit code, its message, and JSON when asked", async () => {
  const server = run("serve", "--json");
  expect(await server.exited).toBe(64);
  expect(await new Response(server.stdout).json()).toMatchObject({ code: "not_found" });
  expect(await new Response(server.stderr).text()).toContain("rustynet control init");
});
