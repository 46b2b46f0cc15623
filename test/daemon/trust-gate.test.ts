/**
 * trust-gate: nothing of the host changes without a membership that was verified, and what trust loses
 * the host loses at once (the membership plan, M3, M4 and section 7).
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exitCode, Fault, faultClass, isFaultCode } from "../../src/base/fault.ts";
import { exitOf } from "../../src/cli/connect.ts";
import type { ControlClient, MapStreamHooks } from "../../src/daemon/control-client.ts";
import { localHandlers } from "../../src/daemon/local-api.ts";
import type { Node } from "../../src/daemon/node.ts";
import { writeKeyFile } from "../../src/store/key-file.ts";
import type { Map as MapPayload } from "../../src/wire/map.ts";
import { waitFor } from "../lab/wait-for.ts";
import type { FakeHost } from "../support/fake-host.ts";
import { Ledger, nowS, signerOf, tunnelOf, updateId } from "../support/world.ts";
import { emptyHost, nodeIn, silentClient } from "./stage.ts";
import { enrollmentOf, historyOf, mapText, openDirectory, openState, random } from "./world.ts";

const base = () => new Ledger().admit("me").decide({ kind: "checkpoint" });
const ledger = base().admit("peer");
const enrollment = enrollmentOf(ledger, "me");

let directory: ReturnType<typeof openDirectory>;
let host: FakeHost;
let streams: MapStreamHooks[];
let node: Node;

const client: ControlClient = {
  ...silentClient,
  openMapStream: async (hooks) => {
    streams.push(hooks);
    return { close: () => hooks.onClose(null), probe() {}, send() {} };
  },
};

const open = (): Node => nodeIn(directory.path, { host, openClient: () => client });
const give = (text: string) => streams.at(-1)?.onMap(text);
const status = () => localHandlers(node).status({});
const isOpen = () => host.kernel.link === "up" && (host.kernel.device?.peers.size ?? 0) > 0;

beforeEach(async () => {
  directory = openDirectory();
  openState(directory.path).writeJoined(historyOf(ledger, 2), enrollment);
  const key = join(directory.path, "identity.key");
  writeKeyFile(key, "identity", signerOf("me").seed, { kind: "plain" }, random);
  host = emptyHost();
  streams = [];
  node = open();
  await node.start();
  await waitFor("a stream", () => streams.length === 1);
});
afterEach(async () => {
  await node.stop();
  directory[Symbol.dispose]();
});

async function becomeUp(): Promise<void> {
  give(mapText(ledger, "me", ["peer"]));
  await waitFor("the first map", isOpen);
}

test("before a map was verified, nothing is done to the host", () => {
  expect(host.performed).toEqual([]);
});

const damaged = [
  "enrollment",
  "genesis",
  "membership.snapshot",
  "membership.log",
  "watermark",
  "advertisements",
];

test.each(damaged)(
  "with a damaged %s the node is restricted, closed, and says the way out",
  async (name) => {
    await becomeUp();
    await node.stop();
    const path = join(directory.path, name);
    const bytes = readFileSync(path);
    bytes[bytes.length - 3] = (bytes.at(-3) ?? 0) ^ 1;
    writeFileSync(path, bytes);
    streams = [];
    node = open();
    await node.start();

    const { state, reason } = await status();
    expect(state).toBe("restricted");
    expect(reason?.code).toBe("store_corrupt");
    expect(`${reason?.remedy} ${reason?.message}`).toMatch(/restore|backup/);
    expect(exitOf(reason)).toBe(exitCode.corrupt);
    expect(isOpen(), "what an earlier life left open is closed").toBe(false);
    expect(streams, "nobody is followed").toEqual([]);
    const refused = await node.up(undefined, undefined).catch((error: unknown) => error);
    expect(refused instanceof Fault && faultClass[refused.code]).toBe("corrupt");
    await node.logout("local");
    expect(readdirSync(directory.path)).toEqual([]);
    expect((await status()).state).toBe("logged_out");
  },
);

test("a file that the membership was founded on and that is gone is no fresh start", async () => {
  await becomeUp();
  for (const name of ["membership.snapshot", "membership.log", "genesis"]) {
    await node.stop();
    const bytes = readFileSync(join(directory.path, name));
    await Bun.file(join(directory.path, name)).delete();
    node = open();
    await node.start();
    expect((await status()).reason?.code, name).toBe("store_corrupt");
    writeFileSync(join(directory.path, name), bytes, { mode: 0o600 });
  }
});

test("a state that others could have changed is not believed, and the command that mends it is named", async () => {
  await becomeUp();
  await node.stop();
  chmodSync(directory.path, 0o755);
  node = open();
  await node.start();
  const { state, reason } = await status();
  expect(state).toBe("restricted");
  expect(reason).toMatchObject({ code: "key_custody", remedy: `chmod 0700 ${directory.path}` });
  expect(isOpen()).toBe(false);
});

test("what a node keeps of the membership is for its own user alone", async () => {
  await becomeUp();
  for (const name of readdirSync(directory.path))
    expect(statSync(join(directory.path, name)).mode & 0o777, name).toBe(0o600);
});

const forged = (changes: Partial<MapPayload>, by?: readonly string[]) =>
  mapText(ledger, "me", [], { generation: 2, ...changes }, by);
const since = { epoch: 3, generation: 1 };
const drafted = (by: readonly string[], terms = {}) =>
  base()
    .admit("peer")
    .draft({ kind: "revoke_node", node: enrollment.node }, { by, ...terms });
const gone = { epoch: 4, root: "ab".repeat(32) as MapPayload["head"]["root"] };

/** The rows of the plan's threat matrix, as a stolen control server would send them. */
const lies: readonly (readonly [string, () => string])[] = [
  ["a forged signature", () => forged({}, ["mallory"])],
  [
    "an entry that an outsider signed",
    () => forged({ since, head: gone, entries: [drafted(["mallory"])] }),
  ],
  [
    "an entry with a stranger beside the approver",
    () => forged({ since, head: gone, entries: [drafted(["approver", "mallory"])] }),
  ],
  [
    "an entry that has expired",
    () =>
      forged({
        since,
        head: gone,
        entries: [drafted(["approver"], { acceptedAt: nowS, createdAt: nowS - 9_000 })],
      }),
  ],
  [
    "an entry dated ahead of every clock",
    () =>
      forged({
        since,
        head: gone,
        entries: [drafted(["approver"], { createdAt: nowS + 9_000, acceptedAt: nowS + 9_000 })],
      }),
  ],
  ["the same entry again", () => forged({ since, head: gone, entries: ledger.entries.slice(2) })],
  ["an older log", () => mapText(base(), "me", [], { generation: 2 })],
  [
    "another log of the same length",
    () => mapText(base().admit("third", {}, { id: updateId("fork") }), "me", [], { generation: 2 }),
  ],
  ["an older map", () => forged({ generation: 0 })],
  ["a map of yesterday", () => forged({ signedAt: nowS - 86_400 })],
];

test.each(lies)("%s changes nothing on the host and nothing that is believed", async (_, lie) => {
  await becomeUp();
  const [steps, view] = [host.performed.length, node.belief.view];
  const before = await status();
  give(lie());
  await waitFor("the refusal", async () => (await status()).control?.reason !== null);
  expect((await status()).control?.reason?.code).toBe("map_rejected");
  expect(host.performed.slice(steps).filter(({ kind }) => kind !== "set_lease")).toEqual([]);
  expect(node.belief.view).toBe(view);
  expect((await status()).peers).toEqual(before.peers);
  expect(openState(directory.path).audit.read().at(-1)?.event).toBe("refused");
});

test("whoever is revoked loses peer, routes and filter with one map, and an old map does not bring it back", async () => {
  const key = tunnelOf("peer").publicKey;
  await becomeUp();
  const sources = () =>
    host.kernel.filter.kind === "loaded" ? [...host.kernel.filter.filter.sources] : [];
  expect(sources().length).toBeGreaterThan(0);
  const old = mapText(ledger, "me", ["peer"]);
  const revoked = base().admit("peer").revoke("peer");
  give(mapText(revoked, "me", [], { generation: 2 }));
  await waitFor("the revocation", () => host.kernel.device?.peers.has(key) === false);
  const isHeld = () =>
    host.kernel.device?.peers.has(key) === true ||
    [...(host.kernel.device?.owners.values() ?? [])].includes(key) ||
    sources().length > 0;
  expect(isHeld()).toBe(false);
  give(old);
  await waitFor("the refusal", async () => (await status()).control?.state === "refused");
  expect(isHeld()).toBe(false);
  await node.stop();
  node = open();
  await node.start();
  expect(isHeld(), "after a restart too").toBe(false);
});

test("a node that is itself revoked closes, says so, and exits by the class of it", async () => {
  await becomeUp();
  give(mapText(base().admit("peer").revoke("me"), "me", [], { generation: 2 }));
  await waitFor("the end", async () => (await status()).state === "closed");
  const { reason } = await status();
  expect(reason?.code).toBe("revoked");
  expect(isFaultCode(reason?.code ?? "")).toBe(true);
  expect(exitOf(reason)).toBe(exitCode.refused);
  expect(host.kernel.link).toBe("absent");
  expect(existsSync(join(directory.path, "membership.log"))).toBe(true);
});
