/** The fake backend keeps the contract, with every capability and with none, and fails when told to. */
import { expect, test } from "bun:test";
import * as v from "valibot";
import { Secret } from "../../src/base/secret.ts";
import type { BackendCapabilities } from "../../src/backend/contract.ts";
import { Cidr } from "../../src/model/ip.ts";
import { TunnelKey } from "../../src/model/keys.ts";
import { InterfaceName } from "../../src/model/names.ts";
import { allCapabilities, FakeBackend, FakeHost } from "../support/fake-backend.ts";
import { backendSuite, type World } from "./backend.suite.ts";

const worldWith = (capabilities: BackendCapabilities) => async (): Promise<World> => {
  const host = new FakeHost();
  return {
    create: () => new FakeBackend(host, { capabilities }),
    addForeign: (name) => host.addForeign(name),
    removeDevice: (name) => void host.devices.delete(name),
    close: async () => {},
  };
};

const none: BackendCapabilities = {
  supportsRoaming: false,
  supportsExitNodes: false,
  supportsLanRoutes: false,
  supportsIpv6: false,
};

backendSuite("the fake", worldWith(allCapabilities), allCapabilities);
backendSuite("the fake that can do little", worldWith(none), none);

const name = v.parse(InterfaceName, "rnfake0");
const key = v.parse(TunnelKey, "ab".repeat(32));
const context = () => ({
  interface: name,
  tunnelSecret: new Secret(new Uint8Array(32).fill(7)),
  listenPort: 51_820,
  mtuBytes: 1420,
  mark: 0,
});

test("a fault at any call leaves everything as it was", async () => {
  const calls = [
    (backend: FakeBackend) => backend.configurePeer({ key, endpoint: null, keepaliveS: 0 }),
    (backend: FakeBackend) => backend.moveRoute(v.parse(Cidr, "10.0.0.1/32"), key),
    (backend: FakeBackend) => backend.setExitMode({ kind: "full", via: key }),
    (backend: FakeBackend) => backend.applyRoutes(new Map()),
    (backend: FakeBackend) => backend.removePeer(key),
  ];
  for (let failAt = 1; failAt <= calls.length; failAt++) {
    const backend = new FakeBackend(new FakeHost(), { failAt });
    await backend.start(context());
    for (const call of calls.slice(0, failAt - 1)) await call(backend);
    const before = await backend.observe();
    const failing = calls[failAt - 1];
    if (failing === undefined) throw new Error("no such call");
    expect(failing(backend)).rejects.toThrow("told to fail");
    expect(await backend.observe()).toEqual(before);
  }
});

test("the fake tells of the handshakes that it is told of", async () => {
  const host = new FakeHost();
  const backend = new FakeBackend(host);
  await backend.start(context());
  await backend.configurePeer({ key, endpoint: null, keepaliveS: 0 });
  host.hearFrom(name, key, 1_700_000_000);
  expect((await backend.observe()).peers.get(key)?.lastHandshakeS).toBe(1_700_000_000);
  expect((await backend.stats()).lastHandshakeS).toBe(1_700_000_000);
});
