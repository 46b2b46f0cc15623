/** The conformance suite of the tunnel contract: whatever the adapter, these hold. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as v from "valibot";
import { Fault } from "../../src/base/fault.ts";
import { Secret } from "../../src/base/secret.ts";
import type {
  BackendCapabilities,
  RuntimeContext,
  TunnelBackend,
} from "../../src/backend/contract.ts";
import { Cidr, Endpoint } from "../../src/model/ip.ts";
import { TunnelKey } from "../../src/model/keys.ts";
import { InterfaceName } from "../../src/model/names.ts";
import type { Peer, TunnelState } from "../../src/model/tunnel.ts";

/** One host, on which backends can be made one after another, as after crashes. */
export type World = {
  readonly create: () => TunnelBackend;
  /** Makes a device of that name as another program would. */
  readonly addForeign: (name: InterfaceName) => void;
  /** Removes the device behind the backend's back. */
  readonly removeDevice: (name: InterfaceName) => void;
  readonly close: () => Promise<void>;
};

const name = v.parse(InterfaceName, "rnsuite0");
// RFC 7748 section 6.1: Alice's keys.
const secretHex = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
const ownKey = v.parse(
  TunnelKey,
  "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
);
const keyOf = (number: number): TunnelKey =>
  v.parse(TunnelKey, `c0de${number.toString(16).padStart(60, "0")}`);
const [alice, bob, carol] = [keyOf(0xa11ce), keyOf(0xb0b), keyOf(0xca401)];
const cidr = (text: string): Cidr => v.parse(Cidr, text);
const [one, two, six] = [cidr("100.64.0.1/32"), cidr("100.64.0.2/32"), cidr("fd00::1/128")];
const [all4, all6] = [cidr("0.0.0.0/0"), cidr("::/0")];
const lan = cidr("192.168.7.0/24");
const endpoint = v.parse(Endpoint, "192.0.2.1:51820");
const endpoint6 = v.parse(Endpoint, "[2001:db8::1]:51820");

function contextWith(changes: Partial<RuntimeContext> = {}): RuntimeContext {
  const tunnelSecret = new Secret(Uint8Array.fromHex(secretHex));
  return {
    interface: name,
    tunnelSecret,
    listenPort: 51_820,
    mtuBytes: 1420,
    mark: 0xca6c,
    ...changes,
  };
}

const peer = (key: TunnelKey, changes: Partial<Peer> = {}): Peer => ({
  key,
  endpoint: null,
  keepaliveS: 0,
  ...changes,
});

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "done";
  } catch (error) {
    if (error instanceof Fault) return error.code;
    throw error;
  }
}

/** `capabilities` are those that the world's backends are expected to have. */
export function backendSuite(
  title: string,
  open: () => Promise<World>,
  capabilities: BackendCapabilities,
): void {
  let world: World;
  let backend: TunnelBackend;

  beforeEach(async () => {
    world = await open();
    backend = world.create();
  });
  afterEach(() => world.close());

  const started = async (...keys: TunnelKey[]) => {
    await backend.start(contextWith());
    for (const key of keys) await backend.configurePeer(peer(key));
  };

  describe(`${title}: lifecycle`, () => {
    test("a started device has the key, the port and no peers", async () => {
      await started();
      const state: TunnelState = {
        key: ownKey,
        listenPort: 51_820,
        peers: new Map(),
        owners: new Map(),
      };
      expect(await backend.observe()).toEqual(state);
    });

    test("a second start is refused and changes nothing", async () => {
      await started(alice);
      const again = backend.start(contextWith({ listenPort: 51_821 }));
      expect(await codeOf(again)).toBe("backend_already_running");
      expect((await backend.observe()).listenPort).toBe(51_820);
    });

    const calls: readonly (readonly [string, () => Promise<unknown>])[] = [
      ["configurePeer", () => backend.configurePeer(peer(alice))],
      ["removePeer", () => backend.removePeer(alice)],
      ["applyRoutes", () => backend.applyRoutes(new Map())],
      ["moveRoute", () => backend.moveRoute(one, null)],
      ["setExitMode", () => backend.setExitMode({ kind: "off" })],
      ["observe", () => backend.observe()],
      ["stats", () => backend.stats()],
      ["shutdown", () => backend.shutdown()],
    ];

    test.each(calls)("%s before the start is refused", async (_name, call) => {
      expect(await codeOf(call())).toBe("backend_not_running");
    });

    test.each(calls)("%s after the shutdown is refused", async (_name, call) => {
      await started();
      await backend.shutdown();
      expect(await codeOf(call())).toBe("backend_not_running");
    });

    test("a device started anew has forgotten everything", async () => {
      await started(alice);
      await backend.applyRoutes(new Map([[one, alice]]));
      await backend.shutdown();
      await started();
      const { peers, owners } = await backend.observe();
      expect([peers.size, owners.size]).toEqual([0, 0]);
    });

    test("a device that was removed from outside is missed, and can be started anew", async () => {
      await started(alice);
      world.removeDevice(name);
      expect(await codeOf(backend.observe())).toBe("backend_not_running");
      expect(await codeOf(backend.applyRoutes(new Map()))).toBe("backend_not_running");
      await backend.shutdown();
      await started();
      expect((await backend.observe()).peers.size).toBe(0);
    });

    test("a start that is refused leaves nothing behind", async () => {
      const wrong = contextWith({ tunnelSecret: new Secret(new Uint8Array(32)) });
      expect(await codeOf(backend.start(wrong))).toBe("backend_invalid_input");
      expect(await codeOf(backend.observe())).toBe("backend_not_running");
      await started();
    });

    test.each([
      ["port 0", { listenPort: 0 }],
      ["port 65536", { listenPort: 65_536 }],
      ["half a port", { listenPort: 0.5 }],
      ["an MTU that IPv6 cannot use", { mtuBytes: 1279 }],
      ["a mark of 33 bits", { mark: 2 ** 32 }],
      ["a short secret", { tunnelSecret: new Secret(new Uint8Array(31).fill(1)) }],
    ])("a start with %s is refused", async (_what, changes) => {
      expect(await codeOf(backend.start(contextWith(changes)))).toBe("backend_invalid_input");
    });

    test("nothing prints the secret", async () => {
      await started();
      const seen = Bun.inspect([backend, await backend.observe(), contextWith()], { depth: 9 });
      expect(seen).not.toContain(secretHex);
    });
  });

  describe(`${title}: taking over`, () => {
    test("a new backend takes over the device with its peers in place", async () => {
      await started(alice);
      await backend.configurePeer(peer(alice, { endpoint, keepaliveS: 25 }));
      await backend.applyRoutes(new Map([[one, alice]]));
      const before = await backend.observe();
      const next = world.create();
      await next.start(contextWith());
      expect(await next.observe()).toEqual(before);
    });

    test("a taken-over device gets the new port and key", async () => {
      await started(alice);
      const next = world.create();
      const tunnelSecret = new Secret(new Uint8Array(32).fill(0x55));
      await next.start(contextWith({ listenPort: 51_999, tunnelSecret }));
      const state = await next.observe();
      expect(state.listenPort).toBe(51_999);
      expect(state.key).not.toBe(ownKey);
      expect([...state.peers.keys()]).toEqual([alice]);
    });

    test("a device of that name which is not ours is refused and left alone", async () => {
      world.addForeign(name);
      expect(await codeOf(backend.start(contextWith()))).toBe("backend_unavailable");
      expect(await codeOf(backend.observe())).toBe("backend_not_running");
      expect(await codeOf(world.create().start(contextWith()))).toBe("backend_unavailable");
    });
  });

  describe(`${title}: peers`, () => {
    test("a peer is there with its endpoint and keep-alive", async () => {
      await started();
      await backend.configurePeer(peer(alice, { endpoint, keepaliveS: 25 }));
      expect((await backend.observe()).peers.get(alice)).toEqual({
        key: alice,
        endpoint,
        keepaliveS: 25,
        lastHandshakeS: null,
        receivedBytes: 0,
        sentBytes: 0,
      });
    });

    test("a change of the keep-alive keeps the endpoint and the prefixes", async () => {
      await started();
      await backend.configurePeer(peer(alice, { endpoint, keepaliveS: 25 }));
      await backend.applyRoutes(new Map([[one, alice]]));
      await backend.configurePeer(peer(alice, { keepaliveS: 0 }));
      const { peers, owners } = await backend.observe();
      expect(peers.get(alice)).toMatchObject({ endpoint, keepaliveS: 0 });
      expect(owners).toEqual(new Map([[one, alice]]));
    });

    test("removing a peer takes its prefixes and nobody else's", async () => {
      await started(alice, bob);
      await backend.applyRoutes(
        new Map([
          [one, alice],
          [two, bob],
        ]),
      );
      await backend.removePeer(alice);
      const { peers, owners } = await backend.observe();
      expect([...peers.keys()]).toEqual([bob]);
      expect(owners).toEqual(new Map([[two, bob]]));
    });

    test("removing a stranger does nothing", async () => {
      await started(alice);
      await backend.removePeer(carol);
      await backend.removePeer(ownKey);
      const state = await backend.observe();
      expect([...state.peers.keys()]).toEqual([alice]);
      expect(state.key).toBe(ownKey);
    });

    test("the device's own key is refused as a peer", async () => {
      await started(alice);
      const before = await backend.observe();
      expect(await codeOf(backend.configurePeer(peer(ownKey)))).toBe("backend_invalid_input");
      expect(await backend.observe()).toEqual(before);
    });

    test.each([-1, 0.5, 65_536])("a keep-alive of %p s is refused", async (keepaliveS) => {
      await started();
      const call = backend.configurePeer(peer(alice, { keepaliveS }));
      expect(await codeOf(call)).toBe("backend_invalid_input");
      expect((await backend.observe()).peers.size).toBe(0);
    });

    test("1000 peers with a prefix each come and go", async () => {
      await started();
      const keys = Array.from({ length: 1000 }, (_, i) => keyOf(i + 1));
      const owners = new Map(
        keys.map((key, i) => [cidr(`100.64.${i >> 8}.${i & 255}/32`), key] as const),
      );
      for (const key of keys) await backend.configurePeer(peer(key));
      await backend.applyRoutes(owners);
      const state = await backend.observe();
      expect(state.peers.size).toBe(1000);
      expect(sorted(state.owners)).toEqual(sorted(owners));
      expect((await backend.stats()).peers).toBe(1000);
      await backend.applyRoutes(new Map());
      expect((await backend.observe()).owners.size).toBe(0);
    });
  });

  describe(`${title}: prefixes`, () => {
    test("a prefix moves from peer to peer and back to nobody", async () => {
      await started(alice, bob);
      await backend.moveRoute(one, alice);
      await backend.moveRoute(two, alice);
      await backend.moveRoute(one, bob);
      expect(sorted((await backend.observe()).owners)).toEqual([
        [one, bob],
        [two, alice],
      ]);
      await backend.moveRoute(one, null);
      await backend.moveRoute(one, null);
      const { owners, peers } = await backend.observe();
      expect(owners).toEqual(new Map([[two, alice]]));
      expect(new Set(peers.keys())).toEqual(new Set([alice, bob]));
    });

    test("applyRoutes replaces the whole table", async () => {
      await started(alice, bob);
      await backend.applyRoutes(
        new Map([
          [one, alice],
          [two, bob],
        ]),
      );
      await backend.applyRoutes(new Map([[two, alice]]));
      const { owners, peers } = await backend.observe();
      expect(owners).toEqual(new Map([[two, alice]]));
      expect(new Set(peers.keys())).toEqual(new Set([alice, bob]));
    });

    test("one peer can have more prefixes than fit in one message", async () => {
      await started(alice, bob);
      const owners = new Map(
        Array.from({ length: 3000 }, (_, i) => [cidr(`10.${i >> 8}.${i & 255}.7/32`), alice]),
      );
      await backend.applyRoutes(owners);
      expect(sorted((await backend.observe()).owners)).toEqual(sorted(owners));
      await backend.moveRoute(cidr("10.0.0.7/32"), bob);
      expect((await backend.observe()).owners.get(cidr("10.0.0.7/32"))).toBe(bob);
      expect((await backend.observe()).owners.size).toBe(3000);
    });

    test("a prefix of an unknown peer is refused and nothing of the table is applied", async () => {
      await started(alice);
      await backend.moveRoute(one, alice);
      const before = await backend.observe();
      const wanted = new Map([
        [two, alice],
        [one, carol],
      ]);
      expect(await codeOf(backend.applyRoutes(wanted))).toBe("backend_invalid_input");
      expect(await codeOf(backend.moveRoute(one, carol))).toBe("backend_invalid_input");
      expect(await codeOf(backend.moveRoute(one, ownKey))).toBe("backend_invalid_input");
      expect(await backend.observe()).toEqual(before);
    });

    test("calls that overlap in time are done one after another", async () => {
      await started(alice, bob);
      await Promise.all([
        backend.moveRoute(one, alice),
        backend.moveRoute(two, bob),
        backend.moveRoute(one, bob),
      ]);
      expect(sorted((await backend.observe()).owners)).toEqual([
        [one, bob],
        [two, bob],
      ]);
    });
  });

  describe(`${title}: what it can do`, () => {
    const expectCall = async (can: boolean, call: () => Promise<void>) => {
      const before = await backend.observe();
      expect(await codeOf(call())).toBe(can ? "done" : "backend_unsupported");
      if (!can) expect(await backend.observe()).toEqual(before);
    };

    test("the capabilities are what is expected of it", () => {
      expect(backend.capabilities()).toEqual(capabilities);
    });

    test("roaming: a known peer gets another endpoint and keeps its prefixes", async () => {
      await started();
      await backend.configurePeer(peer(alice, { endpoint }));
      await backend.applyRoutes(new Map([[one, alice]]));
      const elsewhere = v.parse(Endpoint, "192.0.2.99:1");
      await expectCall(capabilities.supportsRoaming, () =>
        backend.configurePeer(peer(alice, { endpoint: elsewhere })),
      );
      const { peers, owners } = await backend.observe();
      const expected = capabilities.supportsRoaming ? elsewhere : endpoint;
      expect(peers.get(alice)?.endpoint).toBe(expected);
      expect(owners).toEqual(new Map([[one, alice]]));
    });

    test("LAN routes: a peer may own a prefix of many addresses", async () => {
      await started(alice);
      await expectCall(capabilities.supportsLanRoutes, () => backend.moveRoute(lan, alice));
    });

    test("IPv6: prefixes and endpoints of both families", async () => {
      await started(alice);
      await expectCall(capabilities.supportsIpv6, () => backend.moveRoute(six, alice));
      await expectCall(capabilities.supportsIpv6, () =>
        backend.configurePeer(peer(bob, { endpoint: endpoint6 })),
      );
      if (!capabilities.supportsIpv6) return;
      const { peers, owners } = await backend.observe();
      expect(peers.get(bob)?.endpoint).toBe(endpoint6);
      expect(owners.get(six)).toBe(alice);
    });

    test("exit mode: everything goes to one peer, to another, and to nobody", async () => {
      await started(alice, bob);
      await backend.moveRoute(one, bob);
      const can = capabilities.supportsExitNodes && capabilities.supportsIpv6;
      await expectCall(can, () => backend.setExitMode({ kind: "full", via: alice }));
      if (can) {
        await backend.setExitMode({ kind: "full", via: bob });
        const { owners } = await backend.observe();
        expect(sorted(owners)).toEqual(
          sorted(
            new Map([
              [all4, bob],
              [all6, bob],
              [one, bob],
            ]),
          ),
        );
      }
      await backend.setExitMode({ kind: "off" });
      await backend.setExitMode({ kind: "off" });
      expect((await backend.observe()).owners).toEqual(new Map([[one, bob]]));
    });

    test("exit mode by a stranger is refused and the old one stays", async () => {
      await started(alice);
      const before = await backend.observe();
      const code = await codeOf(backend.setExitMode({ kind: "full", via: carol }));
      expect(code).toMatch(/^backend_(?:invalid_input|unsupported)$/);
      expect(await backend.observe()).toEqual(before);
    });
  });

  test(`${title}: before the first handshake the counters stand at zero`, async () => {
    await started(alice);
    expect(await backend.stats()).toEqual({
      peers: 1,
      receivedBytes: 0,
      sentBytes: 0,
      lastHandshakeS: null,
    });
  });
}

const sorted = (owners: ReadonlyMap<Cidr, TunnelKey>) =>
  [...owners].sort(([left], [right]) => (left < right ? -1 : 1));
