/**
 * closed: nothing in the folder that the executable is started in, and nothing in its environment, is
 * run by it. Each way in is shown to be one by an executable that was compiled without the closing.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { closedOptions, shutDoor } from "../../scripts/closed.ts";
import { type Outcome, output, run } from "../../scripts/run.ts";

const root = resolve(import.meta.dir, "../..");
const product = join(root, `artifacts/build/rustynet-linux-${process.arch}`);
let folder = "";
const inFolder = (path: string) => join(folder, path);
const surroundings = () => inFolder("surroundings");
const canary = () => inFolder("canary");
const openProbe = () => inFolder("probe-open");
const closedProbe = () => inFolder("probe-closed");

/** What an attacker would run: it leaves a file behind, so that nobody need look at any output. */
const evil = () => `require("node:fs").writeFileSync(${JSON.stringify(canary())}, "ran");\n`;

/** Says what of its surroundings it was given, and which ways of making code are open to it. */
const probe = `
const tries = {
  eval: () => (0, eval)("1"),
  Function: () => new Function("return 1")(),
  importOfFile: () => import(process.argv[2] ?? ""),
  compiler: async () => (await import("bun:ffi")).cc({ source: process.argv[3] ?? "", symbols: { f: { args: [], returns: "int" } } }),
};
const works = {};
for (const [name, attempt] of Object.entries(tries)) {
  try { await attempt(); works[name] = true; } catch { works[name] = false; }
}
console.log(JSON.stringify({ fromDotenv: process.env["FROM_DOTENV"] ?? null, works }));
`;

async function compileProbe(out: string, options: readonly string[]): Promise<void> {
  const shape = ["--compile", "--minify", "--bytecode", "--format=esm", `--outfile=${out}`];
  await output([process.execPath, "build", inFolder("probe.ts"), ...shape, ...options], folder);
}

async function plant(files: Readonly<Record<string, string>>): Promise<void> {
  await rm(surroundings(), { recursive: true, force: true });
  await rm(canary(), { force: true });
  await mkdir(surroundings(), { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(surroundings(), path)), { recursive: true });
    await Bun.write(join(surroundings(), path), text);
  }
}

type Started = Outcome & { readonly ranCanary: boolean };

async function start(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Started> {
  const bare = { PATH: "/usr/bin:/bin", HOME: surroundings(), NO_COLOR: "1" };
  const outcome = await run(argv, { cwd: surroundings(), env: { ...bare, ...env } });
  return { ...outcome, ranCanary: await Bun.file(canary()).exists() };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rustynet-closed-"));
  await output([join(root, "scripts/build")], root);
  await Bun.write(inFolder("probe.ts"), probe);
  await compileProbe(openProbe(), []);
  await compileProbe(closedProbe(), closedOptions);
  await shutDoor(closedProbe());
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

type WayIn = {
  readonly name: string;
  readonly files: () => Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  /** Whether Bun takes this way when nothing is closed. */
  readonly opens: boolean;
};

const withEvil =
  (files: Readonly<Record<string, string>> = {}) =>
  () => ({
    "evil.js": evil(),
    ...files,
  });
const none = { env: {}, args: ["version"], opens: true } as const;
const preload = 'preload = ["./evil.js"]\n';

const waysIn: readonly WayIn[] = [
  { ...none, name: "a bunfig.toml in the folder", files: withEvil({ "bunfig.toml": preload }) },
  {
    ...none,
    name: "a .bunfig.toml in the home folder",
    files: withEvil({ ".bunfig.toml": preload }),
    opens: false,
  },
  {
    ...none,
    name: "--preload in BUN_OPTIONS",
    files: withEvil(),
    env: { BUN_OPTIONS: "--preload ./evil.js" },
  },
  {
    ...none,
    name: "--import in BUN_OPTIONS",
    files: withEvil(),
    env: { BUN_OPTIONS: "--import ./evil.js" },
  },
  {
    ...none,
    name: "-e in BUN_OPTIONS",
    files: () => ({}),
    env: { BUN_OPTIONS: "-e require('./evil.js')" },
    opens: false,
  },
  {
    ...none,
    name: "--require in NODE_OPTIONS",
    files: withEvil(),
    env: { NODE_OPTIONS: "--require ./evil.js --import ./evil.js" },
    opens: false,
  },
  {
    ...none,
    name: "BUN_BE_BUN, which makes it Bun itself",
    files: withEvil(),
    env: { BUN_BE_BUN: "1" },
    args: ["./evil.js"],
  },
  {
    ...none,
    name: "BUN_BE_BUN in a .env",
    files: withEvil({ ".env": "BUN_BE_BUN=1\nBUN_OPTIONS=--preload ./evil.js\n" }),
    args: ["./evil.js"],
    opens: false,
  },
  {
    ...none,
    name: "BUN_INSPECT_PRELOAD",
    files: withEvil(),
    env: { BUN_INSPECT_PRELOAD: "./evil.js" },
    opens: false,
  },
  {
    ...none,
    name: "Bun's own arguments",
    files: withEvil(),
    args: ["--preload", "./evil.js", "version"],
    opens: false,
  },
  {
    ...none,
    name: "packages of our dependencies' names",
    files: withEvil({
      "node_modules/valibot/index.js": "require('../../evil.js');",
      "node_modules/hono/index.js": "require('../../evil.js');",
      "package.json": JSON.stringify({
        main: "./evil.js",
        type: "commonjs",
        imports: { "#a": "./evil.js" },
      }),
      "tsconfig.json": JSON.stringify({ compilerOptions: { paths: { "*": ["./evil.js"] } } }),
    }),
    env: { NODE_PATH: "./node_modules" },
    opens: false,
  },
];

test.each(waysIn)("$name runs nothing", async ({ files, env, args }) => {
  await plant(files());
  const { ranCanary } = await start([product, ...args], env);
  expect(ranCanary).toBe(false);
});

test.each(waysIn.filter(({ opens }) => opens))(
  "$name runs the canary in an executable that is not closed",
  async ({ files, env, args }) => {
    await plant(files());
    const { ranCanary } = await start([openProbe(), ...args], env);
    expect(ranCanary).toBe(true);
  },
);

test("plain bun runs the canary of a bunfig.toml", async () => {
  await plant({ "evil.js": evil(), "bunfig.toml": preload, "empty.js": "" });
  expect((await start([process.execPath, "empty.js"])).ranCanary).toBe(true);
});

test("a hostile folder changes nothing of what the program says", async () => {
  await plant({});
  const alone = await start([product, "version"]);
  await plant({ "evil.js": evil(), "bunfig.toml": preload, ".env": "BUN_OPTIONS=--smol\n" });
  const among = await start([product, "version"], { BUN_BE_BUN: "1", NODE_OPTIONS: "--inspect" });
  expect(alone.exitCode).toBe(0);
  expect(among).toEqual(alone);
});

test.each(["bun", "bunx", "node"])("called %s, it is still itself", async (name) => {
  await plant({ "evil.js": evil() });
  await symlink(product, join(surroundings(), name));
  expect((await start([join(surroundings(), name), "./evil.js"])).ranCanary).toBe(false);
});

test("a debugger cannot be asked for", async () => {
  await plant({});
  const socket = inFolder("inspect.sock");
  const { exitCode, stderr } = await start([product, "version"], { BUN_INSPECT: `unix:${socket}` });
  expect(exitCode).not.toBe(0);
  expect(stderr).toContain("disallow-code-generation-from-strings");
});

const code = ["eval", "Function", "importOfFile", "compiler"] as const;
const openWorks = Object.fromEntries(code.map((name) => [name, true]));
const closedWorks = Object.fromEntries(code.map((name) => [name, false]));

test.each([
  { probeOf: openProbe, name: "open", fromDotenv: "yes", works: openWorks },
  { probeOf: closedProbe, name: "closed", fromDotenv: null, works: closedWorks },
])(
  "the $name probe: code from strings, files and C, and .env",
  async ({ probeOf, fromDotenv, works }) => {
    await plant({
      ".env": "FROM_DOTENV=yes\n",
      "module.js": "export default 1;\n",
      "one.c": "int f() { return 1; }\n",
    });
    const here = [join(surroundings(), "module.js"), join(surroundings(), "one.c")];
    const { stdout, stderr } = await start([probeOf(), ...here]);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual({ fromDotenv, works });
  },
);
