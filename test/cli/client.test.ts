/** client: why nobody answers, in words, and what is made of answers that do not fit. */
import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { waitFor } from "../lab/wait-for.ts";
import { running } from "./samples.ts";
import { Stage } from "./stage.ts";

const daemon = ["status"] as const;
const control = ["node", "list"] as const;

test("where nothing is, it says how to start or install it", async () => {
  using stage = new Stage();
  expect(await stage.run(daemon)).toEqual({
    exit: 75,
    out: "",
    err:
      `rustynet: no daemon is running on this host: there is no ${stage.socket}\n` +
      "  start it: systemctl start rustynet (or by hand: rustynet daemon); " +
      "not installed yet: rustynet service install\n",
  });
  expect((await stage.run(control)).err).toBe(
    `rustynet: no control server is running on this host: there is no ${stage.socket}\n` +
      "  go to the control server's host, or start it here: systemctl start rustynet-control " +
      "(or by hand: rustynet control)\n",
  );
});

test("a socket that a dead daemon left is told from none", async () => {
  using stage = new Stage();
  const program = `Bun.listen({ unix: ${JSON.stringify(stage.socket)}, socket: { data() {} } });`;
  const child = Bun.spawn([process.execPath, "-e", program], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  await waitFor("the socket", () => existsSync(stage.socket));
  child.kill("SIGKILL");
  await child.exited;
  expect(await stage.run(daemon)).toEqual({
    exit: 75,
    out: "",
    err:
      `rustynet: the daemon has ended: nobody listens at ${stage.socket}\n` +
      "  systemctl restart rustynet; journalctl -u rustynet says what it did\n",
  });
});

test("who may not talk to it is told who may", async () => {
  using stage = new Stage();
  const closed = join(stage.folder, "closed");
  mkdirSync(closed, { mode: 0o700 });
  chmodSync(stage.folder, 0o755);
  const socket = join(closed, "daemon.sock");
  using server = { [Symbol.dispose]: () => void listener.stop(true) };
  const listener = Bun.serve({ unix: socket, fetch: () => Response.json(running) });
  expect(server).toBeDefined();
  const program = `
    const { main } = await import(${JSON.stringify(join(import.meta.dir, "../../src/cli/main.ts"))});
    process.exitCode = await main(["status", "--socket", ${JSON.stringify(socket)}]);`;
  const asNobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
  const argv = ["/usr/bin/setpriv", ...asNobody, process.execPath, "-e", program];
  const child = Bun.spawnSync(argv, { env: {} });
  expect(child.stderr.toString()).toBe(
    "rustynet: this user may not talk to the daemon\n" +
      "  run it as root; to only look, be in the group rustynet: " +
      "usermod -aG rustynet LOGIN, and log in again\n",
  );
  expect(child.exitCode).toBe(77);
});

test("an answer that does not fit the table is another version's", async () => {
  for (const answer of [{ state: "running" }, [], null, { ...running, state: "flying" }]) {
    using stage = new Stage().serveRaw(() => Response.json(answer));
    expect(await stage.run(daemon)).toEqual({
      exit: 65,
      out: "",
      err:
        "rustynet: the daemon answers in a form unknown to this program\n" +
        "  let both be of one version: systemctl restart rustynet\n",
    });
  }
});

test.each([
  ["a code that only a newer server knows", 403, { code: "too_blue", message: "no" }, 77, "no"],
  ["a new code of a failure", 503, { code: "too_red", message: "later" }, 75, "later"],
  ["a new code of a mistake", 400, { code: "too_green", message: "what" }, 64, "what"],
  ["no refusal at all", 500, "boom", 75, "the daemon failed with HTTP status 500"],
  ["hostile words", 403, { code: "revoked", message: "a\u001b[2J\nb" }, 77, "a\\u{1b}[2J\\u{a}b"],
])("a refusal with %s keeps its class", async (_, status, body, exit, words) => {
  using stage = new Stage().serveRaw(() => Response.json(body, { status }));
  const said = await stage.run(daemon);
  expect(said.exit).toBe(exit);
  expect(said.err).toStartWith(`rustynet: ${words}\n`);
});

test("a path too long for a socket is refused in words", async () => {
  using stage = new Stage();
  const said = await stage.runAsIs(["status", "--socket", `/${"x".repeat(200)}`]);
  expect(said.exit).toBe(75);
  expect(said.err).toStartWith("rustynet: ");
});

test("what is asked over the socket goes nowhere else, wherever the answer points", async () => {
  using stage = new Stage();
  const heard: string[] = [];
  const hear = async (request: Request) => {
    heard.push(await request.text());
    return Response.json({});
  };
  const elsewhere = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: hear });
  const location = `http://127.0.0.1:${elsewhere.port}/`;
  const point = () => new Response(null, { status: 307, headers: { location } });
  const listener = Bun.serve({ unix: stage.socket, fetch: point });
  const { exit } = await stage.run(["logout"]);
  void listener.stop(true);
  void elsewhere.stop(true);
  expect({ exit, heard }).toEqual({ exit: 75, heard: [] });
});

test("an answer without an end is not read to the end of the memory", async () => {
  using stage = new Stage();
  const chunk = new Uint8Array(1 << 20).fill(0x20);
  let sentBytes = 0;
  const pull = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    sentBytes += chunk.length;
    controller.enqueue(chunk);
  };
  const endless = () => new Response(new ReadableStream({ pull }));
  const listener = Bun.serve({ unix: stage.socket, fetch: endless });
  const { exit, err } = await stage.run(daemon);
  void listener.stop(true);
  expect(exit).toBe(75);
  expect(err).toContain("gives an answer without an end");
  expect(sentBytes).toBeLessThan(512 << 20);
});
