/** The quickstart shows what it says, and leaves nothing behind, however it ends. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { creatorOf } from "../lab/lab-id.ts";
import { readMachineNetwork } from "../lab/machine.ts";
import { membersOf, type NamespaceId } from "../lab/namespaces.ts";
import { namespaceNames } from "../lab/sweep.ts";
import { waitFor } from "../lab/wait-for.ts";

setDefaultTimeout(120_000);

const script = resolve(import.meta.dir, "../../scripts/quickstart");

let machineBefore: Awaited<ReturnType<typeof readMachineNetwork>>;
beforeAll(async () => {
  machineBefore = await readMachineNetwork();
});
afterAll(async () => {
  // The claim is about all tests of this file together.
  expect(await readMachineNetwork()).toEqual(machineBefore);
});

const Report = v.strictObject({
  nodes: v.literal(3),
  joinedAfterMs: v.number(),
  wire: v.strictObject({
    datagrams: v.pipe(v.number(), v.minValue(1)),
    bytes: v.pipe(v.number(), v.minValue(1)),
    timesSeenInTunnel: v.pipe(v.number(), v.minValue(2)),
    timesSeenOnWire: v.literal(0),
  }),
  restart: v.strictObject({
    awayMs: v.number(),
    sent: v.pipe(v.number(), v.minValue(50)),
    lost: v.literal(0),
  }),
  tookMs: v.number(),
});

/** A quickstart of its own; the scripts replace each other, so that its number is the lab's creator. */
function start(...options: readonly string[]) {
  const child = Bun.spawn([script, ...options], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const told = { text: "" };
  const collect = async (stream: ReadableStream<Uint8Array>): Promise<string> => {
    const decoder = new TextDecoder();
    let own = "";
    for await (const chunk of stream) {
      const part = decoder.decode(chunk, { stream: true });
      own += part;
      told.text += part;
    }
    return own;
  };
  const output = Promise.all([collect(child.stdout), collect(child.stderr)]);
  return { child, told, output };
}

const ownNames = (pid: number): string[] =>
  [...namespaceNames(), ...readdirSync(tmpdir())].filter((name) => creatorOf(name)?.pid === pid);

const namespacesOf = (pid: number): NamespaceId[] =>
  namespaceNames()
    .filter((name) => creatorOf(name)?.pid === pid)
    .map((name) => `net:[${statSync(join("/run/netns", name)).ino}]`);

test("two at once show everything that they say, and leave nothing behind", async () => {
  const both = [start("--json"), start("--json")];
  for (const { child, told, output } of both) {
    const [figures] = await output;
    expect({ code: await child.exited, text: told.text }).toMatchObject({ code: 0 });
    expect(v.safeParse(Report, JSON.parse(figures)).issues).toBeUndefined();
    expect(ownNames(child.pid)).toEqual([]);
  }
});

test.each([
  ["before it has built", "Rustynet"],
  ["when hosts are being made", "built one executable"],
  ["when the network is made", "rustynet control init"],
  ["when the last node joins", "carol$ rustynet up -"],
  ["when control is away", "kill -9"],
])("Ctrl-C %s leaves nothing behind", async (_, words) => {
  const { child, told, output } = start();
  await waitFor(
    `it to say "${words}"`,
    () => told.text.includes(words) || child.exitCode !== null,
    {
      deadlineMs: 60_000,
      pollMs: 1,
    },
  );
  const namespaces = new Set(namespacesOf(child.pid));
  child.kill("SIGINT");
  const code = await child.exited;
  await output;
  expect({ code, text: told.text }).toMatchObject({ code: 130 });
  expect(ownNames(child.pid)).toEqual([]);
  expect(membersOf(namespaces)).toEqual([]);
});

test("with --keep the mesh stays up until Ctrl-C, which is no failure then", async () => {
  const { child, told, output } = start("--keep");
  await waitFor("it to say how to go on", () => told.text.includes("sudo /usr/bin/nsenter"), {
    deadlineMs: 60_000,
  });
  const line = told.text.split("\n").find((one) => one.trim().startsWith("alice    sudo ")) ?? "";
  const [, , ...argv] = line.trim().split(/\s+/);
  const inside = Bun.spawn([...argv, "rustynet", "ping", "bob"], { stdout: "pipe" });
  expect(await inside.exited).toBe(0);
  child.kill("SIGINT");
  expect(await child.exited).toBe(0);
  await output;
  expect(ownNames(child.pid)).toEqual([]);
});

test("somebody who is not root is told what to type", async () => {
  const nobody = [
    "/usr/bin/setpriv",
    "--reuid",
    "65534",
    "--regid",
    "65534",
    "--clear-groups",
    "--",
  ];
  const child = Bun.spawn([...nobody, script, "--keep"], { stdout: "pipe", stderr: "pipe" });
  expect(await child.exited).toBe(77);
  expect(await child.stderr.text()).toContain(`sudo ${script} --keep`);
});

test("an unknown option is a mistake of usage", async () => {
  const { child, told, output } = start("--kep");
  await output;
  expect(await child.exited).toBe(64);
  expect(told.text).toContain("scripts/quickstart --help");
});
