/** advertisements: a node speaks for itself, forwards only, and with a tunnel key of its own. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import * as v from "valibot";
import { Fault } from "../../src/base/fault.ts";
import { NetworkId } from "../../src/model/ids.ts";
import { TunnelKey } from "../../src/model/keys.ts";
import { Harness, type TestNode } from "../support/control-harness.ts";

let harness: Harness;
let alice: TestNode;
let bob: TestNode;
beforeAll(async () => {
  harness = await Harness.start();
  alice = await harness.join("alice");
  bob = await harness.join("bob");
});
afterAll(() => harness.stop());

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
    return "accepted";
  } catch (error) {
    return error instanceof Fault ? error.code : String(error);
  }
}

const generation = () => harness.running.control.network.generation;

test("what a node says of itself is kept, and stands for a new generation", async () => {
  const before = generation();
  const answer = await alice.advertise();
  expect(answer.generation).toBe(before + 1);
  expect(generation()).toBe(before + 1);
  const kept = harness.running.control.network.advertised(alice.id);
  expect(kept?.advertisement.tunnelKey).toBe(alice.tunnelKey);
});

test("the same again is fine and changes nothing", async () => {
  const envelope = alice.advertisement();
  const first = await alice.client().advertise(envelope);
  const second = await alice.client().advertise(envelope);
  expect(second).toEqual(first);
  expect(generation()).toBe(first.generation);
});

test.each([
  ["an older sequence", () => ({ sequence: 1 }), "replayed"],
  ["another network", () => ({ network: v.parse(NetworkId, "0".repeat(32)) }), "network_mismatch"],
  ["another node's id", () => ({ node: bob.id }), "signature_invalid"],
  [
    "a lifetime beyond the limit",
    () => ({ expiresAt: harness.clock.nowS() + 999_999 }),
    "request_malformed",
  ],
  ["a day ahead", () => ({ issuedAt: harness.clock.nowS() + 86_400 }), "clock_skew"],
  [
    "a past of its own",
    () => ({ issuedAt: harness.clock.nowS() - 100, expiresAt: harness.clock.nowS() }),
    "clock_skew",
  ],
  [
    "a tunnel key of low order",
    () => ({ tunnelKey: v.parse(TunnelKey, "0".repeat(64)) }),
    "request_malformed",
  ],
])("an advertisement with %s is refused", async (_what, changes, code) => {
  const before = generation();
  expect(await codeOf(alice.advertise(changes()))).toBe(code);
  expect(generation()).toBe(before);
});

test("a node cannot post what another one signed", async () => {
  const envelope = bob.advertisement();
  expect(await codeOf(alice.client().advertise(envelope))).toBe("permission_denied");
});

test("a tunnel key has one node, until that node is expelled", async () => {
  const first = await harness.join("first");
  const second = await harness.join("second");
  await first.advertise();
  const { tunnelKey } = first;
  expect(await codeOf(second.advertise({ tunnelKey }))).toBe("already_exists");
  await harness.operate("nodeRevoke", { node: "first" });
  expect(await codeOf(second.advertise({ tunnelKey }))).toBe("accepted");
});

test("a node that takes another tunnel key gives its old one back", async () => {
  const first = await harness.join("mover");
  const second = await harness.join("heir");
  await first.advertise();
  await first.advertise({ tunnelKey: (await harness.join("spare")).tunnelKey });
  expect(await codeOf(second.advertise({ tunnelKey: first.tunnelKey }))).toBe("accepted");
});

test("expelling a node leaves the rows of all others as they were", async () => {
  const node = await harness.join("leaving");
  await node.advertise();
  const read = () => {
    using db = new Database(harness.databasePath, { readonly: true });
    const rows = db.query("SELECT * FROM advertisements WHERE node <> ?").all(node.id);
    const head = harness.running.control.network.state.epoch;
    const log = db.query("SELECT * FROM entries WHERE epoch < ?").all(head);
    return JSON.stringify([rows, log.slice(0, 5)]);
  };
  const before = read();
  await harness.operate("nodeRevoke", { node: "leaving" });
  expect(read()).toBe(before);
});

test("after a restart everything that was said is still known, under the same generation", async () => {
  await alice.advertise();
  const before = generation();
  const said = harness.running.control.network.advertised(alice.id);
  await harness.halt();
  await harness.serve();
  expect(generation()).toBe(before);
  expect(harness.running.control.network.advertised(alice.id)).toEqual(said);
});
