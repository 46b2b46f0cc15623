/** node: what happens to it in which order, and what may not hold it up. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../src/base/fault.ts";
import type { ControlClient, MapStreamHooks } from "../../src/daemon/control-client.ts";
import type { Node } from "../../src/daemon/node.ts";
import { writeKeyFile } from "../../src/store/key-file.ts";
import { waitFor } from "../lab/wait-for.ts";
import type { FakeHost } from "../support/fake-host.ts";
import { Ledger, nowS, signerOf } from "../support/world.ts";
import { emptyHost, nodeIn, silentClient } from "./stage.ts";
import { enrollmentOf, historyOf, mapText, openDirectory, openState, random } from "./world.ts";

const ledger = new Ledger().admit("me").admit("peer");
let directory: ReturnType<typeof openDirectory>;
let host: FakeHost;
let streams: MapStreamHooks[];
let node: Node;

/** A control server that answers nothing but the stream. */
const mute: ControlClient = {
  ...silentClient,
  leave: () => Promise.reject(new Fault("unavailable", "gone")),
  openMapStream: async (hooks) => {
    streams.push(hooks);
    return { close: () => hooks.onClose(null), probe() {}, send() {} };
  },
};

beforeEach(async () => {
  directory = openDirectory();
  const state = openState(directory.path);
  state.writeJoined(historyOf(ledger, 1), enrollmentOf(ledger, "me"));
  const key = join(directory.path, "identity.key");
  writeKeyFile(key, "identity", signerOf("me").seed, { kind: "plain" }, random);
  host = emptyHost();
  streams = [];
  node = nodeIn(directory.path, { host, openClient: () => mute });
  await node.start();
  expect(node.damage).toBeNull();
  await waitFor("a stream", () => streams.length === 1);
});
afterEach(async () => {
  await node.stop();
  directory[Symbol.dispose]();
});

const give = (text: string) => streams.at(-1)?.onMap(text);
const isUp = () => host.kernel.link === "up";

test("a server that never answers an advertisement holds up neither maps nor down", async () => {
  give(mapText(ledger, "me", ["peer"]));
  await waitFor("the first map", isUp);
  const revoked = new Ledger().admit("me").admit("peer").revoke("peer");
  give(mapText(revoked, "me", [], { generation: 2 }));
  await waitFor("the revocation", () => host.kernel.device?.peers.size === 0);
  await node.down();
  expect(host.kernel.link).toBe("absent");
});

test("a disk that is full keeps nobody from going down, or from leaving", async () => {
  give(mapText(ledger, "me", ["peer"]));
  await waitFor("the first map", isUp);
  const full = join(directory.path, "enrollment.new");
  mkdirSync(full);
  expect(node.down()).rejects.toThrow("enrollment");
  await waitFor("the end of the tunnel", () => !isUp());
  rmSync(full, { recursive: true });
  await node.up(undefined, undefined);
  expect(isUp()).toBe(true);
  mkdirSync(join(directory.path, "identity.key.new"));
  await node.logout("local");
  expect(host.kernel.link).toBe("absent");
  expect(node.enrollment).toBeNull();
});

test("a burst of changes of the network is one look", async () => {
  give(mapText(ledger, "me", ["peer"]));
  await waitFor("the first map", isUp);
  let looks = 0;
  const observe = host.observe.bind(host);
  host.observe = () => {
    looks++;
    return observe();
  };
  for (let i = 0; i < 1_000; i++) node.onNetworkChange();
  await node.inTurn(async () => {});
  expect(looks).toBeLessThan(3);
});

test("a map is followed without a look at the host, and a change of the network is not", async () => {
  const hear = async (generation: number): Promise<number> => {
    const before = host.looks;
    give(mapText(ledger, "me", [], { generation, signedAt: nowS }));
    await waitFor("the map", () => node.belief.view?.generation === generation);
    await node.inTurn(async () => {});
    return host.looks - before;
  };
  expect(await hear(1)).toBeGreaterThan(0);
  expect(await hear(2)).toBe(0);
  node.onNetworkChange();
  expect(await hear(3)).toBe(1);
  expect(await hear(4)).toBe(0);
});

test("a host that cannot be read when it changes ends nothing", async () => {
  give(mapText(ledger, "me", ["peer"]));
  await waitFor("the first map", isUp);
  host.localAddresses = () => {
    throw new Fault("host_failed", "the table changed while it was read");
  };
  node.onNetworkChange();
  await node.inTurn(async () => {});
  expect(node.reconciler.problem?.code).toBe("host_failed");
  expect(node.reconciler.lifecycle.kind).toBe("dataplane_applied");
});
