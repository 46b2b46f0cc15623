/** control-link: one map after the other, and patience with a server that only greets. */
import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { silentLog } from "../../src/base/log.ts";
import type { ControlClient, MapStreamHooks } from "../../src/daemon/control-client.ts";
import { ControlLink, type LinkHooks } from "../../src/daemon/control-link.ts";
import { Ledger } from "../support/world.ts";
import { HandClock } from "./world.ts";

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const { membership } = new Ledger();
const held = { held: { epoch: 0, generation: 0 }, head: { epoch: 0, root: membership.root } };

/** A client whose every stream does what it is told, and how many there were. */
function clientThat(serve: (hooks: MapStreamHooks) => void) {
  const seen = { opened: 0, closed: 0 };
  const unused = () => Promise.reject(new Error("not asked for here"));
  const client: ControlClient = {
    enroll: unused,
    advertise: unused,
    voucherHistory: () => new Promise(() => {}),
    voucherRedeem: () => new Promise(() => {}),
    leave: unused,
    openMapStream: async (hooks) => {
      seen.opened++;
      serve(hooks);
      const close = () => {
        seen.closed++;
        hooks.onClose(null);
      };
      return { close, probe() {}, send() {} };
    },
  };
  return { client, seen };
}

const believing: LinkHooks = {
  held: () => held,
  onMap: async () => null,
  onOpen: async () => {},
};

async function pass(clock: HandClock, seconds: number): Promise<void> {
  for (let tick = 0; tick < seconds * 10; tick++) {
    clock.pass(0.1);
    jest.advanceTimersByTime(100);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  }
}

test("a server that sends one good map and hangs up is asked ever more slowly", async () => {
  const clock = new HandClock();
  const { client, seen } = clientThat(({ onMap, onClose }) => {
    onMap("good");
    onClose({ code: "unavailable", message: "gone" });
  });
  const link = new ControlLink(client, believing, clock, silentLog);
  link.start();
  await pass(clock, 120);
  await link.stop();
  expect(seen.opened).toBeGreaterThan(5);
  expect(seen.opened).toBeLessThan(20);
});

test("after a stream that lasted, the next one is asked for at once", async () => {
  const clock = new HandClock();
  const ends: (() => void)[] = [];
  const { client, seen } = clientThat(({ onMap, onClose }) => {
    onMap("good");
    ends.push(() => onClose({ code: "unavailable", message: "gone" }));
  });
  const link = new ControlLink(client, believing, clock, silentLog);
  link.start();
  for (let round = 1; round < 8; round++) {
    await pass(clock, 11);
    expect(seen.opened).toBe(round);
    ends.at(-1)?.();
    await pass(clock, 0.3);
    expect(seen.opened).toBe(round + 1);
  }
  await link.stop();
});

test("a server that sends faster than maps can be taken is hung up on", async () => {
  const clock = new HandClock();
  const map = "x".repeat(1 << 20);
  const { client, seen } = clientThat(({ onMap }) => {
    for (let i = 0; i < 200; i++) onMap(map);
  });
  const link = new ControlLink(client, believing, clock, silentLog);
  link.start();
  await pass(clock, 5);
  expect(seen.closed).toBeGreaterThan(0);
  expect(link.state).toMatchObject({ state: "refused", reason: { code: "map_rejected" } });
  await link.stop();
});

test("a server that sends nothing at all, without end, is hung up on too", async () => {
  const clock = new HandClock();
  const { client, seen } = clientThat(({ onMap }) => {
    for (let i = 0; i < 70_000; i++) onMap("");
  });
  const busy: LinkHooks = { ...believing, onMap: () => new Promise(() => {}) };
  const link = new ControlLink(client, busy, clock, silentLog);
  link.start();
  await pass(clock, 0.1);
  expect(seen.closed).toBeGreaterThan(0);
});

test("an attempt that the network was taken from is given up for a new one at once", async () => {
  const clock = new HandClock();
  const { client, seen } = clientThat(({ onMap }) => onMap("good"));
  const openGood = client.openMapStream;
  const { promise: late, resolve } = Promise.withResolvers<void>();
  let attempts = 0;
  const openMapStream: ControlClient["openMapStream"] = async (hooks) => {
    if (attempts++ === 0) await late;
    return openGood(hooks);
  };
  const link = new ControlLink({ ...client, openMapStream }, believing, clock, silentLog);
  link.start();
  await pass(clock, 5);
  expect([attempts, link.state.state]).toEqual([1, "connecting"]);
  link.probe();
  await pass(clock, 0.5);
  expect([attempts, link.state.state]).toEqual([2, "connected"]);
  // What was given up is closed when it succeeds after all.
  resolve();
  await pass(clock, 0.1);
  expect(seen).toEqual({ opened: 2, closed: 1 });
  await link.stop();
});

test("a stream that ends is left, although what was said at its opening is not answered yet", async () => {
  const clock = new HandClock();
  const { client, seen } = clientThat(({ onClose }) => onClose(null));
  const onOpen = (): Promise<void> => new Promise(() => {});
  const link = new ControlLink(client, { ...believing, onOpen }, clock, silentLog);
  link.start();
  await pass(clock, 5);
  expect(seen.opened).toBeGreaterThan(2);
  await link.stop();
});

test("a host that moves again and again is not made to wait for it", async () => {
  const clock = new HandClock();
  const { client, seen } = clientThat(({ onMap, onClose }) => {
    onMap("good");
    onClose(null);
  });
  const link = new ControlLink(client, believing, clock, silentLog);
  link.start();
  for (let move = 0; move < 20; move++) {
    link.probe();
    await pass(clock, 0.5);
  }
  expect(seen.opened).toBeGreaterThan(20);
  await link.stop();
});
